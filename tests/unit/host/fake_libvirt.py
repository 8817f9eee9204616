# SPDX-License-Identifier: Apache-2.0
"""As much of libvirt's Python binding as we ask, counting the calls.

A :func:`binding` goes into ``sys.modules['libvirt']``; a :class:`Connection`
answers from the XML texts that it is given.  Given a host too, it makes and
removes mdevs on it, as libvirt does with mdevctl.  The numbers are those of
libvirt's public headers.
"""

from __future__ import annotations

import collections
import re
import types
import uuid as uuidlib
import xml.etree.ElementTree as ET

from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import names

VIR_ERR_INTERNAL_ERROR = 1
VIR_ERR_OPERATION_INVALID = 55
VIR_ERR_CONFIG_UNSUPPORTED = 67
VIR_ERR_RPC = 39
VIR_ERR_NO_DOMAIN = 42
VIR_ERR_NO_NODE_DEVICE = 53
CAP_MDEV_TYPES = 1 << 13
CAP_MDEV = 1 << 14
INACTIVE = 1 << 30
XML_INACTIVE = 2
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

    def listCaps(self) -> list[str]:  # noqa: N802
        self.called('listCaps')
        return re.findall("<capability type='(.*?)'", self.xml)

    def isActive(self) -> int:  # noqa: N802
        self.called('isActive')
        return int(self.active)

    def isPersistent(self) -> int:  # noqa: N802
        self.called('isPersistent')
        return int(self.persistent)

    def autostart(self) -> int:
        self.called('autostart')
        return int(self.starts)


class Mdev(NodeDevice):
    """The virNodeDevice of an mdev that can be started and removed.

    :param connection: whose device it is; has the host that it is live on
    """

    def __init__(self, connection: Connection, xml: str) -> None:
        Answers.__init__(self)
        self._connection = connection
        self.is_mdev = True
        self.persistent = self.starts = False
        self.define(xml)

    def define(self, xml: str) -> None:
        device = ET.fromstring(xml)  # noqa: S314
        self.parent = device.findtext('parent')
        self.uuid = device.findtext('capability/uuid')
        self.mdev_type = device.find('capability/type').get('id')
        self.attributes = [(a.get('name'), a.get('value')) for a in device.iter('attr')]
        self._name = names.mdev_node_device(
            self.uuid, self._connection.host.snapshot().parents[self.parent].sysname
        )
        self.inactive_xml = self.xml = xml.replace(
            '<device>', f'<device><name>{self._name}</name>'
        )

    @property
    def active(self) -> bool:
        return self.uuid in self._connection.host.snapshot([self.parent]).mdevs

    def name(self) -> str:
        return self._name

    def called(self, name: str) -> None:
        self._connection.answer(name)
        super().called(name)

    def isActive(self) -> int:  # noqa: N802
        self.called('isActive')
        is_behind = self._connection.behind > 0
        self._connection.behind -= is_behind
        return int(self.active is not is_behind)

    def create(self, flags: int) -> int:
        self.called('create')
        try:
            self._connection.host.place(self.uuid, self.parent, self.mdev_type)
        except exceptions.MdevError as e:
            raise Error(VIR_ERR_INTERNAL_ERROR) from e
        return 0

    def destroy(self) -> int:
        self.called('destroy')
        try:
            self._connection.host.remove(self.uuid)
        except exceptions.InUse as e:
            raise Error(VIR_ERR_INTERNAL_ERROR) from e
        return 0

    def setAutostart(self, starts: int) -> int:  # noqa: N802
        self.called('setAutostart')
        if not self.persistent:
            raise Error(VIR_ERR_OPERATION_INVALID)
        self.starts = bool(starts)
        return 0

    def undefine(self) -> int:
        self.called('undefine')
        if self not in self._connection.devices:
            raise Error(VIR_ERR_NO_NODE_DEVICE)
        if not self.persistent:
            raise Error(VIR_ERR_OPERATION_INVALID)
        self.persistent = self.starts = False
        if not self.active:
            self._connection.devices.remove(self)
        return 0


