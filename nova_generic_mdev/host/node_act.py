# SPDX-License-Identifier: Apache-2.0
"""What libvirt does to mdevs for us: define, start, destroy, undefine.

An mdev made here is persistent and starts with the host (libvirt's node-device
driver keeps its definition with mdevctl, wherever that lives), so it survives a
reboot by itself.  Every step looks first and does what is missing, so that one
that was cut short can be repeated.  What is live the caller looks up in sysfs:
libvirt hears of it by way of udev, a second or two later.

Nothing is told apart by the text of an error.  libvirt has no code for a parent
that is full or an mdev that is in use: the caller finds out from the kernel.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import typing as ty

from oslo_log import log as logging

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import node_xml
from nova_generic_mdev.host import patience

LOG = logging.getLogger(__name__)
# The binding has no types: a virNodeDevice, and a virConnect.
Device = ty.Any
Connection = ty.Any


class LeftDefined(exceptions.HostError):
    """libvirt could not make an mdev, and has a definition of it all the same."""


class NodeDevices:
    """The node devices of one connection that may write.

    :param libvirt: the binding
    """

    def __init__(self, libvirt: ty.Any, connection: Connection) -> None:
        self._libvirt = libvirt
        self._connection = connection

    def knows(self, parent: str) -> bool:
        """Whether libvirt can make mdevs on a parent.

        :raises HostError: libvirt does not tell
        """
        with self._reported(f'node device {parent}'):
            device = self._lookup(parent)
            return device is not None and 'mdev_types' in device.listCaps()

    def create(
        self,
        uuid: str,
        parent: model.Parent,
        mdev_type: str,
        attributes: model.Attributes,
        *,
        is_live: bool,
    ) -> None:
        """Define an mdev, start it, and let it start with the host.

        What of this was new is taken back where it does not come to its end.

        :param is_live: it is there, as this type: it needs no start
        :raises LeftDefined: libvirt refuses, and has a definition: an older one,
            or one that it refuses to take back
        :raises HostError: libvirt refuses
        """
        name = names.mdev_node_device(uuid, parent.sysname)
        wanted = model.Definition(
            uuid=uuid,
            parent=parent.name,
            mdev_type=mdev_type,
            attributes=attributes,
            autostart=True,
        )
        new: list[cabc.Callable[[], object]] = []
        try:
            with self._reported(f'node device {name}'):
                device = self._keep(name, wanted, new)
                if not is_live:
                    self._start(device, new)
                if not device.autostart():
                    device.setAutostart(1)
        except exceptions.HostError as e:
            self._take_back(e, new)
            if self._is_defined(name):
                raise LeftDefined(e.where, e.reason) from e
            raise

    def _is_defined(self, name: str) -> bool:
        try:
            device = self._lookup(name)
            return device is not None and bool(device.isPersistent())
        except self._libvirt.libvirtError as e:
            LOG.debug('whether %s is defined cannot be told: %s', name, e)
            return False

    def _keep(
        self, name: str, wanted: model.Definition, new: list[cabc.Callable[[], object]]
    ) -> Device:
        """Have it defined; note how that is taken back, if it is new."""
        device = self._defined(name, wanted)
        if device is None:
            xml = node_xml.node_device(
                wanted.parent, wanted.mdev_type, wanted.uuid, wanted.attributes
            )
            device = self._connection.nodeDeviceDefineXML(xml, 0)
            new.append(device.undefine)
        return device

    def _start(self, device: Device, new: list[cabc.Callable[[], object]]) -> None:
        """Start what is not live, once libvirt has heard that it is not."""
        if not patience.settled(lambda: not device.isActive()):
            raise exceptions.HostError(
                f'node device {device.name()}',
                f'libvirt has it as live, and {patience.IN_TIME} it is not; '
                'restart virtnodedevd, or libvirtd',
            )
        device.create(0)
        new.append(device.destroy)

    def _defined(self, name: str, wanted: model.Definition) -> Device | None:
        """The device, where its definition is there and says what is wanted."""
        device = self._lookup(name)
        if device is None or not device.isPersistent():
            return None
        # Since 10.1 the attributes of a live one may differ from those defined.
        flags = getattr(self._libvirt, 'VIR_NODE_DEVICE_XML_INACTIVE', 0)
        there = node_xml.read_definition(device.XMLDesc(flags), autostart=True)
        if (there.mdev_type, there.attributes) == (wanted.mdev_type, wanted.attributes):
            return device
        LOG.warning(
            'the definition of %s is replaced: it says %s with %s',
            name, there.mdev_type, dict(there.attributes),
        )  # fmt: skip
        device.undefine()
        return None

    def _take_back(
        self, error: exceptions.HostError, new: list[cabc.Callable[[], object]]
    ) -> None:
        try:
            for undo in reversed(new):
                undo()
        except self._libvirt.libvirtError as e:
            raise LeftDefined(
                error.where, f'{error.reason}; nor can it be taken back: {e}'
            ) from error

    @contextlib.contextmanager
    def undefined(self, uuid: str, parent: str | None = None) -> cabc.Iterator[None]:
        """Undo the definition of an mdev around the removal of what is live.

        It does not start with the host while it is being removed, and is
        undefined when that is done.  A removal that is refused changes nothing.

        :param parent: one of this uuid on another parent is somebody else's
        :raises HostError: libvirt refuses
        """
        with self._reported(f'mdev {uuid}'):
            # A listed one may go at any moment: libvirt follows udev, here too.
            called = self._called(uuid, parent)
            defined = [d for d in called if self._unless_gone(d.isPersistent)]
            starting = [d for d in defined if self._unless_gone(d.autostart)]
            for device in starting:
                self._unless_gone(device.setAutostart, 0)
        try:
            yield
        except exceptions.MdevError:
            self._let_start(starting)
            raise
        with self._reported(f'mdev {uuid}'):
            for device in defined:
                self._unless_gone(device.undefine)

    def _let_start(self, devices: cabc.Iterable[Device]) -> None:
        """Put back what a removal took that was refused, which is what matters."""
        try:
            for device in devices:
                self._unless_gone(device.setAutostart, 1)
        except self._libvirt.libvirtError as e:
            LOG.warning('%s will not start with the host: %s', device.name(), e)

    def destroy(self, uuid: str, parent: str | None = None) -> None:
        """Remove an mdev that is live, once libvirt has heard that it is.

        :param parent: as for `undefined`
        :raises HostError: libvirt refuses; an mdev that is in use, for one
        """
        with self._reported(f'mdev {uuid}'):
            live = patience.settled(
                lambda: [
                    device
                    for device in self._called(uuid, parent)
                    if self._unless_gone(device.isActive)
                ]
            )
            if not live:
                raise exceptions.HostError(
                    f'mdev {uuid}',
                    f'it is live, and {patience.IN_TIME} libvirt has not heard of it; '
                    'restart virtnodedevd, or libvirtd',
                )
            for device in live:
                self._unless_gone(device.destroy)

    def _called(self, uuid: str, parent: str | None) -> list[Device]:
        """All node devices of an mdev: mdevctl takes a uuid once per parent."""
        flags = (
            self._libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV
            | self._libvirt.VIR_CONNECT_LIST_NODE_DEVICES_ACTIVE
            | self._libvirt.VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE
        )
        listed = self._connection.listAllDevices(flags)
        return [d for d in listed if is_mdev(d.name(), uuid, parent)]

    def _lookup(self, name: str) -> Device | None:
        return self._unless_gone(self._connection.nodeDeviceLookupByName, name)

    def _unless_gone(self, call: cabc.Callable[..., ty.Any], *args: object) -> ty.Any:
        try:
            return call(*args)
        except self._libvirt.libvirtError as e:
            if e.get_error_code() == self._libvirt.VIR_ERR_NO_NODE_DEVICE:
                return None
            raise

    @contextlib.contextmanager
    def _reported(self, what: str) -> cabc.Iterator[None]:
        try:
            yield
        except (self._libvirt.libvirtError, exceptions.InvalidXml) as e:
            raise exceptions.HostError(what, f'libvirt: {e}') from e


def is_mdev(name: str, uuid: str, parent: str | None) -> bool:
    """Whether a node device is this mdev on this parent; None: on any.

    It is named for its parent also while that is away.
    """
    prefix = names.mdev_node_device(uuid, '_').rstrip('_')
    is_it = name.startswith(prefix)
    return is_it and (parent is None or parent.endswith(name.removeprefix(prefix)))
