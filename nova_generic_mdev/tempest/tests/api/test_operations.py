# SPDX-License-Identifier: Apache-2.0
"""What a server holds after each operation that users and operators know."""

from __future__ import annotations

import testtools
from tempest import config as tempest_config
from tempest.common import compute
from tempest.lib import decorators

from nova_generic_mdev.tempest.tests import base

CONF = tempest_config.CONF
FEATURES = CONF.compute_feature_enabled
FEW_HOSTS = CONF.compute.min_compute_nodes < 2


class OperationsTest(base.BaseTest):
    """One device, wherever the server is, and back in the end."""

    def boot_one(self) -> str:
        """A server that holds one."""
        server = self.boot(self.make_flavor())
        self.assert_holds(server)
        return server

    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c031')
    def test_stop_and_start(self) -> None:
        """A server that is stopped keeps what it has."""
        server = self.boot_one()
        held = self.offers.held_by(server)
        self.servers.stop_server(server)
        self.wait_for_status(server, 'SHUTOFF')
        self.assertEqual(held, self.offers.held_by(server))
        self.servers.start_server(server)
        self.wait_for_status(server, 'ACTIVE')
        self.assertEqual(held, self.offers.held_by(server))

    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c032')
    def test_rebuild(self) -> None:
        """Nor does a new image give it another."""
        server = self.boot_one()
        held = self.offers.held_by(server)
        image = CONF.generic_mdev.image_ref or CONF.compute.image_ref
        self.servers.rebuild_server(server, image)
        self.wait_for_status(server, 'ACTIVE')
        self.assertEqual(held, self.offers.held_by(server))

    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c033')
    @testtools.skipUnless(FEATURES.shelve, 'no [compute-feature-enabled] shelve')
    def test_shelve_and_unshelve(self) -> None:
        """A server that was taken off its host has nothing there."""
        before = self.left()
        server = self.boot_one()
        compute.shelve_server(self.servers, server, force_shelve_offload=True)
        self.assert_nothing_held(server)
        self.assert_is_left(before)
        self.servers.unshelve_server(server)
        self.wait_for_status(server, 'ACTIVE')
        self.assert_holds(server)

    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c034')
    @testtools.skipUnless(FEATURES.resize, 'no [compute-feature-enabled] resize')
    def test_resize_and_revert(self) -> None:
        """What it had is still its own."""
        before = self.left()
        server = self.boot_one()
        held = self.offers.held_by(server)
        self.servers.resize_server(server, self.make_flavor())
        self.wait_for_status(server, 'VERIFY_RESIZE')
        self.assert_holds(server)
        self.servers.revert_resize_server(server)
        self.wait_for_status(server, 'ACTIVE')
        self.assertEqual(held, self.offers.held_by(server))
        self.delete(server)
        self.assert_is_left(before)

    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c035')
    @testtools.skipUnless(FEATURES.resize, 'no [compute-feature-enabled] resize')
    def test_resize_and_confirm(self) -> None:
        """What it had is given back."""
        before = self.left()
        server = self.boot_one()
        self.servers.resize_server(server, self.make_flavor())
        self.wait_for_status(server, 'VERIFY_RESIZE')
        self.servers.confirm_resize_server(server)
        self.wait_for_status(server, 'ACTIVE')
        self.assert_holds(server)
        self.delete(server)
        self.assert_is_left(before)

    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c036')
    @testtools.skipUnless(
        FEATURES.cold_migration, 'no [compute-feature-enabled] cold_migration'
    )
    @testtools.skipIf(FEW_HOSTS, 'one host: [compute] min_compute_nodes')
    def test_cold_migration(self) -> None:
        """One on the other host, none on the first."""
        before = self.left()
        server = self.boot_one()
        host = self.host_of(server)
        self.os_admin.servers_client.migrate_server(server)
        self.wait_for_status(server, 'VERIFY_RESIZE')
        self.servers.confirm_resize_server(server)
        self.wait_for_status(server, 'ACTIVE')
        self.assertNotEqual(host, self.host_of(server))
        self.assert_holds(server)
        self.delete(server)
        self.assert_is_left(before)

    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c037')
    @testtools.skipUnless(
        FEATURES.live_migration, 'no [compute-feature-enabled] live_migration'
    )
    @testtools.skipIf(FEW_HOSTS, 'one host: [compute] min_compute_nodes')
    def test_live_migration(self) -> None:
        """The same while it runs."""
        before = self.left()
        server = self.boot_one()
        host = self.host_of(server)
        self.os_admin.servers_client.live_migrate_server(
            server, host=None, block_migration='auto'
        )
        self.wait_for_status(server, 'ACTIVE')
        self.assertNotEqual(host, self.host_of(server))
        self.assert_holds(server)
        self.delete(server)
        self.assert_is_left(before)