class Domain(Answers):
    """A virDomain.

    :param kept: what it will be when it starts again; None: it is not persistent
    """

    def __init__(
        self,
        name: str,
        xml: str,
        *,
        running: bool = True,
        uuid: str | None = None,
        kept: str | None = None,
    ) -> None:
        super().__init__()
        self._name = name
        self._uuid = uuid or str(uuidlib.uuid5(uuidlib.NAMESPACE_DNS, name))
        self.xml = xml
        self.kept = kept
        self.running = running

    def name(self) -> str:
        return self._name

    def isActive(self) -> int:  # noqa: N802
        self.called('isActive')
        return int(self.running)

    def UUIDString(self) -> str:  # noqa: N802  known without a call
        return self._uuid

    def isPersistent(self) -> int:  # noqa: N802
        self.called('isPersistent')
        return int(self.kept is not None or not self.running)

    def XMLDesc(self, flags: int) -> str:  # noqa: N802
        self.called('XMLDesc')
        is_kept = flags == XML_INACTIVE and self.kept is not None
        return self.kept if is_kept else self.xml


class Connection(Answers):
    """A virConnect.

    :param host: what mdevs are made on
    """

    def __init__(
        self, devices=(), domains=(), host: fixture.FakeHost | None = None
    ) -> None:
        super().__init__()
        self.devices = list(devices)
        self.host = host
        #: what to do when a call of this name reaches libvirt's daemon
        self.before: dict[str, object] = {}
        #: the calls that change something, in their order
        self.acts: list[str] = []
        self.domains = list(domains)
        self.alive = True
        self.open = True
        #: how often it is asked before it has heard what came and what went
        self.behind = 0

    def listAllDevices(self, flags: int) -> list[NodeDevice]:  # noqa: N802
        self.called('listAllDevices')
        if flags & CAP_MDEV_TYPES:
            return [d for d in self.devices if "type='mdev_types'" in d.xml]
        return [
            d
            for d in self.devices
            if d.is_mdev and flags & (ACTIVE if d.active else INACTIVE)
        ]

    def answer(self, name: str) -> None:
        """One of our devices was called."""
        if name in ('define', 'create', 'destroy', 'setAutostart', 'undefine'):
            self.acts.append(name)
        if name in self.before:
            self.before[name]()
        if not self.alive:
            raise Error(VIR_ERR_RPC)

    def nodeDeviceDefineXML(self, xml: str, flags: int) -> Mdev:  # noqa: N802
        self.called('nodeDeviceDefineXML')
        self.answer('define')
        parent = ET.fromstring(xml).findtext('parent')  # noqa: S314
        if parent not in {d.name() for d in self.devices}:
            raise Error(VIR_ERR_CONFIG_UNSUPPORTED)
        device = Mdev(self, xml)
        for there in self.devices:
            if there.name() == device.name():
                if there.persistent:
                    raise Error(VIR_ERR_INTERNAL_ERROR)
                there.define(xml)
                device = there
        if device not in self.devices:
            self.devices.append(device)
        device.persistent = True
        return device

    def mdev(self, uuid: str) -> list[Mdev]:
        """The devices of one uuid."""
        return [d for d in self.devices if isinstance(d, Mdev) and d.uuid == uuid]

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
        open=open_read_only,
        openReadOnly=open_read_only,
        registerErrorHandler=lambda f, ctx: module.error_handlers.append((f, ctx)),
        VIR_ERR_NO_DOMAIN=VIR_ERR_NO_DOMAIN,
        VIR_ERR_NO_NODE_DEVICE=VIR_ERR_NO_NODE_DEVICE,
        VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES=CAP_MDEV_TYPES,
        VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV=CAP_MDEV,
        VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE=INACTIVE,
        VIR_CONNECT_LIST_NODE_DEVICES_ACTIVE=ACTIVE,
        VIR_NODE_DEVICE_XML_INACTIVE=1,
        VIR_DOMAIN_XML_INACTIVE=XML_INACTIVE,
    )
    return module
