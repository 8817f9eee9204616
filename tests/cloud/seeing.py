# SPDX-License-Identifier: Apache-2.0
"""What Placement, libvirt and the kernel say of a server's devices."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from tests.cloud import operators
from tests.system.machine import Machine

#: one device: its parent's provider, and its resource class
Device = tuple[str, str]

# The kernel's name of a parent, and a type: what Placement calls both.
_CLASSES = {
    'mtty-1': 'CUSTOM_MTTY',
    'mtty-2': 'CUSTOM_MTTY_DUAL',
    'mttypci-1': 'CUSTOM_MTTY_PCI',
    'mdpy-vga': 'VGPU',
}
_PARENTS = {
    'mtty': 'mtty_mtty',
    'mdpy': 'mdpy_mdpy',
    '0000:00:05.0': 'pci_0000_00_05_0',
    '0000:00:06.0': 'pci_0000_00_06_0',
}
_TELL = (
    'cd /sys/bus/mdev/devices; for one in {uuids}; do '
    'echo $(basename $(dirname $(readlink $one)))'
    ' $(basename $(readlink $one/mdev_type)); done'
)


def allocated(placement: operators.Placement, consumer: str) -> list[Device]:
    """What Placement says that a consumer has of devices, sorted."""
    held = placement.get(f'/allocations/{consumer}')['allocations']
    names = {
        uuid: placement.get(f'/resource_providers/{uuid}')['name'] for uuid in held
    }
    return sorted(
        (names[uuid], name)
        for uuid, one in held.items()
        for name, amount in one['resources'].items()
        if name in _CLASSES.values()
        for _ in range(amount)
    )


def in_guest(host: Machine, server: str) -> list[str]:
    """The uuids of the mdevs in a guest's XML; as it runs, if it does."""
    told = host.output(f'virsh -q dumpxml {server}', timeout=120)
    path = './devices/hostdev[@type="mdev"]/source/address'
    return [one.attrib['uuid'] for one in ET.fromstring(told).iterfind(path)]  # noqa: S314


def in_kernel(host: Machine, uuids: list[str]) -> list[Device]:
    """What the kernel says these mdevs are, in Placement's words, sorted."""
    if not uuids:
        return []
    told = host.output(_TELL.format(uuids=' '.join(uuids)))
    pairs = [line.split() for line in told.splitlines()]
    return sorted(
        (f'{host.name}_{_PARENTS[parent]}', _CLASSES[mdev_type])
        for parent, mdev_type in pairs
    )


def mdevs(host: Machine) -> set[str]:
    """The uuids of all mdevs that a host's kernel has."""
    return set(host.output('ls /sys/bus/mdev/devices').split())


def guests(host: Machine) -> set[str]:
    """The uuids of all guests that a host's libvirt has, running or not."""
    return set(host.output('virsh -q list --all --uuid', timeout=120).split())
