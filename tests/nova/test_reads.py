# SPDX-License-Identifier: Apache-2.0
"""How much is read of a host: counted, on hosts of very different sizes.

The drivers are those that ``benchmarks`` measures.
"""

import pathlib
import sys
import tempfile
import threading
import unittest

from benchmarks import hosts
from benchmarks import names
from benchmarks.nova import drivers

SMALL = hosts.SMALL
LARGE = hosts.Size(parents=64, types=4, mdevs=64, guests=64)


class Opened:
    """The files that this thread opens; a hook of the interpreter stays for good."""

    def __init__(self):
        self._seen = threading.local()
        sys.addaudithook(self._audit)

    def _audit(self, event, arguments):
        if event == 'open' and hasattr(self._seen, 'paths'):
            self._seen.paths.append(str(arguments[0]))

    def by(self, work):
        self._seen.paths = []
        try:
            work()
            return self._seen.paths
        finally:
            del self._seen.paths


OPENED = Opened()


class Reads(unittest.TestCase):
    def rig(self, kind, size):
        # Nova's configuration is one for all: the rig before this one goes first.
        self.doCleanups()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        work = pathlib.Path(directory.name)
        rig = drivers.Rig(kind, hosts.Described(size), work)
        rig.setUp()
        self.addCleanup(rig.cleanUp)
        self.sysfs = f'{work}/sys'
        return rig

    def read(self, work):
        """The attributes of the sysfs tree that are read."""
        opened = OPENED.by(work)
        return [p for p in opened if p.startswith(self.sysfs) and '/devices/' in p]

    def test_an_update_reads_one_count_of_each_enabled_type(self):
        for size in (SMALL, LARGE):
            rig = self.rig(names.OURS, size)
            tree = rig.copied_tree()
            rig.update(tree)
            paths = self.read(lambda rig=rig, tree=tree: rig.update(tree))
            self.assertEqual(size.parents, len(paths), paths)
            self.assertEqual({}, dict(rig.libvirt.calls))

    def test_an_allocation_reads_as_much_of_a_large_host_as_of_a_small_one(self):
        read = {}
        for size in (SMALL, hosts.Size(parents=64, types=1, mdevs=64, guests=64)):
            rig = self.rig(names.OURS, size)
            rig.allocate(0)
            rig.update(rig.copied_tree())
            read[size] = len(self.read(lambda rig=rig: rig.allocate(65)))
            self.assertEqual({}, dict(rig.libvirt.calls), 'libvirt was asked')
        self.assertLessEqual(read[SMALL], 8, read)
        self.assertLessEqual(max(read.values()), read[SMALL] + 3, read)

    def test_an_allocation_over_libvirt_reads_no_guest(self):
        rig = self.rig(names.LIBVIRT, LARGE)
        rig.allocate(0)
        self.assertEqual(0, rig.libvirt.calls['XMLDesc of guests'])
        self.assertLess(rig.libvirt.calls.total(), 24, rig.libvirt.calls)

    def test_nova_s_driver_reads_every_guest(self):
        """What is compared with: it asks about each parent, mdev and guest."""
        rig = self.rig(names.IN_TREE, LARGE)
        rig.allocate(0)
        self.assertEqual(64, rig.libvirt.calls['XMLDesc of guests'])
        rig.libvirt.calls.clear()
        rig.update(rig.copied_tree())
        # The one more mdev that it made is there, too.
        calls = 2 + 2 * LARGE.parents + 2 * (LARGE.mdevs + 1)
        self.assertEqual(calls, rig.libvirt.calls.total())

    def test_what_changed_on_the_host_is_in_the_next_update(self):
        rig = self.rig(names.OURS, SMALL)
        for _ in range(2):
            rig.update(rig.tree)
        rig.sysfs.create(hosts.address(3), 'nvidia-1', hosts.consumer(1))
        rig.update(rig.tree)
        told = [each['VGPU'] for each in self.inventories(rig).values()]
        self.assertEqual([0, 0, 0, 1, 0, 0, 0, 0], [t['reserved'] for t in told])

    def test_what_others_did_to_the_tree_is_put_right(self):
        rig = self.rig(names.OURS, SMALL)
        rig.update(rig.tree)
        before = self.inventories(rig)
        name = next(iter(before))
        rig.tree.update_inventory(name, {'VGPU': {'total': 1}})
        rig.update(rig.tree)
        self.assertEqual(before, self.inventories(rig))

    def inventories(self, rig):
        names = [f'{drivers.ROOT}_{parent}' for parent in rig.described.parents]
        return {name: rig.tree.data(name).inventory for name in names}
