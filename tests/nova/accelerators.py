# SPDX-License-Identifier: Apache-2.0
"""An accelerator service whose requests end in whatever a test says."""

import fixtures
from nova.tests import fixtures as nova_fixtures

UUID = 'a1b2c3d4-e5f6-4890-abcd-{:012x}'


def pci(function):
    """A request that ends in a PCI device: ``0000:0c:00.1`` and so on."""
    handle = {'domain': '0000', 'bus': '0c', 'device': '0', 'function': str(function)}
    return {'attach_handle_type': 'PCI', 'attach_handle_info': handle}


def mdev(uuid, mdev_type, address='0000:84:00.0'):
    """A request that ends in an mdev, as the accelerator service tells it."""
    domain, bus, rest = address.split(':')
    device, function = rest.split('.')
    return {
        'attach_handle_type': 'MDEV',
        'attach_handle_uuid': uuid,
        'attach_handle_info': {
            'domain': domain,
            'bus': bus,
            'device': device,
            'function': function,
            'asked_type': mdev_type,
            'vgpu_mark': f'{mdev_type}_0',
        },
    }


class Accelerators(nova_fixtures.CyborgFixture):
    """Cyborg's API; a flavor with its device profile gets all of ``ends``.

    :param ends: what :func:`pci` and :func:`mdev` return
    """

    def __init__(self, *ends):
        super().__init__()
        request = {
            'device_profile_name': self.dp_name,
            'device_profile_group_id': 0,
            'state': 'Bound',
            'device_rp_uuid': None,
            'hostname': None,
            'instance_uuid': None,
        }
        self.arq_list = [
            request | end | {'uuid': UUID.format(n)} for n, end in enumerate(ends)
        ]

    def setUp(self):
        super().setUp()
        # Nova's fixture keeps what is bound on its class.
        self.useFixture(
            fixtures.MockPatchObject(
                nova_fixtures.CyborgFixture, 'bound_arq_list', self.arq_list
            )
        )

    def fake_create_arqs(self, dp_name):
        return self.arq_list


class Accelerating:
    """Of a test case that has a host ``one``."""

    def accelerate(self, *ends):
        """A flavor that gets these of the accelerator service."""
        cyborg = self.useFixture(Accelerators(*ends))
        self._provide(cyborg.trait)
        return self.flavor(accel__device_profile=cyborg.dp_name)

    def _provide(self, trait):
        body = {
            'name': 'their device',
            'parent_provider_uuid': self.compute_rp_uuids['one'],
        }
        provider = self.placement.post(
            '/resource_providers', version='1.20', body=body
        ).body
        inventory = {'total': 4, 'max_unit': 4}
        body = {'resource_provider_generation': 0, 'inventories': {'FPGA': inventory}}
        self._update_inventory(provider['uuid'], body)
        self._create_trait(trait)
        self._set_provider_traits(provider['uuid'], [trait])
