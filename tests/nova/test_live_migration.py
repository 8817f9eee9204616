# SPDX-License-Identifier: Apache-2.0
"""Live migration: the destination's mdevs are the guest's before it comes."""

from nova import exception
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.api import client as api_client

from nova_generic_mdev import fixture
from tests.nova import base
from tests.nova import guests
from tests.nova.rows import row

# What Nova calls it when libvirt refuses; releases differ.
FAILED = ('failed', 'error')


class LiveMigration(base.TestCase):
    """Two hosts with a GPU each, which holds four."""

    def setUp(self):
        super().setUp()
        self.configure(nvidia_18={})
        self.source = self.start_host('source', fixture.pci_gpus(1))
        self.destination = self.start_host('destination', fixture.pci_gpus(1))
        self.two = self.flavor(resources__VGPU='2')

    def migrate(self, server, *statuses, host=None):
        """Migrate a server, until its migration has one of these statuses."""
        body = {'os-migrateLive': {'host': host, 'block_migration': 'auto'}}
        self.admin_api.post_server_action(server['id'], body)
        self._wait_for_migration_status(server, statuses or ['completed'])

    def test_a_guest_comes_with_all_its_mdevs(self):
        server = self.boot(self.two, 'source')
        seen = []
        self.source.during_migration = lambda guest: seen.append(self.both(server))
        self.migrate(server)
        # While it moved it had two on either side, and Placement knew.
        self.assertEqual([(2, 2)], seen)
        self.assertEqual('destination', self.where(server))
        self.assert_all_agrees(server)
        self.sync()
        self.assert_all_agrees(server)

    def both(self, server):
        """How many are live on either side, of as many as are allocated."""
        self.sync()
        for hostname in ('source', 'destination'):
            usages = self.used(hostname, 'pci_0000_84_00_0')
            live = sum(self.live(hostname).values())
            self.assertEqual(usages, {'VGPU': live})
        return tuple(sum(self.live(h).values()) for h in ('source', 'destination'))

    def test_a_migration_that_fails_leaves_nothing_at_the_destination(self):
        server = self.boot(self.two, 'source')
        before = self.guest_mdevs(server)

        def refuse(guest):
            raise guests.error(fakelibvirt.VIR_ERR_OPERATION_FAILED, 'no route')

        self.source.during_migration = refuse
        self.migrate(server, *FAILED)
        self.assertEqual('source', self.where(server))
        self.assertEqual(before, self.guest_mdevs(server))
        self.assert_all_agrees(server)

    def test_a_guest_that_does_not_start_there_goes_on_here(self):
        server = self.boot(self.two, 'source')

        def refuse(guest):
            raise guests.error(fakelibvirt.VIR_ERR_INTERNAL_ERROR, 'no such machine')

        self.destination.before_start = refuse
        self.migrate(server, *FAILED)
        self.assertEqual('source', self.where(server))
        self.assert_all_agrees(server)

    def test_no_room_at_the_destination(self):
        server = self.boot(self.two, 'source')
        stranger = self.destination.mdevs.fill('pci_0000_84_00_0', 'nvidia-18')
        refused = self.assertRaises(
            api_client.OpenStackApiException, self.migrate, server, host='destination'
        )
        self.assertIn(refused.response.status_code, (400, 500))
        for uuid in stranger:
            self.destination.mdevs.lose_mdev(uuid)
        self.sync()
        self.assert_all_agrees(server)

    @row(3, 'waited in vain|two guests have the same mdev')
    def test_a_restart_of_the_destination_forgets_nothing(self):
        server = self.boot(self.two, 'source')
        others = []

        def restart(guest):
            self.restart('destination')
            others.append(self.boot(self.two, 'destination'))

        self.source.during_migration = restart
        self.migrate(server)
        self.assertEqual('destination', self.where(server))
        self.assert_all_agrees(server, *others)

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
            try:
                self.migrate(server, *FAILED)
            except api_client.OpenStackApiException as refused:
                self.assertEqual(500, refused.response.status_code)
        self.sync()
        self.assertEqual(4, self.free('destination', 'pci_0000_84_00_0'))
        others = [self.boot(self.two, 'destination') for _ in range(2)]
        self.assert_all_agrees(server, *others)
