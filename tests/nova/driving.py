# SPDX-License-Identifier: Apache-2.0
"""One driver on a host in memory, with nothing around it but doubles."""

import fixtures
import nova.conf
from nova import objects
from nova import test
from nova.tests import fixtures as nova_fixtures
from nova.virt import fake
from oslo_utils import importutils
from oslo_utils import uuidutils

from nova_generic_mdev import claims
from nova_generic_mdev import fixture
from nova_generic_mdev.adapters.nova import hosts
from tests import nova as testing
from tests.nova import reporting

CONF = nova.conf.CONF
HERE = 'here'


class Case(test.NoDBTestCase):
    """A driver of ours; libvirt is Nova's fake, and has nothing."""

    def setUp(self):
        super().setUp()
        self.flags(host=HERE)
        self.useFixture(nova_fixtures.LibvirtFixture())
        self.driver_class = importutils.import_class(f'nova.virt.{testing.OURS}')
        self.host = fixture.pci_gpus(2)
        self.state = self.useFixture(fixtures.TempDir()).join('mdev')
        self.store = claims.ClaimStore(self.state, 'machine')
        self.placement = reporting.Placement()
        self.replace(hosts, 'host_of', lambda *_: self.host)
        self.replace(hosts, 'store_of', lambda *_: self.store)

    def replace(self, owner, name, new):
        """Put something else in its place, for this test."""
        return self.useFixture(fixtures.MockPatchObject(owner, name, new)).mock

    def configure(self, **types):
        """Enable these mdev types, in this order; ``nvidia_11`` is nvidia-11."""
        by_name = {
            name if '-' in name else name.replace('_', '-'): more
            for name, more in types.items()
        }
        self.flags(enabled_mdev_types=list(by_name), group='devices')
        nova.conf.devices.register_dynamic_opts(CONF)
        for mdev_type, options in by_name.items():
            group = f'mdev_{mdev_type}'
            for option in CONF[group]:
                CONF.clear_override(option, group=group)
            self.flags(group=group, **options)

    def make(self, **types):
        """A driver with these types, of a service that has not started yet."""
        self.configure(**types)
        api = fake.FakeVirtAPI()
        api.reportclient = self.placement
        self.driver = self.driver_class(api)
        return self.driver

    def start(self, **types):
        """A driver with these types; what was before on this host stays."""
        self.make(**types)._mdevs.start()
        return self.driver

    def instance(self, uuid=None, **extra_specs):
        """A server whose flavor asks for these; ``resources1__VGPU='1'``."""
        specs = {key.replace('__', ':'): value for key, value in extra_specs.items()}
        return objects.Instance(
            uuid=uuid or uuidutils.generate_uuid(),
            host=HERE,
            flavor=objects.Flavor(extra_specs=specs),
        )
