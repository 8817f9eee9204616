# SPDX-License-Identifier: Apache-2.0
"""What an allocation reads follows what was asked for, not the size of the host."""

import collections

from nova_generic_mdev import fixture
from tests.nova import base
from tests.nova.defects.rows import row


class Cost(base.TestCase):
    """A host with six GPUs, and with guests that have mdevs."""

    def setUp(self):
        super().setUp()
        self.configure(nvidia_11={})
        self.one = self.start_host('one', fixture.pci_gpus(6))
        self.flavor_id = self.flavor(resources__VGPU='1')

    def _read_by_spawn(self):
        """What was read while the driver spawned one more server, by kind."""
        driver = self.computes['one'].driver
        spawn = driver.spawn
        read = collections.Counter()

        def counted(*args, **kwargs):
            before = self.one.reads.copy()
            spawn(*args, **kwargs)
            read.update(self.one.reads - before)

        with base.patched_object(driver, 'spawn', counted):
            server = self.boot(self.flavor_id)
        others = {k: n for k, n in read.items() if k != ('guest', server['id'])}
        kinds = collections.Counter()
        for (kind, _), times in others.items():
            kinds[kind] += times
        return kinds

    @row(19, r"guests' XML was read|more was read")
    def test_a_spawn_reads_what_it_needs(self):
        few = self._read_by_spawn()
        for _ in range(8):
            self.boot(self.flavor_id)
        many = self._read_by_spawn()
        self.assertEqual(0, many['guest'], "other guests' XML was read")
        self.assertLessEqual(few['parent'], 3, 'more was read than what it is about')
        self.assertEqual(
            few['parent'], many['parent'], 'more was read of a fuller host'
        )
