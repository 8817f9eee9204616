# SPDX-License-Identifier: Apache-2.0
"""What the tests share: flavors, servers, and looks at Placement."""

from __future__ import annotations

import collections.abc as cabc
import time
import typing as ty

from tempest import config as tempest_config
from tempest import test
from tempest.common import compute
from tempest.common import waiters
from tempest.lib.common.utils import data_utils
from tempest.lib.common.utils import test_utils

from nova_generic_mdev.tempest import config
from nova_generic_mdev.tempest import offers as placement_offers

CONF = tempest_config.CONF
# The first that lets Nova choose how the disks of a live migration go.
COMPUTE_MICROVERSION = '2.25'
PAUSE = 2


class BaseTest(test.BaseTestCase):
    """A test of servers that have mdevs of the resource class."""

    credentials: ty.ClassVar[list[str]] = ['primary', 'admin']
    resource_class: str
    offers: placement_offers.Offers
    to_give: list[placement_offers.Offer]

    @classmethod
    def skip_checks(cls) -> None:
        """Nova alone is needed; Placement comes with it."""
        super().skip_checks()
        if not CONF.service_available.nova:
            raise cls.skipException('Nova is not available: [service_available] nova')

    @classmethod
    def setup_credentials(cls) -> None:
        """A network where there are networks; no more."""
        cls.set_network_resources(network=True, subnet=True, dhcp=True)
        super().setup_credentials()

    @classmethod
    def setup_clients(cls) -> None:
        """Our view of Placement, as an administrator."""
        super().setup_clients()
        cls.resource_class = CONF.generic_mdev.resource_class
        cls.offers = placement_offers.Offers(
            cls.os_admin.resource_providers_client,
            cls.os_admin.placement_client,
            cls.resource_class,
        )
        cls.servers = cls.os_primary.servers_client

    @classmethod
    def resource_setup(cls) -> None:
        """Skip where there is nothing to give."""
        super().resource_setup()
        cls.setup_api_microversion_fixture(
            compute_microversion=COMPUTE_MICROVERSION,
            placement_microversion=placement_offers.MICROVERSION,
        )
        cls.to_give = cls.offers.to_give()
        if not cls.to_give:
            raise cls.skipException(
                f'no provider has {cls.resource_class} to give: '
                f'[generic_mdev] resource_class'
            )

    def make_flavor(self, amount: int = 1, trait: str = '') -> str:
        """The id of a flavor with that many devices, for this test.

        :param trait: one that the provider has to have
        """
        flavors = self.os_admin.flavors_client
        model = flavors.show_flavor(CONF.compute.flavor_ref)['flavor']
        sizes = {name: model[name] for name in ('ram', 'vcpus', 'disk')}
        name = data_utils.rand_name('generic-mdev')
        flavor = flavors.create_flavor(name=name, **sizes)['flavor']['id']
        self.addCleanup(flavors.delete_flavor, flavor)
        asked = {f'resources:{self.resource_class}': str(amount)}
        asked |= config.specs_of(CONF.generic_mdev.flavor_specs)
        asked |= {f'trait:{trait}': 'required'} if trait else {}
        flavors.set_flavor_extra_spec(flavor, **asked)
        return str(flavor)

    def boot(self, flavor: str, wait_until: str = 'ACTIVE', **request: ty.Any) -> str:
        """The id of a server of that flavor, for this test."""
        request.setdefault('image_id', CONF.generic_mdev.image_ref or None)
        body, _ = compute.create_test_server(
            self.os_primary,
            tenant_network=self.get_tenant_network(),
            wait_until=wait_until,
            flavor=flavor,
            **request,
        )
        server = str(body['id'])
        self.addCleanup(self.delete, server)
        return server

    def delete(self, server: str) -> None:
        """Delete a server, if it is there, and wait until it has gone."""
        test_utils.call_and_ignore_notfound_exc(self.servers.delete_server, server)
        waiters.wait_for_server_termination(self.servers, server, ignore_error=True)

    def wait_for_status(self, server: str, status: str) -> None:
        """Wait until a server has that status and no task."""
        waiters.wait_for_server_status(self.servers, server, status)

    def show(self, server: str) -> dict[str, ty.Any]:
        """A server as an administrator sees it."""
        shown = self.os_admin.servers_client.show_server(server)['server']
        return ty.cast(dict[str, ty.Any], shown)

    def host_of(self, server: str) -> str:
        """The name of the host, and root provider, that a server is on."""
        return str(self.show(server)['OS-EXT-SRV-ATTR:hypervisor_hostname'])

    def root_of(self, provider: str) -> str:
        """The name of the root of a provider's tree."""
        root = self.offers.of(provider).root
        shown = self.os_admin.resource_providers_client.show_resource_provider(root)
        return str(shown['name'])

    def assert_holds(self, server: str, amount: int = 1) -> None:
        """A server holds that many, and all of them where it is."""
        held = self.offers.held_by(server)
        self.assertEqual(amount, sum(held.values()), held)
        host = self.host_of(server)
        for provider in held:
            self.assertEqual(host, self.root_of(provider))

    def assert_nothing_held(self, consumer: str) -> None:
        """A consumer holds nothing of the class."""
        self.assertEqual({}, self.offers.held_by(consumer))

    def left(self) -> dict[str, int]:
        """How many each provider can still give, by its uuid."""
        return {
            offer.provider: self.offers.of(offer.provider).left
            for offer in self.to_give
        }

    def assert_is_left(self, expected: cabc.Mapping[str, int]) -> None:
        """Each provider can give that many again, in time."""
        if not CONF.generic_mdev.quiet_cloud:
            return
        deadline = time.monotonic() + CONF.generic_mdev.update_timeout
        while self.left() != expected and time.monotonic() < deadline:
            time.sleep(PAUSE)
        self.assertEqual(expected, self.left())
