# SPDX-License-Identifier: Apache-2.0
"""The host that our engine sees in Nova's tests: Nova's fake libvirt.

Nova's tests put mdevs there, look for them there, and mock what the driver does
to it.  So the engine looks and acts by the driver's own helpers.
"""

import collections.abc as cabc
import typing as ty

from nova.virt.libvirt import utils as libvirt_utils

from nova_generic_mdev import model
from nova_generic_mdev import names


class NovasHost:
    """Implements :class:`nova_generic_mdev.host.Host` by Nova's libvirt driver."""

    def __init__(self, driver: ty.Any) -> None:
        self._driver = driver

    def snapshot(self, parents: cabc.Iterable[str] | None = None) -> model.HostSnapshot:
        """What the driver finds: everything, or just these parents.

        It looks for the types that are enabled, and for no other; which these
        are it does not know yet when it is made.
        """
        types = getattr(self._driver, 'supported_vgpu_types', None)
        mdevs = [_mdev(m) for m in self._driver._get_mediated_devices(types=types)]
        # The fake has mdevs whose parent it does not show; a kernel never has.
        there = {mdev.parent: _full(mdev) for mdev in mdevs}
        found = self._driver._get_mdev_capable_devices(types=types)
        there |= {parent.name: parent for parent in map(_parent, found)}
        shown = there.keys() if parents is None else there.keys() & set(parents)
        return model.HostSnapshot(
            parents={name: there[name] for name in shown},
            mdevs={mdev.uuid: mdev for mdev in mdevs if mdev.parent in shown},
        )

    def create(
        self,
        uuid: str,
        parent: str,
        mdev_type: str,
        attributes: model.Attributes = (),
    ) -> str:
        """Let the driver make an mdev, which Nova's tests may have mocked."""
        if uuid not in self.snapshot([parent]).mdevs:
            # Nova's mock of the second learns from the first which compute asks.
            self._driver._get_vgpu_type_per_pgpu(parent)
            self._driver._create_mdev(parent, mdev_type, uuid=uuid)
        return 'libvirt'

    def remove(
        self, uuid: str, backend: str | None = None, parent: str | None = None
    ) -> None:
        """Take an mdev out of the fake libvirt, which has no call for it."""
        devices = self._driver._host.get_connection().mdev_info.devices
        devices.pop(libvirt_utils.mdev_uuid2name(uuid), None)


def _parent(found: cabc.Mapping[str, ty.Any]) -> model.Parent:
    types = (
        model.MdevType(
            id=type_id,
            available_instances=told['availableInstances'],
            device_api=told['deviceAPI'],
            name=told.get('name'),
        )
        for type_id, told in found['types'].items()
    )
    return _named(found['dev_id'], *types)


def _full(mdev: model.Mdev) -> model.Parent:
    return _named(mdev.parent, model.MdevType(id=mdev.mdev_type, available_instances=0))


def _named(name: str, *types: model.MdevType) -> model.Parent:
    subsystem, _, sysname = name.partition('_')
    address = names.pci_address_of(name)
    return model.Parent(
        name=name,
        sysname=address or sysname,
        subsystem=subsystem,
        address=address,
        types={mdev_type.id: mdev_type for mdev_type in types},
    )


def _mdev(found: cabc.Mapping[str, ty.Any]) -> model.Mdev:
    return model.Mdev(
        uuid=found['uuid'],
        parent=found['parent'],
        mdev_type=found['type'],
        iommu_group=found['iommu_group'],
    )
