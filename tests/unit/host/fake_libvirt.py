# SPDX-License-Identifier: Apache-2.0
"""As much of libvirt's Python binding as the reader asks, counting the calls.

A :class:`Binding` goes into ``sys.modules['libvirt']``; a :class:`Connection`
answers from the XML texts that it is given.  The numbers are those of libvirt's
public headers.
"""

from __future__ import annotations

import collections
import re
import types

VIR_ERR_INTERNAL_ERROR = 1
VIR_ERR_RPC = 39
VIR_ERR_NO_DOMAIN = 42
VIR_ERR_NO_NODE_DEVICE = 53
CAP_MDEV_TYPES = 1 << 13
CAP_MDEV = 1 << 14
INACTIVE = 1 << 30
ACTIVE = 1 << 31


class Error(Exception):
    """libvirt.libvirtError: has a code, and a text that may be in any language."""

    def __init__(self, code: int, text: str = 'es ging nicht') -> None:
        super().__init__(text)
        self._code = code

    def get_error_code(self) -> int:
        return self._code


class Answers:
    """Counts each call, and fails those that it is told to fail."""

    def __init__(self) -> None:
        self.calls: collections.Counter[str] = collections.Counter()
        self.failures: dict[str, Error] = {}

    def called(self, name: str) -> None:
        self.calls[name] += 1
        if name in self.failures:
            raise self.failures[name]


class NodeDevice(Answers):
    """A virNodeDevice.

    :param inactive_xml: what is defined, where that differs from what is live
    """

    def __init__(
        self,
        xml: str,
        *,
        persistent: bool = False,
        autostart: bool = False,
        inactive_xml: str | None = None,
    ) -> None:
        super().__init__()
        self.xml = xml
        self.inactive_xml = inactive_xml or xml
        self.persistent = persistent
        self.starts = autostart
        self.is_mdev = "<capability type='mdev'>" in xml
        self.active = '<path>' in xml

    def name(self) -> str:  # known without a call
        return re.search('<name>(.*?)</name>', self.xml)[1]

    def XMLDesc(self, flags: int) -> str:  # noqa: N802
        self.called('XMLDesc')
        return self.inactive_xml if flags else self.xml

    def isPersistent(self) -> int:  # noqa: N802
        self.called('isPersistent')
        return int(self.persistent)

    def autostart(self) -> int:
        self.called('autostart')
        return int(self.starts)


class Domain(Answers):
    """A virDomain."""

    def __init__(self, name: str, xml: str, *, running: bool = True) -> None:
        super().__init__()
        self._name = name
        self.xml = xml
        self.running = running

    def name(self) -> str:
        return self._name

    def isActive(self) -> int:  # noqa: N802
        self.called('isActive')
        return int(self.running)

    def XMLDesc(self, flags: int) -> str:  # noqa: N802
        self.called('XMLDesc')
        return self.xml


class Connection(Answers):
    """A virConnect."""

    def __init__(self, devices=(), domains=()) -> None:
        super().__init__()
        self.devices = list(devices)
        self.domains = list(domains)
        self.alive = True
        self.open = True

    def listAllDevices(self, flags: int) -> list[NodeDevice]:  # noqa: N802
        self.called('listAllDevices')
        if flags & CAP_MDEV_TYPES:
            return [d for d in self.devices if "type='mdev_types'" in d.xml]
        active = bool(flags & ACTIVE)
        return [d for d in self.devices if d.is_mdev and d.active is active]

    def nodeDeviceLookupByName(self, name: str) -> NodeDevice:  # noqa: N802
        self.called('nodeDeviceLookupByName')
        for device in self.devices:
            if device.name() == name:
                return device
        raise Error(VIR_ERR_NO_NODE_DEVICE)

    def listAllDomains(self, flags: int) -> list[Domain]:  # noqa: N802
        self.called('listAllDomains')
        return list(self.domains)

    def getHostname(self) -> str:  # noqa: N802
        self.called('getHostname')
        return 'compute-1.example.org'

    def isAlive(self) -> int:  # noqa: N802  known without a call
        return int(self.alive)

    def close(self) -> None:
        self.open = False

    def all_calls(self) -> int:
        """The messages to libvirt's daemon, of the connection and its objects."""
        return sum(each.calls.total() for each in (self, *self.devices, *self.domains))


def binding(connection: Connection | None = None) -> types.ModuleType:
    """The module: as of libvirt 10.1, opening this one connection."""
    module = types.ModuleType('libvirt')
    module.opened = []
    module.error_handlers = []

    def open_read_only(uri: str | None) -> Connection:
        module.opened.append(uri)
        if connection is None:
            raise Error(VIR_ERR_INTERNAL_ERROR, 'no socket')
        return connection

    vars(module).update(
        libvirtError=Error,
        openReadOnly=open_read_only,
        registerErrorHandler=lambda f, ctx: module.error_handlers.append((f, ctx)),
        VIR_ERR_NO_DOMAIN=VIR_ERR_NO_DOMAIN,
        VIR_ERR_NO_NODE_DEVICE=VIR_ERR_NO_NODE_DEVICE,
        VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES=CAP_MDEV_TYPES,
        VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV=CAP_MDEV,
        VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE=INACTIVE,
        VIR_CONNECT_LIST_NODE_DEVICES_ACTIVE=ACTIVE,
        VIR_NODE_DEVICE_XML_INACTIVE=1,
    )
    return module
