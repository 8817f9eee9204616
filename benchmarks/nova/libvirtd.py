# SPDX-License-Identifier: Apache-2.0
"""Nova's fake libvirt, on a described host; it answers at once.

As there, a device's XML is written when it changes, and a guest's for each call.
What is measured is the driver that asks, and neither libvirt nor its messages.
"""

from __future__ import annotations

import collections
import sys
import types
from unittest import mock

import fixtures
from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt

from benchmarks import hosts
from nova_generic_mdev import domain_xml
from nova_generic_mdev import model
from nova_generic_mdev import names
from tests.nova import nodedevs

# The first that migrate mdevs live are 8.6.0 and 8.1.0.
_LIBVIRT = 10_000_000
_QEMU = 9_000_000
_INFO = {'cpu_nodes': 2, 'cpu_sockets': 1, 'cpu_cores': 4, 'cpu_threads': 2}


# libvirt's public header has them; Nova's fake lacks what Nova does not use.
_LACKING = {
    'VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES': 1 << 13,
    'VIR_CONNECT_LIST_NODE_DEVICES_ACTIVE': 1 << 31,
}


class Binding(fixtures.Fixture):  # type: ignore[misc]
    """What imports libvirt meanwhile gets Nova's fake."""

    def _setUp(self) -> None:
        binding = types.ModuleType('libvirt')
        vars(binding).update(vars(fakelibvirt), **_LACKING)
        replaced = mock.patch.dict(sys.modules, libvirt=binding)
        replaced.start()
        self.addCleanup(replaced.stop)


class NodeDevice:
    """A virNodeDevice: its name, and its XML as it is now."""

    def __init__(self, libvirt: Libvirtd, name: str, xml: str) -> None:
        self._libvirt = libvirt
        self._name = name
        self.xml = xml
        self.live = True

    def name(self) -> str:
        """Known without asking, as in libvirt's binding."""
        return self._name

    def XMLDesc(self, flags: int) -> str:
        """One message to libvirt."""
        self._libvirt.calls['XMLDesc'] += 1
        return self.xml

    def create(self, flags: int = 0) -> int:
        """Start one that is defined."""
        self._libvirt.calls['create'] += 1
        self.live = True
        return 0

    def isPersistent(self) -> int:
        """None here is defined."""
        return 0

    def setAutostart(self, autostart: int) -> None:
        """One message to libvirt."""
        self._libvirt.calls['setAutostart'] += 1


