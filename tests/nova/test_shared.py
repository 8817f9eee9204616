# SPDX-License-Identifier: Apache-2.0
"""Several types on one parent: Placement hears of each change, and who is late."""

from unittest import mock

from nova_generic_mdev import fixture
from nova_generic_mdev.adapters.nova import reportclient
from tests.nova import base

GPU = 'pci_0000_84_00_0'


class Shared(base.TestCase):
    """A device that holds one type at a time: four of the large, or sixteen small."""

    def setUp(self):
        super().setUp()
        where = {'device_addresses': ['0000:84:00.0']}
        self.configure(
            nvidia_11=where, nvidia_18={'mdev_class': 'CUSTOM_LARGE', **where}
        )
        self.start_host('one', fixture.pci_gpus(1))
        self.small = self.flavor(resources__VGPU='1')
        self.large = self.flavor(resources__CUSTOM_LARGE='1')

    def _unpublished(self):
        """Placement does not hear of it before the next periodic update."""
        return mock.patch.object(reportclient.Placement, 'republish', autospec=True)

    def test_placement_hears_of_it_at_once(self):
        server = self.boot(self.small)
        self.assertEqual(0, self.free('one', GPU, 'CUSTOM_LARGE'))
        self._delete_server(server)
        self.assertLess(0, self.free('one', GPU, 'CUSTOM_LARGE'))

    def _test_who_is_late(self, first, second):
        with self._unpublished():
            winner = self.boot(first)
            loser = self.boot(second, expected_state='ERROR')
        self.assertIn('Exceeded maximum number of retries', self._fault(loser))
        self.assert_all_agrees(winner)
        self._delete_server(winner)
        self._delete_server(loser)
        self.sync()
        self.assert_all_agrees(self.boot(second))

    def _fault(self, server):
        return self.admin_api.get_server(server['id'])['fault']['message']

    def test_the_large_one_is_late(self):
        self._test_who_is_late(self.small, self.large)

    def test_the_small_one_is_late(self):
        self._test_who_is_late(self.large, self.small)

    def test_who_is_late_goes_to_another_host(self):
        with self._unpublished():
            first = self.boot(self.small)
            self.start_host('two', fixture.pci_gpus(1))
            # The other host is weighed as the better one by its free memory.
            for _ in range(2):
                late = self.boot(self.large)
                self.assertEqual('two', self.where(late))
        self.assert_all_agrees(first)
