# SPDX-License-Identifier: Apache-2.0
"""One look at libvirt's node devices: what is known of them, and what is not."""

from __future__ import annotations

import collections.abc as cabc
import typing as ty

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import node_xml

# The binding has no types: this is a virNodeDevice.
Device = ty.Any

_T = ty.TypeVar('_T')


class Look:
    """One snapshot in the making.

    A call is a message to libvirt's daemon; there is one for each list and for
    each parent, two for each mdev, and two more for each that is defined.

    :param libvirt: the binding
    :param connection: a virConnect
    """

    def __init__(self, libvirt: ty.Any, connection: ty.Any) -> None:
        self._libvirt = libvirt
        self._connection = connection
        self._parents: dict[str, model.Parent] = {}
        self._mdevs: dict[str, model.Mdev] = {}
        self._definitions: dict[str, model.Definition] = {}
        self._faults: list[model.Fault] = []
        self._duplicates: list[model.Mdev | model.Definition] = []

    def all(self, asked: cabc.Sequence[str] | None) -> model.HostSnapshot:
        """Everything, or just these parents and what is on them.

        :raises HostError: libvirt does not list its devices, or is gone
        """
        if asked is None:
            for device in self._list('MDEV_TYPES'):
                self._tell(device.name(), self._parent, device)
        else:
            for name in asked:
                self._tell(name, self._parent_called, name)
        only_some = asked is not None
        for device in self._mdevs_that_are('ACTIVE', only_some=only_some):
            self._tell(device.name(), self._mdev, device)
            self._tell(device.name(), self._definition, device)
        for device in self._mdevs_that_are('INACTIVE', only_some=only_some):
            self._tell(device.name(), self._definition, device)
        return model.HostSnapshot(
            parents=self._parents,
            mdevs=self._mdevs,
            definitions=self._definitions,
            faults=tuple(self._faults),
            duplicates=tuple(self._duplicates),
        )

    def _mdevs_that_are(self, state: str, *, only_some: bool) -> list[Device]:
        listed = self._list('MDEV', state)
        if not only_some:
            return listed
        return [device for device in listed if self._is_on_parent(device.name())]

    def _list(self, capability: str, *states: str) -> list[Device]:
        """The node devices with a capability, in the order of their names."""
        flags = 0
        for name in (f'CAP_{capability}', *states):
            flags |= getattr(self._libvirt, f'VIR_CONNECT_LIST_NODE_DEVICES_{name}')
        try:
            listed = self._connection.listAllDevices(flags)
        except self._libvirt.libvirtError as error:
            raise exceptions.HostError('node devices', str(error)) from error
        return sorted(listed, key=lambda device: str(device.name()))

    def _tell(self, name: str, read: cabc.Callable[[_T], None], what: _T) -> None:
        """Read one device.  One that is gone is no fault."""
        try:
            read(what)
        except (exceptions.InvalidXml, exceptions.InvalidName) as error:
            self._fault(name, str(error))
        except self._libvirt.libvirtError as error:
            if error.get_error_code() == self._libvirt.VIR_ERR_NO_NODE_DEVICE:
                return
            if not self._connection.isAlive():
                raise exceptions.HostError('libvirt', str(error)) from error
            self._fault(name, str(error))

    def _fault(self, name: str, reason: str) -> None:
        self._faults.append(model.Fault(where=name, reason=reason))

    def _parent_called(self, name: str) -> None:
        self._parent(self._connection.nodeDeviceLookupByName(name))

    def _parent(self, device: Device) -> None:
        parent, faults = node_xml.read_parent(device.XMLDesc(0))
        self._faults += faults
        # Asked for by name it may be any device, and only a parent has types.
        if parent.types or faults:
            self._parents[parent.name] = parent

    def _is_on_parent(self, name: str) -> bool:
        """Whether an mdev's name says that it is on a parent of this look."""
        try:
            uuid = names.uuid_of_node_device(name)
        except exceptions.InvalidName:
            return False
        return any(
            names.mdev_node_device(uuid, parent.sysname) == name
            for parent in self._parents.values()
        )

    def _mdev(self, device: Device) -> None:
        mdev = node_xml.read_mdev(device.XMLDesc(0))
        if mdev.parent not in self._parents:
            return
        # libvirt learns of what went through events, and may be late.
        if self._mdevs.setdefault(mdev.uuid, mdev).parent != mdev.parent:
            self._duplicates.append(mdev)

    def _definition(self, device: Device) -> None:
        # libvirt may go on listing what is neither live nor defined.
        if not device.isPersistent():
            return
        # Since 10.1 the attributes of a live one may differ from those defined.
        flags = getattr(self._libvirt, 'VIR_NODE_DEVICE_XML_INACTIVE', 0)
        definition = node_xml.read_definition(
            device.XMLDesc(flags), autostart=bool(device.autostart())
        )
        first = self._definitions.setdefault(definition.uuid, definition)
        if first.parent != definition.parent:
            self._duplicates.append(definition)
