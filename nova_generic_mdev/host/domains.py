# SPDX-License-Identifier: Apache-2.0
"""Every guest with its mdevs, and those that cannot be read, each on its own.

``nodedev.guests`` is for who must know of all mdevs whether a guest has them;
this is for who tells people what is wrong, and goes on.
"""

from __future__ import annotations

import collections.abc as cabc
import typing as ty

from nova_generic_mdev import domain_xml
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names


@model.value
class Guests:
    """What could be told of the guests.

    :param unread: why not, by the guest's name
    """

    read: tuple[model.Guest, ...] = ()
    unread: cabc.Mapping[str, str]


def read(libvirt: ty.Any, connection: ty.Any) -> Guests:
    """Every guest, running or not; one that is gone meanwhile is not there.

    :param libvirt: the binding
    :param connection: a virConnect
    :raises HostError: libvirt does not list its guests, or is gone
    """
    try:
        listed = connection.listAllDomains(0)
    except libvirt.libvirtError as error:
        raise exceptions.HostError('guests of libvirt', str(error)) from error
    found: list[model.Guest] = []
    unread: dict[str, str] = {}
    for domain in sorted(listed, key=lambda domain: str(domain.name())):
        try:
            found.append(_guest(libvirt, domain))
        except (exceptions.InvalidXml, exceptions.InvalidName) as error:
            unread[domain.name()] = str(error)
        except libvirt.libvirtError as error:
            if not connection.isAlive():
                raise exceptions.HostError('libvirt', str(error)) from error
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                unread[domain.name()] = str(error)
    return Guests(read=tuple(found), unread=model.freeze(unread))


def _guest(libvirt: ty.Any, domain: ty.Any) -> model.Guest:
    running = bool(domain.isActive())
    mdevs = domain_xml.mdev_uuids(domain.XMLDesc(0))
    if running and domain.isPersistent():
        # What it will have when it starts again may differ from what it has.
        kept = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        mdevs = tuple(dict.fromkeys([*mdevs, *domain_xml.mdev_uuids(kept)]))
    return model.Guest(
        name=str(domain.name()),
        uuid=names.uuid(domain.UUIDString()),
        running=running,
        mdevs=mdevs,
    )
