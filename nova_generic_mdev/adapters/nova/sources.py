# SPDX-License-Identifier: Apache-2.0
"""Who else knows about the mdevs of this host: libvirt, Placement, Nova, Cyborg.

What :mod:`~.upkeep` looks at, besides the host and the record.  All of it raises
:class:`~.upkeep.consumers.Unsure` where it cannot be told.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import typing as ty

from nova import exception
from nova.virt.libvirt import driver as libvirt_driver

from nova_generic_mdev import domain_xml
from nova_generic_mdev import exceptions
from nova_generic_mdev import names
from nova_generic_mdev.adapters.nova import asking
from nova_generic_mdev.adapters.nova.upkeep import adopting
from nova_generic_mdev.adapters.nova.upkeep import consumers


class Sources:
    """What one of Nova's libvirt drivers can ask.

    :param driver: it
    """

    def __init__(self, driver: ty.Any) -> None:
        self._driver = driver
        self._nova = asking.Nova()

    @property
    def node(self) -> str:
        """What Nova calls this host, and Placement its root provider."""
        with _sure_of_libvirt():
            return str(self._driver._host.get_hostname())

    def domains(self) -> frozenset[str]:
        """The uuids of all guests here, running or not."""
        with _sure_of_libvirt():
            found = self._driver._host.list_instance_domains(only_running=False)
            return frozenset(domain.UUIDString() for domain in found)

    def guests(self, only: cabc.Container[str] | None = None) -> adopting.Guests:
        """The mdevs that guests have, from the XML of each.

        :param only: of these; None: of all
        """
        mdevs: dict[str, tuple[str, ...]] = {}
        unread: dict[str, str] = {}
        with _sure_of_libvirt():
            found = self._driver._host.list_guests(only_running=False)
            here = [guest for guest in found if only is None or guest.uuid in only]
        for guest in here:
            try:
                with _sure_of_libvirt():
                    named = _mdevs_of(guest)
            except (consumers.Unsure, exceptions.InvalidXml) as e:
                unread[guest.uuid] = str(e)
                continue
            if named is not None:
                mdevs[guest.uuid] = named
        return adopting.Guests(mdevs=mdevs, unread=unread)

    def defined(self) -> frozenset[str]:
        """The mdevs that libvirt keeps a definition of, live or not."""
        libvirt = libvirt_driver.libvirt
        mdevs = libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV
        inactive = libvirt.VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE
        with _sure_of_libvirt():
            host = self._driver._host
            listed = [
                d for f in (0, inactive) for d in host.list_all_devices(mdevs | f)
            ]
            kept = [device.name() for device in listed if device.isPersistent()]
        return frozenset(_uuids(kept))

    def known(self, uuids: cabc.Iterable[str]) -> consumers.Known:
        """Who these are; see :meth:`.Nova.known`."""
        return self._nova.known(uuids)

    def accelerators(self, server: str) -> frozenset[str]:
        """The mdevs of accelerator requests; see :meth:`.Nova.accelerators`."""
        return self._nova.accelerators(server)

    def placement(
        self, parents: cabc.Collection[str], classes: cabc.Collection[str]
    ) -> asking.Placement:
        """What is allocated here; see :class:`~.asking.Placement`."""
        client = self._driver.virtapi.reportclient
        return asking.Placement(client, self.node, parents, classes)


@contextlib.contextmanager
def _sure_of_libvirt() -> cabc.Iterator[None]:
    """In this block libvirt's errors are one of ours.

    :raises Unsure: libvirt does not tell
    """
    try:
        yield
    except (libvirt_driver.libvirt.libvirtError, exception.NovaException) as e:
        raise consumers.Unsure('libvirt', e) from e


def _mdevs_of(guest: ty.Any) -> tuple[str, ...] | None:
    """The mdevs in a guest's XML; None: it has gone."""
    libvirt = libvirt_driver.libvirt
    try:
        xmls = [guest.get_xml_desc()]
        if guest.has_persistent_configuration():
            # What it will have when it starts again may differ from what it has.
            xmls.append(guest.get_xml_desc(dump_inactive=True))
        named = (uuid for xml in xmls for uuid in domain_xml.mdev_uuids(xml))
        return tuple(dict.fromkeys(named))
    except libvirt.libvirtError as e:
        if e.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


def _uuids(node_devices: cabc.Iterable[str]) -> cabc.Iterator[str]:
    for name in node_devices:
        # One that libvirt calls otherwise is none that we would know.
        with contextlib.suppress(exceptions.InvalidName):
            yield names.uuid_of_node_device(name)
