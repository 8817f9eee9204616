# SPDX-License-Identifier: Apache-2.0
"""Allocations of servers: taken at boot, given back at the end."""

from __future__ import annotations

from tempest.common import waiters
from tempest.lib import decorators

from nova_generic_mdev.tempest.tests import base


class AllocationsTest(base.BaseTest):
    """What servers take of the class."""

    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c011')
    def test_boot_takes_one_and_delete_gives_it_back(self) -> None:
        """One, on a provider of the host that the server is on."""
        before = self.left()
        server = self.boot(self.make_flavor())
        self.assert_holds(server)
        (provider,) = self.offers.held_by(server)
        offer = self.offers.of(provider)
        self.assertEqual([], offer.complaints())
        self.assertGreaterEqual(offer.used, 1)

        self.delete(server)
        self.assert_nothing_held(server)
        self.assert_is_left(before)

    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c012')
    def test_two_in_one_server(self) -> None:
        """Both on one provider, both given back."""
        if not self.offers.to_give(2):
            raise self.skipException(
                f'no provider has two of {self.resource_class} for one server'
            )
        before = self.left()
        server = self.boot(self.make_flavor(2))
        self.assert_holds(server, 2)

        self.delete(server)
        self.assert_nothing_held(server)
        self.assert_is_left(before)

    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c013')
    def test_a_trait_that_is_there_is_found(self) -> None:
        """A flavor may ask for what the provider says of its type."""
        offer = self.to_give[0]
        traits = self.offers.traits(offer.provider)
        of_type = min(t for t in traits if t.startswith('CUSTOM_MDEV_TYPE_'))
        server = self.boot(self.make_flavor(trait=of_type))
        self.assert_holds(server)
        (provider,) = self.offers.held_by(server)
        self.assertIn(of_type, self.offers.traits(provider))

    @decorators.attr(type=['negative'])
    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c014')
    def test_nothing_is_taken_where_no_host_fits(self) -> None:
        """More than any provider has: no server, and nothing held."""
        before = self.left()
        too_many = max(offer.max_unit for offer in self.to_give) + 1
        server = self.boot(self.make_flavor(too_many), wait_until='BUILD')
        waiters.wait_for_server_status(
            self.servers, server, 'ERROR', raise_on_error=False
        )
        self.assertIn('No valid host', self.show(server)['fault']['message'])
        self.assert_nothing_held(server)
        self.assert_is_left(before)
