# SPDX-License-Identifier: Apache-2.0
"""What is published right after an allocation, and Nova's own update after it."""

from unittest import mock

import nova.conf
from keystoneauth1 import exceptions as ksa_exceptions

from nova_generic_mdev import fixture
from nova_generic_mdev.adapters.nova import reportclient
from tests.nova import base

CONF = nova.conf.CONF
PARENT = 'pci_0000_00_05_0'
AWAY = ksa_exceptions.ConnectFailure('Placement is away')


class RepublishingTest(base.TestCase):
    """A store of 24 ports that two types draw from."""

    def setUp(self):
        super().setUp()
        here = {'device_addresses': ['0000:00:05.0']}
        self.configure(
            mttypci_1=here | {'mdev_class': 'CUSTOM_SINGLE'},
            mttypci_2=here | {'mdev_class': 'CUSTOM_DUAL'},
        )
        self.start_host('one', fixture.pci_mtty(1))

    def _free(self):
        return {
            c: self.free('one', PARENT, c) for c in ('CUSTOM_SINGLE', 'CUSTOM_DUAL')
        }

    def test_what_could_not_be_taken_back_is_in_the_next_update(self):
        # However long Nova trusts what it remembers of its own updates.
        self.flags(resource_provider_association_refresh=0, group='compute')
        server = self.boot(self.flavor(resources__CUSTOM_DUAL='3'))
        self.assertEqual({'CUSTOM_SINGLE': 18, 'CUSTOM_DUAL': 9}, self._free())
        with mock.patch.object(
            reportclient.Placement, '_put', autospec=True, side_effect=AWAY
        ):
            self._delete_server(server)
        self.sync()
        self.assertEqual({'CUSTOM_SINGLE': 24, 'CUSTOM_DUAL': 12}, self._free())