class Libvirtd(fakelibvirt.Connection):  # type: ignore[misc]
    """A connection to the libvirt of a described host."""

    def __init__(self, described: hosts.Described) -> None:
        info = fakelibvirt.HostInfo(**_INFO)
        super().__init__(
            'qemu:///system', version=_LIBVIRT, hv_version=_QEMU,
            hostname='here', host_info=info,
        )  # fmt: skip
        #: how often each call was made
        self.calls: collections.Counter[str] = collections.Counter()
        self._host = described.host
        self._parents = {
            name: NodeDevice(self, name, _parent_xml(parent))
            for name, parent in described.snapshot.parents.items()
        }
        self._sysnames = {
            p.name: p.sysname for p in described.snapshot.parents.values()
        }
        self._mdevs: dict[str, NodeDevice] = {}
        for mdev in described.snapshot.mdevs.values():
            self._add(mdev)
        self._domains = [Domain(self, guest) for guest in described.guests]

    # Node devices

    def listDevices(self, cap: str, flags: int = 0) -> list[str]:
        """The names of parents or mdevs."""
        self.calls['listDevices'] += 1
        return list(self._parents if cap == 'mdev_types' else self._mdevs)

    def listAllDevices(self, flags: int = 0) -> list[NodeDevice]:
        """Parents or mdevs."""
        self.calls['listAllDevices'] += 1
        if flags & _LACKING['VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES']:
            return list(self._parents.values())
        wanted = not flags & fakelibvirt.VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE
        return [mdev for mdev in self._mdevs.values() if mdev.live is wanted]

    def nodeDeviceLookupByName(self, name: str) -> NodeDevice:
        """One device."""
        self.calls['nodeDeviceLookupByName'] += 1
        found = self._mdevs.get(name) or self._parents.get(name)
        if found is None:
            raise nodedevs.error(fakelibvirt.VIR_ERR_NO_NODE_DEVICE, f'no {name}')
        return found

    def nodeDeviceCreateXML(self, xml: str, flags: int = 0) -> NodeDevice:
        """Make an mdev."""
        self.calls['nodeDeviceCreateXML'] += 1
        mdev = nodedevs.described(xml)
        self._host.create(mdev.uuid, mdev.parent, mdev.mdev_type)
        self._refresh(mdev.parent)
        return self._add(mdev)

    def nodeDeviceDefineXML(self, xml: str, flags: int = 0) -> NodeDevice:
        """Define one that is there."""
        self.calls['nodeDeviceDefineXML'] += 1
        return self._mdevs[self._name(nodedevs.described(xml))]

    # Guests

    def listAllDomains(self, flags: int = 0) -> list[Domain]:
        """The guests."""
        self.calls['listAllDomains'] += 1
        return list(self._domains)

    # What a benchmark does to it

    def give(self, uuid: str) -> None:
        """A guest is defined with this mdev."""
        guest = hosts.Guest(name=f'instance-{uuid[:8]}', uuid=uuid, mdev=uuid)
        self._domains.append(Domain(self, guest))

    def take_back(self, uuid: str) -> None:
        """The mdev is removed, and the guest with it if there is one."""
        mdev = self._host.snapshot().mdevs[uuid]
        self._host.remove(uuid)
        del self._mdevs[self._name(mdev)]
        self._refresh(mdev.parent)
        self._domains = [d for d in self._domains if d.mdev != uuid]

    def stop_all(self) -> None:
        """The machine is switched off and on: mdevs are defined and not live."""
        for mdev in self._mdevs.values():
            mdev.live = False

    def _add(self, mdev: model.Mdev) -> NodeDevice:
        name = self._name(mdev)
        self._mdevs[name] = NodeDevice(self, name, _mdev_xml(name, mdev))
        return self._mdevs[name]

    def _name(self, mdev: model.Mdev) -> str:
        return names.mdev_node_device(mdev.uuid, self._sysnames[mdev.parent])

    def _refresh(self, parent: str) -> None:
        now = self._host.snapshot([parent]).parents[parent]
        self._parents[parent].xml = _parent_xml(now)


class Domain:
    """A virDomain that runs."""

    def __init__(self, libvirt: Libvirtd, guest: hosts.Guest) -> None:
        self._calls = libvirt.calls
        self._guest = guest
        self._told = fakelibvirt.Domain(libvirt, _guest_xml(guest), running=True)
        self.mdev = guest.mdev

    def name(self) -> str:
        """Known without asking."""
        return self._guest.name

    def UUIDString(self) -> str:
        """Known without asking."""
        return self._guest.uuid

    def isActive(self) -> int:
        """It runs."""
        return 1

    def XMLDesc(self, flags: int) -> str:
        """One message to libvirt, which writes it anew, as Nova's fake does."""
        self._calls['XMLDesc of guests'] += 1
        return str(self._told.XMLDesc(flags))


def _parent_xml(parent: model.Parent) -> str:
    return etree.tostring(nodedevs.parent_xml(parent), encoding='unicode')


def _mdev_xml(name: str, mdev: model.Mdev) -> str:
    device = etree.Element('device')
    etree.SubElement(device, 'name').text = name
    etree.SubElement(device, 'path').text = f'/sys/devices/{mdev.uuid}'
    etree.SubElement(device, 'parent').text = mdev.parent
    capability = etree.SubElement(device, 'capability', type='mdev')
    etree.SubElement(capability, 'type', id=str(mdev.mdev_type))
    etree.SubElement(capability, 'uuid').text = mdev.uuid
    etree.SubElement(capability, 'iommuGroup', number=str(mdev.iommu_group or 0))
    return etree.tostring(device, encoding='unicode')


def _guest_xml(guest: hosts.Guest) -> str:
    hostdev = domain_xml.hostdev(guest.mdev, model.VFIO_PCI) if guest.mdev else ''
    return (
        f"<domain type='kvm'><name>{guest.name}</name><uuid>{guest.uuid}</uuid>"
        f"<memory>131072</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type>"
        f'</os><devices>'
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='/var/lib/nova/instances/{guest.uuid}/disk'/>"
        f"<target dev='vda' bus='virtio'/></disk>{hostdev}</devices></domain>"
    )
