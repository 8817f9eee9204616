# SPDX-License-Identifier: Apache-2.0
"""What libvirt does to mdevs for us: define, start, destroy, undefine.

An mdev made here is persistent and starts with the host (libvirt's node-device
driver keeps its definition with mdevctl, wherever that lives), so it survives a
reboot by itself.  Every step looks first and does what is missing, so that one
that was cut short can be repeated.

Nothing is told apart by the text of an error.  libvirt has no code for a parent
that is full or an mdev that is in use: the caller finds out from the kernel.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import typing as ty

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import node_xml

# The binding has no types: a virNodeDevice, and a virConnect.
Device = ty.Any
Connection = ty.Any


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
    ) -> None:
        """Define an mdev, start it, and let it start with the host.

        A definition that does not start is taken back, if it is new.

        :raises HostError: libvirt refuses
        """
        name = names.mdev_node_device(uuid, parent.sysname)
        with self._reported(f'node device {name}'), contextlib.ExitStack() as undo:
            device = self._lookup(name)
            if device is None or not device.isPersistent():
                xml = node_xml.node_device(parent.name, mdev_type, uuid, attributes)
                device = self._connection.nodeDeviceDefineXML(xml, 0)
                undo.callback(device.undefine)
            if not device.isActive():
                device.create(0)
            undo.pop_all()
            device.setAutostart(1)

    def remove(self, uuid: str) -> None:
        """Undo both halves of an mdev: what is live and what is defined.

        It no longer starts with the host even where it cannot be removed now.

        :raises HostError: libvirt refuses; an mdev that is in use, for one
        """
        with self._reported(f'mdev {uuid}'):
            for device in self._called(uuid):
                self._remove(device)

    def _remove(self, device: Device) -> None:
        persistent = device.isPersistent()
        if persistent:
            device.setAutostart(0)
        if device.isActive():
            device.destroy()
        if persistent:
            device.undefine()

    def _called(self, uuid: str) -> list[Device]:
        """All node devices of an mdev: mdevctl takes a uuid once per parent."""
        flags = (
            self._libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV
            | self._libvirt.VIR_CONNECT_LIST_NODE_DEVICES_ACTIVE
            | self._libvirt.VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE
        )
        prefix = names.mdev_node_device(uuid, '_').rstrip('_')
        listed = self._connection.listAllDevices(flags)
        return [device for device in listed if device.name().startswith(prefix)]

    def _lookup(self, name: str) -> Device | None:
        try:
            return self._connection.nodeDeviceLookupByName(name)
        except self._libvirt.libvirtError as e:
            if e.get_error_code() == self._libvirt.VIR_ERR_NO_NODE_DEVICE:
                return None
            raise

    @contextlib.contextmanager
    def _reported(self, what: str) -> cabc.Iterator[None]:
        try:
            yield
        except self._libvirt.libvirtError as e:
            raise exceptions.HostError(what, f'libvirt: {e}') from e
