# SPDX-License-Identifier: Apache-2.0
"""sysfs and libvirt tell the same of the same host, in what both can tell."""

from __future__ import annotations

import json

from tests.system.machine import Machine
from tests.system.program import Program
from tests.system.test_machine import create

PYTHON = '/opt/nova-generic-mdev/bin/python'
# What each lacks is in the documentation: libvirt has no description, and knows
# neither mdpy nor mbochs; sysfs has no definitions.
COMPARE = """
import dataclasses, json, sys
from nova_generic_mdev.host import nodedev, sysfs

def told(snapshot, parents):
    def type_of(kind):
        return [kind.id, kind.name, kind.device_api, kind.available_instances]
    return {
        'parents': {
            p.name: [p.sysname, p.physical_device, p.address, p.numa_node, p.driver,
                     [type_of(kind) for kind in p.types.values()]]
            for p in snapshot.parents.values() if p.name in parents
        },
        'mdevs': {
            m.uuid: [m.parent, m.mdev_type, m.iommu_group]
            for m in snapshot.mdevs.values() if m.parent in parents
        },
    }

kernel = sysfs.SysfsReader('/sys').snapshot()
libvirt = nodedev.NodedevReader('qemu:///system').snapshot()
known = set(libvirt.parents)
json.dump({
    'known': sorted(known),
    'unknown': sorted(set(kernel.parents) - known),
    'kernel': told(kernel, known),
    'libvirt': told(libvirt, known),
    'definitions': {u: [d.parent, d.mdev_type, d.autostart]
                    for u, d in libvirt.definitions.items()},
    'faults': [str(f) for f in kernel.faults + libvirt.faults],
}, sys.stdout)
"""


def test_both_tell_the_same_once_events_have_settled(
    program: Program, machine: Machine
) -> None:
    made = [
        create(machine, 'mtty', 'mtty-1', 1),
        create(machine, '0000:00:05.0', 'mttypci-2', 2),
        create(machine, 'mdpy', 'mdpy-xga', 3),
    ]
    machine.wait_for(
        'libvirt has seen all three',
        f'[ $(virsh -q nodedev-list --cap mdev | wc -l) = {len(made)} ]',
        timeout=60,
    )

    told = json.loads(machine.output([PYTHON, '-c', COMPARE], timeout=60))

    assert told['known'] == ['mtty_mtty', 'pci_0000_00_05_0', 'pci_0000_00_06_0']
    assert told['unknown'] == ['mbochs_mbochs', 'mdpy_mdpy']
    assert told['libvirt'] == told['kernel']
    assert set(told['kernel']['mdevs']) == set(made[:2])
    assert told['faults'] == []


def test_only_libvirt_tells_what_is_defined(program: Program, machine: Machine) -> None:
    program.configure('[devices]\nenabled_mdev_types = mtty-2\n')
    consumer = '5e1f0000-0000-4000-8000-00000000000e'

    (given,) = program.allocate(consumer, 'mtty:VGPU=1')

    told = json.loads(machine.output([PYTHON, '-c', COMPARE], timeout=60))
    assert told['definitions'] == {given['uuid']: ['mtty_mtty', 'mtty-2', True]}
    assert set(told['kernel']['mdevs']) == {given['uuid']}
    program.rows('device', 'release', consumer)
    told = json.loads(machine.output([PYTHON, '-c', COMPARE], timeout=60))
    assert told['definitions'] == {}
