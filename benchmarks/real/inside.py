# SPDX-License-Identifier: Apache-2.0
"""What runs in the machine: one driver's own methods, timed, told as JSON.

It stands alone: of this tree, the machine has the package and nothing else.
"""

import collections
import json
import pathlib
import socket
import subprocess
import sys
import time
import types
import uuid

TYPE = 'mttypci-1'
ROOT = socket.gethostname()
CONF = """
[DEFAULT]
state_path = /var/lib/benchmark
[devices]
enabled_mdev_types = {type}
[libvirt]
virt_type = qemu
cpu_mode = none
[generic_mdev]
backend = {backend}
[generic_mdev_privileged]
helper_command = /opt/nova-generic-mdev/bin/privsep-helper --config-file {path}
[oslo_concurrency]
lock_path = /var/lib/benchmark/locks
"""
GUEST = """
<domain type='qemu'><name>instance-{number:08x}</name><uuid>{uuid}</uuid>
<memory>65536</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os><devices>
<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='{mdev}'/>
</source></hostdev></devices></domain>
"""
PARENTS = pathlib.Path('/sys/class/mdev_bus')
MDEVS = pathlib.Path('/sys/bus/mdev/devices')
DRIVERS = {
    'in-tree': ('libvirt.LibvirtDriver', 'auto'),
    'ours': ('generic_mdev.GenericMdevDriver', 'sysfs'),
    'ours, libvirt': ('generic_mdev.GenericMdevDriver', 'libvirt'),
}


def prepare(count):
    """Leave only the parents on PCI, and give a guest an mdev, count times.

    Nova's own driver does not get through an update with some of the others.
    """
    import libvirt

    subprocess.run(['/sbin/modprobe', '-r', 'mdpy', 'mbochs', 'mtty'], check=True)
    connection = libvirt.open('qemu:///system')
    parents = sorted(PARENTS.iterdir())
    for number in range(count):
        mdev = str(uuid.uuid4())
        parent = parents[number % len(parents)]
        (parent / 'mdev_supported_types' / TYPE / 'create').write_text(mdev)
        told = {'number': number, 'uuid': uuid.uuid4(), 'mdev': mdev}
        connection.defineXML(GUEST.format(**told))
    wanted = libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV
    while len(connection.listAllDevices(wanted)) < count:
        time.sleep(0.5)


class Driver:
    """A driver as nova-compute has it, after its first update."""

    def __init__(self, subject):
        import os_vif
        from nova import config
        from nova import objects
        from nova.compute import provider_tree
        from oslo_utils import importutils

        name, backend = DRIVERS[subject]
        path = pathlib.Path('/var/lib/benchmark/nova.conf')
        path.parent.mkdir(exist_ok=True)
        path.write_text(CONF.format(type=TYPE, backend=backend, path=path))
        words = ['nova-compute', '--config-file', str(path)]
        config.parse_args(words, configure_db=False, init_rpc=False)
        objects.register_all()
        # As nova-compute does; this loads what lets Nova find our driver.
        os_vif.initialize()
        self.is_ours = subject != 'in-tree'
        driver_class = importutils.import_class(f'nova.virt.{name}')
        # What speaks to Placement: of one type a parent nothing is asked there.
        self.driver = driver_class(types.SimpleNamespace(reportclient=None))
        self.tree = provider_tree.ProviderTree()
        self.tree.new_root(ROOT, str(uuid.uuid4()))
        if self.is_ours:
            # Of what a service does at its start, all that is about mdevs.
            self.driver._mdevs.start()
        self.update()
        self.driver.provider_tree = self.tree
        uuids = self.tree.get_provider_uuids(ROOT)[1:]
        self.providers = sorted(uuids, key=lambda one: self.tree.data(one).name)

    def update(self):
        self.driver._update_provider_tree_for_vgpu(self.tree, ROOT)

    def allocate(self, number):
        provider = self.providers[number % len(self.providers)]
        allocations = {provider: {'resources': {'VGPU': 1}}}
        if not self.is_ours:
            return self.driver._allocate_mdevs(allocations)
        from nova import objects

        flavor = objects.Flavor(extra_specs={'resources:VGPU': '1'})
        instance = objects.Instance(uuid=consumer(number), host=ROOT, flavor=flavor)
        with self.driver._operations.under_way('spawn', instance):
            return self.driver._allocate_mdevs(allocations)

    def take_back(self, number, mdevs):
        if self.is_ours:
            self.driver._release(consumer(number))
            return
        for mdev in mdevs:
            (MDEVS / mdev / 'remove').write_text('1')
            name = f'mdev_{mdev.replace("-", "_")}'
            listed = ['virsh', '-q', 'nodedev-list', '--cap', 'mdev', '--all']
            for each in subprocess.check_output(listed, text=True).split():
                if each.startswith(name):
                    undefine = ['virsh', '-q', 'nodedev-undefine', each]
                    subprocess.run(undefine, check=True)


def consumer(number):
    return f'c0000000-0000-4000-8000-{number:012x}'


def measure(subject, repeats):
    """The seconds of each run but the first; the first loads what is loaded once."""
    driver = Driver(subject)
    told = collections.defaultdict(list)
    for number in range(repeats + 1):
        told['update'].append(seconds(driver.update))
        given = []
        told['allocation'].append(
            seconds(lambda n=number, g=given: g.extend(driver.allocate(n)))
        )
        told['update after a change'].append(seconds(driver.update))
        driver.take_back(number, given)
        # libvirt hears of it from udev.
        subprocess.run(['udevadm', 'settle'], check=True)
        time.sleep(1)
    return {what: taken[1:] for what, taken in told.items()}


def seconds(work):
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == '__main__':
    if sys.argv[1] == 'prepare':
        prepare(int(sys.argv[2]))
    else:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
