# SPDX-License-Identifier: Apache-2.0
"""What Placement gave is what the guest gets: all of it, and of the right parent."""

import time

from nova_generic_mdev import fixture
from tests.nova import base
from tests.nova.defects.rows import row

FIRST = 'pci_0000_00_05_0'


class TwoClasses(base.TestCase):
    """A class for each of two parents, and a second class for one of them."""

    def start(self, *of_both):
        """Start a host.

        :param of_both: the parents of the type ``mttypci-2``
        """
        dual = {'mdev_class': 'CUSTOM_DUAL', 'device_addresses': list(of_both)}
        self.configure(mttypci_1={'device_addresses': ['0000:00:05.0']}, mttypci_2=dual)
        self.start_host('one', fixture.pci_mtty(2))

    def add_class(self):
        """What an operator may do, and what an older driver may have left."""
        provider = self.provider('one', FIRST)
        body = {
            'resource_class': 'CUSTOM_DUAL',
            'total': 12,
            'max_unit': 12,
            'resource_provider_generation': provider['generation'],
        }
        self._set_inventory(provider['uuid'], body)

    @row(4, "the guest's mdevs are not what Placement says")
    def test_all_classes_of_a_parent_are_served(self):
        if self.is_ours:
            self.start('0000:00:05.0', '0000:00:06.0')
        else:
            # It takes no such configuration.
            self.start('0000:00:06.0')
            self.add_class()
        # Of one group, so of one parent.
        flavor = self.flavor(resources1__VGPU='1', resources1__CUSTOM_DUAL='2')
        server = self.boot(flavor)
        self.assertEqual(
            {(FIRST, 'VGPU'): 1, (FIRST, 'CUSTOM_DUAL'): 2},
            dict(self.allocated(server['id'], 'one')),
        )
        self.assert_has_its_mdevs(server)
        self._reboot_server(server, hard=True)
        self.assert_all_agrees(server)

    @row(5, 'waited in vain for a server that is ERROR; there is ACTIVE')
    def test_what_is_allocated_and_cannot_be_served_is_an_error(self):
        # CUSTOM_DUAL is a class of ours, but not on the first parent.
        self.start('0000:00:06.0')
        self.add_class()
        flavor = self.flavor(resources1__VGPU='1', resources1__CUSTOM_DUAL='1')
        self.boot(flavor, expected_state='ERROR')
        self.assert_all_agrees()


class Neighbours(base.TestCase):
    """Another root provider's name is where this host's names begin."""

    @row(6, 'waited in vain for a server that is ACTIVE; there is ERROR')
    def test_the_parent_is_not_guessed(self):
        self.configure(nvidia_11={})
        self.start_host('rack_7', fixture.pci_gpus(1))
        storage = self._post_resource_provider('rack')
        self.placement.put(
            f'/resource_providers/{storage["uuid"]}/traits',
            {
                'resource_provider_generation': storage['generation'],
                'traits': ['MISC_SHARES_VIA_AGGREGATE'],
            },
            version='1.6',
        )
        aggregate = '8b5fb1d2-8d0a-4a0b-8a3a-3f3d6ddc1b9d'
        for uuid in (storage['uuid'], self.compute_rp_uuids['rack_7']):
            self._set_aggregate(uuid, aggregate)
        # The order of the roots is that in which they were last refreshed.
        self.flags(resource_provider_association_refresh=1, group='compute')
        self.restart('rack_7')
        time.sleep(1.1)
        self.sync()
        server = self.boot(self.flavor(resources__VGPU='1'))
        self.assert_all_agrees(server)


class Groups(base.TestCase):
    """Granular groups and a class of one's own."""

    def setUp(self):
        super().setUp()
        self.flags(allow_resize_to_same_host=True)
        self.configure(
            nvidia_11={'device_addresses': ['0000:84:00.0']},
            nvidia_18={
                'mdev_class': 'CUSTOM_LARGE', 'device_addresses': ['0000:85:00.0'],
            },
        )  # fmt: skip
        self.one = self.start_host('one', fixture.pci_gpus(2))

    def _lose_and_reboot(self, **extra_specs):
        server = self.boot(self.flavor(**extra_specs))
        before = self.guest_mdevs(server)
        self.one.lose_guest(server['id'])
        self._reboot_server(server, hard=True)
        self.assertCountEqual(before, self.guest_mdevs(server))
        self.assert_all_agrees(server)

    @row(11, 'Items in expected but not in actual|First has 1, Second has 0')
    def test_a_lost_guest_gets_the_mdevs_of_its_groups_back(self):
        groups = {'resources1__VGPU': '1', 'resources2__CUSTOM_LARGE': '1'}
        self._lose_and_reboot(**groups, group_policy='none')

    @row(11, 'Items in expected but not in actual|First has 1, Second has 0')
    def test_a_lost_guest_gets_the_mdev_of_a_custom_class_back(self):
        self._lose_and_reboot(resources__CUSTOM_LARGE='1')

    @row(10, "the guest's mdevs are not what Placement says")
    def test_a_resize_on_the_same_host_that_is_reverted(self):
        extra_specs = {'resources__VGPU': '1'}
        server = self.boot(self.flavor(**extra_specs))
        before = self.guest_mdevs(server)
        self._resize_server(server, self.flavor(**extra_specs))
        self.assert_has_its_mdevs(server)
        self._revert_resize(server)
        self.assert_has_its_mdevs(server)
        self.assertEqual(before, self.guest_mdevs(server))
        self.assert_all_agrees(server)
