# SPDX-License-Identifier: Apache-2.0
"""What nobody told us of is mended, and what guests had before is adopted."""

import fixtures
from nova import exception

from nova_generic_mdev import fixture
from nova_generic_mdev.adapters.nova import asking
from nova_generic_mdev.adapters.nova.upkeep import consumers
from tests import nova as testing
from tests.nova import base
from tests.nova import migrating
from tests.nova.operations import steps

GPU = 'pci_0000_84_00_0'
COMPUTE_API = 'nova.compute.rpcapi.ComputeAPI'


class Upkeep(migrating.Migrating, base.TestCase):
    """Two hosts with a GPU each, which holds four."""

    def setUp(self):
        super().setUp()
        self.configure(nvidia_18={})
        self.two = self.flavor(resources__VGPU='2')

    def start_hosts(self):
        for hostname in ('one', 'two'):
            self.start_host(hostname, fixture.pci_gpus(1))

    def set_down(self, hostname, *, down):
        """What an operator says of a nova-compute that is, or is not, down."""
        (service,) = self.admin_api.get_services(host=hostname, binary='nova-compute')
        self.admin_api.put_service_force_down(service['id'], down)

    def placement_is_away(self):
        """For upkeep; Nova's own update, and so the test, would fail without it."""
        away = consumers.Unsure('Placement', 'there is no route')
        return fixtures.MockPatchObject(asking, 'Placement', side_effect=away)

    def reset_and_reboot(self, server):
        """What the user of a server in error may do."""
        state = {'os-resetState': {'state': 'active'}}
        self.admin_api.post_server_action(server['id'], state)
        self._reboot_server(server, hard=True)


class Sweep(Upkeep):
    """Claims whose end, or whose next consumer, nobody told us."""

    def setUp(self):
        super().setUp()
        self.start_hosts()

    def test_a_server_that_was_deleted_while_its_host_was_down(self):
        server = self.boot(self.two, 'one')

        def delete():
            self.set_down('one', down=True)
            self._delete_server(server)
            self.set_down('one', down=False)
            self.libvirtds['one'].lose_guest(server['id'])

        self.restart('one', delete)
        self.assert_all_agrees()
        self.assert_nodes_sync()
        self.assertEqual(4, self.free('one', GPU))

    def test_while_its_guest_is_there_it_is_kept(self):
        server = self.boot(self.two, 'one')

        def delete():
            self.set_down('one', down=True)
            self._delete_server(server)
            self.set_down('one', down=False)

        self.restart('one', delete)
        self.sync()
        self.assertEqual(2, len(self.uuids('one')))
        self.libvirtds['one'].lose_guest(server['id'])
        self.sync()
        self.assert_all_agrees()

    def test_while_placement_is_away_it_is_kept(self):
        server = self.boot(self.two, 'one')

        def delete():
            self.set_down('one', down=True)
            self._delete_server(server)
            self.set_down('one', down=False)
            self.libvirtds['one'].lose_guest(server['id'])

        with self.placement_is_away():
            self.restart('one', delete)
            self.sync()
            self.assertEqual(2, len(self.uuids('one')))
        self.sync()
        self.assert_all_agrees()

    def test_a_lost_guest_of_a_server_that_is_there_is_kept(self):
        server = self.boot(self.two, 'one')
        before = set(self.guest_mdevs(server))
        self.libvirtds['one'].lose_guest(server['id'])
        self.sync()
        self.restart('one')
        self.sync()
        self._reboot_server(server, hard=True)
        self.assertEqual(before, set(self.guest_mdevs(server)))
        self.assert_all_agrees(server)

    def test_a_resize_that_fails_on_its_way(self):
        """Placement gives it back to the server; nobody tells the driver."""
        server = self.boot(self.two, 'one')
        before = set(self.guest_mdevs(server))
        fails = exception.PortBindingFailed(port_id='a port')
        with base.patched(
            'nova.network.neutron.API.migrate_instance_start', side_effect=fails
        ):
            steps.attempt(self, server, {'migrate': {'host': 'two'}})
        self.sync()
        self.reset_and_reboot(server)
        self.assertEqual(before, set(self.guest_mdevs(server)))
        self.assert_all_agrees(server)

    def test_a_resize_that_waits_is_left_alone(self):
        server = self.boot(self.two, 'one')
        before = set(self.guest_mdevs(server))
        self._migrate_server(server)
        for hostname in ('one', 'two'):
            self.restart(hostname)
            self.sync()
        self._revert_resize(server)
        self.assertEqual(before, set(self.guest_mdevs(server)))
        self.assert_all_agrees(server)

    def test_a_live_migration_whose_end_the_destination_is_not_told(self):
        server = self.boot(self.two, 'one')
        with (
            base.patched(f'{COMPUTE_API}.rollback_live_migration_at_destination'),
            self.migrating(server, migrating.FAILED, refused=True),
        ):
            self.restart('two')
            self.sync()
            self.assertEqual(2, len(self.uuids('two')))
        self.assertEqual('one', self.where(server))
        self.sync()
        self.assert_all_agrees(server)


class Adoption(Upkeep):
    """What cannot be told, or is not plain, when a host changes its driver.

    The rest of it is in test_switch.
    """

    def start_hosts(self):
        """With Nova's own driver."""
        self.flags(compute_driver=testing.IN_TREE)
        super().start_hosts()

    def setUp(self):
        super().setUp()
        self.start_hosts()

    def move(self, hostname='one', driver=testing.OURS):
        """Restart nova-compute with another driver."""
        self.flags(compute_driver=driver)
        self.restart(hostname)

    def test_while_placement_is_away_nobody_else_gets_them(self):
        server = self.boot(self.two, 'one')
        before = set(self.guest_mdevs(server))
        with self.placement_is_away():
            self.move()
            # What the server has counts twice: in Placement, and as a stranger's.
            self.boot(self.two, 'one', expected_state='ERROR')
        self._reboot_server(server, hard=True)
        self.assertEqual(before, set(self.guest_mdevs(server)))
        self.sync()
        self.assert_all_agrees(server, self.boot(self.two, 'one'))

    def test_what_waits_for_a_revert_is_its_migrations(self):
        server = self.boot(self.two, 'one')
        before = set(self.guest_mdevs(server))
        self._migrate_server(server)
        self.move()
        self.sync()
        self._revert_resize(server)
        self.assertEqual(before, set(self.guest_mdevs(server)))
        self.assert_has_its_mdevs(server)
