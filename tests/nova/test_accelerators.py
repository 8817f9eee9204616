# SPDX-License-Identifier: Apache-2.0
"""Mdevs that an accelerator service names and leaves to us to make."""

from nova_generic_mdev import fixture
from tests.nova import accelerators
from tests.nova import base
from tests.nova.operations import steps

GPU = 'pci_0000_84_00_0'
THEIRS = 'c0ffee00-2222-4333-8444-000000000001'


class Made(accelerators.Accelerating, base.TestCase):
    """One server has such an mdev beside one that Placement promised it."""

    def setUp(self):
        super().setUp()
        self.configure(nvidia_18={})
        self.start_host('one', fixture.pci_gpus(1))
        flavor = self.accelerate(accelerators.mdev(THEIRS, 'nvidia-18'))
        specs = {'extra_specs': {'resources:VGPU': '1'}}
        self.admin_api.post_extra_spec(flavor, specs)
        self.server = self.boot(flavor)
        self.before = self.guest_mdevs(self.server)

    def assert_has_both(self):
        self.assertCountEqual(self.before, self.guest_mdevs(self.server))
        self.assertEqual(set(self.before), self.uuids('one'))

    def test_it_is_made_with_that_uuid_beside_the_other(self):
        self.assertIn(THEIRS, self.before)
        self.assertEqual(2, len(self.before))
        self.assert_has_both()
        self.assertEqual({'VGPU': 1}, self.used('one', GPU))
        self.assert_nodes_sync()
        # Of four, each of the two takes one.
        self.assertEqual(2, self.free('one', GPU))

    def test_asked_again_it_is_the_same(self):
        for _ in range(2):
            self._reboot_server(self.server, hard=True)
            self.assert_has_both()

    def test_it_outlives_its_host(self):
        steps.reboot_host(self, self.server)
        self.assert_has_both()

    def test_it_goes_with_its_server(self):
        self._delete_server(self.server)
        self.assertEqual(set(), self.uuids('one'))
        self.assert_nodes_sync()
        self.assertEqual(4, self.free('one', GPU))
