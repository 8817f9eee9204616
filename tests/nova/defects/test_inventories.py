# SPDX-License-Identifier: Apache-2.0
"""What Placement shows of a host's devices, and that it keeps showing it."""

from nova_generic_mdev import fixture
from tests.nova import base
from tests.nova.defects.rows import row

GPU = 'pci_0000_84_00_0'
VGPU = {'resources__VGPU': '1'}


class Limits(base.TestCase):
    """``max_instances`` below what a device can hold, which is 16."""

    @row(2, r"\{'VGPU': \(4, 0\)\} != \{\}")
    def test_a_limit_caps_a_device(self):
        self.configure(nvidia_11={'max_instances': 4})
        self.start_host('one', fixture.pci_gpus(1))
        self.assertEqual({'VGPU': (4, 0)}, self.inventories('one', GPU))
        servers = [self.boot(self.flavor(**VGPU)) for _ in range(2)]
        self.assertEqual(2, self.free('one', GPU))
        self.assert_all_agrees(*servers)

    @row(2, 'the sync of a node was given up.*InUse')
    def test_a_limit_takes_nothing_from_a_server(self):
        self.configure(nvidia_11={})
        self.start_host('one', fixture.pci_gpus(1))
        servers = [self.boot(self.flavor(**VGPU)) for _ in range(3)]
        self.configure(nvidia_11={'max_instances': 2})
        self.restart('one')
        self.assert_nodes_sync()
        self.assertEqual(0, self.free('one', GPU))
        self.assertEqual({'VGPU': 3}, self.used('one', GPU))
        self.assert_all_agrees(*servers)


class Full(base.TestCase):
    """A card that holds two; when it is full, all of its parents are."""

    def setUp(self):
        super().setUp()
        self.configure(nvidia_558={})
        self.one = self.start_host('one', fixture.sriov_card(vfs=4, capacity=2))
        self.flavor_id = self.flavor(**VGPU)

    def _providers(self):
        return {
            parent: (self.provider('one', parent) or {}).get('uuid')
            for parent in self.one.sysnames
        }

    @row(7, 'providers came and went')
    def test_a_full_card_keeps_its_providers_and_their_traits(self):
        before = self._providers()
        self._create_trait('CUSTOM_RACK_7')
        for uuid in before.values():
            traits = {*self._get_provider_traits(uuid), 'CUSTOM_RACK_7'}
            self._set_provider_traits(uuid, sorted(traits))
        servers = [self.boot(self.flavor_id) for _ in range(2)]
        self.sync()
        full = self._providers()
        self.assertEqual(before, full, 'providers came and went')
        self.assertEqual(0, sum(self.free('one', parent) for parent in full))
        self.boot(self.flavor_id, expected_state='ERROR')
        self._delete_server(servers.pop())
        self.sync()
        self.assertEqual(before, self._providers())
        for parent in before:
            self.assertIn('CUSTOM_RACK_7', self.traits('one', parent))
        self.assert_all_agrees(*servers)

    @row(7, 'the sync of a node was given up.*InUse')
    def test_a_server_that_lost_its_mdev_does_not_stop_the_sync(self):
        server = self.boot(self.flavor_id)
        (parent,) = (p for p in self._providers() if self.used('one', p)['VGPU'])
        self.one.power_cycle(autostart=False)
        # And somebody else is faster.
        for other in self.one.sysnames:
            if other != parent:
                self.one.mdevs.fill(other, 'nvidia-558')
        self.assert_nodes_sync()
        self.assertEqual({'VGPU': 1}, self.used('one', parent))
        self.assertEqual(0, sum(self.free('one', p) for p in self._providers()))
        self.assertEqual('ACTIVE', self.admin_api.get_server(server['id'])['status'])


class SeveralTypes(base.TestCase):
    """A store of 24 ports that two types draw from."""

    parent = 'pci_0000_00_05_0'

    def setUp(self):
        super().setUp()
        here = {'device_addresses': ['0000:00:05.0']}
        self.configure(
            mttypci_1=here | {'mdev_class': 'CUSTOM_SINGLE'},
            mttypci_2=here | {'mdev_class': 'CUSTOM_DUAL'},
        )

    @row(18, 'does not start: InvalidLibvirtMdevConfig.*duplicate types')
    def test_types_that_share_a_store_are_counted_together(self):
        self.start_host('one', fixture.pci_mtty(1))
        self.assertEqual(
            {'CUSTOM_SINGLE': (24, 0), 'CUSTOM_DUAL': (12, 0)},
            self.inventories('one', self.parent),
        )
        dual = self.boot(self.flavor(resources__CUSTOM_DUAL='3'))
        single = self.boot(self.flavor(resources__CUSTOM_SINGLE='1'))
        # Six ports and one are gone; what is free is right at once, with no sync.
        self.assertEqual(17, self.free('one', self.parent, 'CUSTOM_SINGLE'))
        self.assertEqual(8, self.free('one', self.parent, 'CUSTOM_DUAL'))
        self.assert_all_agrees(dual, single)
        self._delete_server(dual)
        self.assertEqual(23, self.free('one', self.parent, 'CUSTOM_SINGLE'))
        self.assertEqual(11, self.free('one', self.parent, 'CUSTOM_DUAL'))
        self.assert_all_agrees(single)

    @row(18, 'does not start: InvalidLibvirtMdevConfig.*duplicate types')
    def test_one_type_at_a_time_on_a_device_that_wants_it_so(self):
        here = {'device_addresses': ['0000:84:00.0']}
        self.configure(nvidia_11=here, nvidia_18=here | {'mdev_class': 'CUSTOM_LARGE'})
        self.start_host('one', fixture.pci_gpus(1))
        small = self.boot(self.flavor(**VGPU))
        self.assertEqual(15, self.free('one', GPU))
        self.assertEqual((4, 4), self.inventories('one', GPU)['CUSTOM_LARGE'])
        self.boot(self.flavor(resources__CUSTOM_LARGE='1'), expected_state='ERROR')
        self._delete_server(small)
        large = self.boot(self.flavor(resources__CUSTOM_LARGE='1'))
        self.assertEqual(0, self.free('one', GPU))
        self.assert_all_agrees(large)
