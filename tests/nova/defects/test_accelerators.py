# SPDX-License-Identifier: Apache-2.0
"""Mdevs of an accelerator service, beside those of flavors."""

import re

from nova_generic_mdev import fixture
from tests.nova import accelerators
from tests.nova import base
from tests.nova.defects.rows import row

GPU = 'pci_0000_84_00_0'
THEIRS = 'c0ffee00-2222-4333-8444-000000000001'


class Requests(accelerators.Accelerating, base.TestCase):
    """A GPU that both the accelerator service and flavors may have."""

    def setUp(self):
        super().setUp()
        self.configure(nvidia_18={})
        self.host = fixture.pci_gpus(1)
        self.one = self.start_host('one', self.host)

    def pci_devices(self, server):
        xml = self.guest(server).XMLDesc(0)
        return re.findall("bus='0x0c' slot='[^']*' function='0x([0-9])'", xml)

    @row(16, r"\['1'\] != \[\]")
    def test_a_server_gets_all_that_it_was_promised(self):
        self.host.place(THEIRS, GPU, 'nvidia-18')
        flavor = self.accelerate(
            accelerators.pci(1), accelerators.mdev(THEIRS, 'nvidia-18')
        )
        server = self.boot(flavor)
        self.assertEqual(['1'], self.pci_devices(server))
        self.assertEqual([THEIRS], self.guest_mdevs(server))
        self._reboot_server(server, hard=True)
        self.assertEqual(['1'], self.pci_devices(server))
        self.assertEqual([THEIRS], self.guest_mdevs(server))
        self._delete_server(server)

    @row(17, 'a flavor has an mdev of the accelerator service')
    def test_a_flavor_never_gets_an_accelerators_mdev(self):
        self.host.place(THEIRS, GPU, 'nvidia-18')
        flavor = self.accelerate(accelerators.mdev(THEIRS, 'nvidia-18'))
        self._delete_server(self.boot(flavor))
        self.assertIn(THEIRS, self.uuids('one'))
        server = self.boot(self.flavor(resources__VGPU='1'))
        self.assertNotIn(
            THEIRS,
            self.guest_mdevs(server),
            'a flavor has an mdev of the accelerator service',
        )
        self.assert_has_its_mdevs(server)
        # Three are left, of which the server has one.
        self.assertEqual(2, self.free('one', GPU))

    @row(17, 'there is ACTIVE')
    def test_an_mdev_of_the_wrong_type_is_refused(self):
        self.host.place(THEIRS, GPU, 'nvidia-18')
        flavor = self.accelerate(accelerators.mdev(THEIRS, 'nvidia-11'))
        self.boot(flavor, expected_state='ERROR')
        self.assertEqual({THEIRS}, self.uuids('one'))
