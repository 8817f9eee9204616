# SPDX-License-Identifier: Apache-2.0
"""The host as libvirt sees it, over its node devices.

libvirt knows the parents that are PCI functions, s390 subchannels, the AP matrix
and ``mtty``; it gives no name to any other (``mdpy``, ``mbochs``), so neither
those nor their mdevs are in its snapshots.  Nor are a type's ``description``
and a parent that has no type at the moment.  What sysfs lacks, and libvirt
tells, is the persistent definitions.  libvirt learns of new mdevs through
events: for what is live, sysfs is the authority.

This is the one module that imports libvirt (>= 8.0), and only when it is used;
``domains``, ``node_look`` and ``node_act`` get it from here.
Its errors are told apart by code, never by text.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import typing as ty

from nova_generic_mdev import domain_xml
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev.host import domains
from nova_generic_mdev.host import node_act
from nova_generic_mdev.host import node_look
from nova_generic_mdev.host import patience

# Nova's default too. libvirt's own is, for a user who is not root, a daemon of
# that user's, which it would start, and which has none of the host's guests.
DEFAULT_URI = 'qemu:///system'
# libvirt's daemon may be starting by its socket, and load its drivers first.
OPEN_SECONDS = 30.0
# The binding has no types: this is a virConnect.
Connection = ty.Any


@model.value
class Guest:
    """A guest, by libvirt's name of its domain."""

    name: str
    running: bool


@contextlib.contextmanager
def connected(
    source: Connection | str | None = None, *, writing: bool = False
) -> cabc.Iterator[Connection]:
    """A connection that is closed at the end, unless it is the caller's.

    :param source: a connection, which stays open; or the URI of one; None is
        this machine's, ``DEFAULT_URI``
    :param writing: not read-only
    :raises HostError: there is no libvirt, or it does not answer
    """
    libvirt = _binding()
    if source is not None and not isinstance(source, str):
        yield source
        return
    # It would print each error on stderr, ours and those that are expected.
    libvirt.registerErrorHandler(_say_nothing, None)
    how = libvirt.open if writing else libvirt.openReadOnly
    connection = _opened(source or DEFAULT_URI, how)
    with contextlib.closing(connection):
        yield connection


@contextlib.contextmanager
def acting(
    source: Connection | str | None = None,
) -> cabc.Iterator[node_act.NodeDevices]:
    """libvirt's node devices, to make and to remove mdevs.

    :param source: as for :func:`connected`
    :raises HostError: there is no libvirt, or it does not let us write
    """
    with connected(source, writing=True) as connection:
        yield node_act.NodeDevices(_binding(), connection)


def hostname(uri: str | None = None) -> str:
    """What libvirt calls this host; so Nova calls its root provider.

    :raises HostError: there is no libvirt, or it does not answer
    """
    with connected(uri) as connection:
        return str(_ask('hostname of libvirt', connection.getHostname))


def guests(connection: Connection) -> cabc.Mapping[str, Guest]:
    """The guests that mdevs are named in, by the mdev's uuid.

    Of several guests with the same mdev it is the one that runs, else the first
    by name.  Every guest's XML is read: at start and to reconcile, never in an
    allocation.

    :raises HostError: libvirt does not tell
    :raises InvalidXml: a guest cannot be read, so any mdev may be in it
    """
    libvirt = _binding()
    found: dict[str, Guest] = {}
    listed = _ask('guests of libvirt', connection.listAllDomains, 0)
    for domain in sorted(listed, key=lambda domain: str(domain.name())):
        try:
            guest = Guest(name=domain.name(), running=bool(domain.isActive()))
            uuids = domain_xml.mdev_uuids(domain.XMLDesc(0))
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                continue
            raise exceptions.HostError(f'guest {domain.name()}', str(error)) from error
        for uuid in uuids:
            if uuid not in found or guest.running > found[uuid].running:
                found[uuid] = guest
    return model.freeze(found)


def all_guests(source: Connection | str | None = None) -> domains.Guests:
    """Every guest with its mdevs; one that cannot be read is told, and skipped.

    :param source: as for :func:`connected`
    :raises HostError: there is no libvirt, or it does not list its guests
    """
    with connected(source) as connection:
        return domains.read(_binding(), connection)


class NodedevReader:
    """Implements :class:`~nova_generic_mdev.host.Reader` on libvirt.

    :param source: a connection, which is the caller's to close; or the URI of
        one that is opened, read-only, for each snapshot; None: this machine's
    """

    def __init__(self, source: Connection | str | None = None) -> None:
        self._source = source

    def snapshot(self, parents: cabc.Iterable[str] | None = None) -> model.HostSnapshot:
        """What libvirt tells of the host: everything, or just these parents.

        What cannot be read is a fault; what vanishes meanwhile is not there.
        The definitions on a parent that is not there are told with everything.

        :raises HostError: there is no libvirt, or it does not let us look
        """
        asked = None if parents is None else sorted(set(parents))
        with connected(self._source) as connection:
            return node_look.Look(_binding(), connection).all(asked)


def _binding() -> ty.Any:
    """libvirt's Python binding.

    :raises HostError: it is not installed
    """
    try:
        import libvirt
    except ImportError as error:
        raise exceptions.HostError(
            'libvirt',
            'its Python binding is not installed; install the package '
            "python3-libvirt, or nova-generic-mdev[libvirt] where libvirt's "
            'development files are',
        ) from error
    return libvirt


def _opened(uri: str, how: cabc.Callable[..., Connection]) -> Connection:
    """A connection: what hangs in libvirt's daemon shows when one is asked for."""
    where = f'libvirt at {uri}'
    try:
        return patience.bounded(OPEN_SECONDS, how, uri, errors=_binding().libvirtError)
    except TimeoutError as error:
        raise exceptions.HostError(
            where, f'it did not answer in {OPEN_SECONDS:.0f} s; restart it'
        ) from error
    except _binding().libvirtError as error:
        raise exceptions.HostError(where, str(error)) from error


def _ask(what: str, call: cabc.Callable[..., ty.Any], *arguments: object) -> ty.Any:
    """What libvirt answers.

    :raises HostError: it refuses
    """
    try:
        return call(*arguments)
    except _binding().libvirtError as error:
        raise exceptions.HostError(what, str(error)) from error


def _say_nothing(_context: object, _error: object) -> None:
    pass
