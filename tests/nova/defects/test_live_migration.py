# SPDX-License-Identifier: Apache-2.0
"""Live migration: the destination's mdevs are the guest's before it comes."""

import contextlib

from nova import exception
from nova.tests.functional.api import client as api_client

from nova_generic_mdev import fixture
from tests.nova import base
from tests.nova import migrating
from tests.nova.defects.rows import row


class LiveMigration(migrating.Migrating, base.TestCase):
    """Two hosts with a GPU each, which holds four."""

    def setUp(self):
        super().setUp()
        self.configure(nvidia_18={})
        self.source = self.start_host('source', fixture.pci_gpus(1))
        self.destination = self.start_host('destination', fixture.pci_gpus(1))
        self.two = self.flavor(resources__VGPU='2')

    @row(3, 'waited in vain|two guests have the same mdev')
    def test_a_restart_of_the_destination_forgets_nothing(self):
        server = self.boot(self.two, 'source')
        with self.migrating(server):
            self.restart('destination')
            other = self.boot(self.two, 'destination')
        self.assertEqual('destination', self.where(server))
        self.assert_all_agrees(server, other)

    @row(3, 'waited in vain|are still taken')
    def test_nothing_is_kept_when_a_port_cannot_be_bound(self):
        body = self._build_server(
            image_uuid=base.IMAGE, flavor_id=self.two, networks='auto', host='source'
        )
        server = self.admin_api.post_server({'server': body})
        server = self._wait_for_state_change(server, 'ACTIVE')
        with base.patched(
            'nova.network.neutron.API.bind_ports_to_host',
            side_effect=exception.PortBindingFailed(port_id='a port'),
        ):
            body = {'os-migrateLive': {'host': None, 'block_migration': 'auto'}}
            with contextlib.suppress(api_client.OpenStackApiException):
                self.admin_api.post_server_action(server['id'], body)
            self._wait_for_migration_status(server, migrating.FAILED)
        self.sync()
        self.assertEqual(4, self.free('destination', 'pci_0000_84_00_0'))
        others = [self.boot(self.two, 'destination') for _ in range(2)]
        self.assert_all_agrees(server, *others)
