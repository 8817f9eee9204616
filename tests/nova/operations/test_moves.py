# SPDX-License-Identifier: Apache-2.0
"""Operations that take a server to another host."""

from unittest import mock

from nova import exception
from nova.tests.functional.api import client as api_client

from nova_generic_mdev import fixture
from tests.nova import base
from tests.nova import migrating
from tests.nova.operations import case
from tests.nova.operations import steps
from tests.nova.operations.steps import Step

GPU = 'pci_0000_84_00_0'
MOVE = Step(steps.cold_migrate)
CONFIRM = Step(steps.confirm, same=False)
REVERT = Step(steps.revert)


class TwoHosts(migrating.Migrating, case.Scenario):
    """Two hosts alike."""

    def setUp(self):
        super().setUp()
        self.start_host('two', fixture.pci_gpus(2))


@case.table(
    migrate_confirm=[MOVE, CONFIRM],
    migrate_revert=[MOVE, REVERT],
    migrate_and_delete=[MOVE, Step(steps.delete, guest=False, same=False)],
    migrate_restart_confirm=[MOVE, Step(steps.restart_service), CONFIRM],
    migrate_restart_revert=[MOVE, Step(steps.restart_service), REVERT],
    migrate_reboot_of_the_host_revert=[MOVE, Step(steps.reboot_source), REVERT],
    resize_confirm=[Step(steps.resize), CONFIRM],
    resize_revert=[Step(steps.resize), REVERT],
    resize_to_less_confirm=[Step(steps.resize_to_less), CONFIRM],
    resize_to_nothing_revert=[Step(steps.resize_to_nothing), REVERT],
    live_migrate=[Step(steps.live_migrate, same=False)],
    live_migrate_hard_reboot=[
        Step(steps.live_migrate, same=False),
        Step(steps.hard_reboot),
    ],
    evacuate=[Step(steps.evacuate, same=False)],
    unshelve_elsewhere=[
        Step(steps.shelve),
        Step(steps.offload, guest=False, same=False),
        Step(steps.unshelve_elsewhere),
    ],
)
class Moves(TwoHosts):
    """From ``one`` to ``two``, and perhaps back."""


class FailedResize(TwoHosts):
    """A resize that does not come to its end; a cast is one, so nobody is told."""

    CAST_AS_CALL = False

    def setUp(self):
        super().setUp()
        self.server = self.boot(self.flavor_of_three(), 'one')
        self.before = self.guest_mdevs(self.server)

    def _resize_in_vain(self):
        resize = {'resize': {'flavorRef': self.flavor_of_three()}}
        steps.attempt(self, self.server, resize)
        self._wait_for_assert(self.assert_nodes_sync)

    def test_it_does_not_start_there(self):
        with steps.refusing(self.libvirtds['two']):
            self._resize_in_vain()
        # For Nova it is there now, and what it left behind is nobody's to clean.
        self.assertEqual('two', self.where(self.server))
        self._wait_for_assert(lambda: self.assertEqual({'VGPU': 0}, self._used('one')))
        self.assert_nodes_sync()
        self.assertCountEqual(self.before, self.uuids('one'))
        self._reboot_server(self.server, hard=True)
        self.assert_has_its_mdevs(self.server)
        # An operator does.
        self.libvirtds['one'].lose_guest(self.server['id'])
        self.assert_nodes_sync()
        self.assert_all_agrees(self.server)

    def _used(self, hostname):
        return self.used(hostname, GPU)

    def test_it_does_not_leave(self):
        with base.patched(
            'nova.virt.libvirt.driver.LibvirtDriver._get_instance_disk_info',
            new=mock.Mock(side_effect=exception.DiskNotFound(location='here')),
        ):
            self._resize_in_vain()
        self.assertEqual('one', self.where(self.server))
        self.assertCountEqual(self.before, self.uuids('one'))
        self._wait_for_assert(lambda: self.assert_all_agrees(self.server))


class LiveMigration(TwoHosts):
    """What may happen while a guest moves."""

    def setUp(self):
        super().setUp()
        self.server = self.boot(self.flavor_of_three(), 'one')
        self.before = self.guest_mdevs(self.server)

    def assert_it_stayed(self):
        for _ in range(2):
            self.assertEqual('one', self.where(self.server))
            self.assertEqual(self.before, self.guest_mdevs(self.server))
            self.assert_all_agrees(self.server)
            self.assert_nodes_sync()

    def test_it_has_devices_on_both_hosts_while_it_moves(self):
        with self.migrating(self.server):
            for _ in range(2):
                self.assert_all_agrees()
                both = [sum(self.live(host).values()) for host in ('one', 'two')]
                self.assertEqual([3, 3], both)
                self.assert_nodes_sync()
        self.assertEqual('two', self.where(self.server))
        self.assert_all_agrees(self.server)

    def test_it_arrives_though_the_destination_was_restarted(self):
        with self.migrating(self.server):
            self.restart('two')
            self.assert_nodes_sync()
        self.assertEqual('two', self.where(self.server))
        self.assert_all_agrees(self.server)

    def test_it_fails_on_the_way(self):
        with self.migrating(self.server, migrating.FAILED, refused=True):
            pass
        self.assert_it_stayed()

    def test_it_does_not_start_there(self):
        with (
            steps.refusing(self.libvirtds['two']),
            self.migrating(self.server, migrating.FAILED),
        ):
            pass
        self.assert_it_stayed()

    def test_it_fails_after_the_destination_was_restarted(self):
        with self.migrating(self.server, migrating.FAILED, refused=True):
            self.restart('two')
        self.assert_it_stayed()

    def test_there_is_no_room(self):
        taken = self.libvirtds['two'].mdevs.fill('pci_0000_85_00_0', 'nvidia-18')
        self._assert_refused()
        for uuid in taken:
            self.libvirtds['two'].mdevs.lose_mdev(uuid)
        self.assert_it_stayed()

    def test_the_types_cannot_be_paired(self):
        large = {'mdev_class': 'CUSTOM_LARGE', 'device_addresses': ['0000:85:00.0']}
        small = {'device_addresses': ['0000:84:00.0']}
        self.configure(nvidia_18=small, nvidia_22=large)
        self.restart('two')
        self.classes = {'nvidia-11': 'VGPU', 'nvidia-18': 'CUSTOM_LARGE'}
        self._assert_refused()
        self.assertEqual(set(), self.uuids('two'))
        self.assert_it_stayed()

    def _assert_refused(self):
        body = {'os-migrateLive': {'host': 'two', 'block_migration': 'auto'}}
        refused = self.assertRaises(
            api_client.OpenStackApiException,
            self.admin_api.post_server_action,
            self.server['id'],
            body,
        )
        self.assertIn(refused.response.status_code, (400, 500))
