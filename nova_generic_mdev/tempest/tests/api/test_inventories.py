# SPDX-License-Identifier: Apache-2.0
"""Inventories and traits of the providers."""

from __future__ import annotations

from tempest import config as tempest_config
from tempest.lib import decorators

from nova_generic_mdev.tempest.tests import base

CONF = tempest_config.CONF
OWNER = 'OWNER_NOVA'


class InventoriesTest(base.BaseTest):
    """What is published of the parent devices that have the class."""

    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c001')
    def test_inventories_are_sound(self) -> None:
        """Total, reserved, used and the units go together."""
        complaints = [line for offer in self.to_give for line in offer.complaints()]
        self.assertEqual([], complaints)

    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c002')
    def test_providers_belong_to_hosts(self) -> None:
        """The root of each is a hypervisor, and its name begins with that name."""
        listed = self.os_admin.hypervisor_client.list_hypervisors()['hypervisors']
        hosts = {hypervisor['hypervisor_hostname'] for hypervisor in listed}
        for offer in self.to_give:
            root = self.root_of(offer.provider)
            self.assertIn(root, hosts)
            self.assertTrue(offer.name.startswith(f'{root}_'), offer.name)

    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c003')
    def test_traits_say_what_is_there(self) -> None:
        """The type and its device API, whose the provider is, and the operator's."""
        for offer in self.to_give:
            traits = self.offers.traits(offer.provider)
            for prefix in ('CUSTOM_MDEV_TYPE_', 'CUSTOM_MDEV_API_'):
                matching = [trait for trait in traits if trait.startswith(prefix)]
                self.assertNotEqual([], matching, f'{offer.name} has {sorted(traits)}')
            missing = {OWNER, *CONF.generic_mdev.traits} - traits
            self.assertEqual(set(), missing, f'{offer.name} has {sorted(traits)}')
