# SPDX-License-Identifier: Apache-2.0
"""What the plugin for tempest reads from Placement's answers."""

from __future__ import annotations

import dataclasses
from unittest import mock

import pytest
from tempest.lib.services import placement

from nova_generic_mdev.tempest import offers

GOOD = offers.Offer(
    provider='p1',
    name='host_mtty_mtty',
    parent='root',
    root='root',
    total=12,
    reserved=2,
    used=3,
    min_unit=1,
    max_unit=12,
    step_size=1,
    allocation_ratio=1.0,
)


def clients() -> offers.Offers:
    """A Placement with one provider that has two classes, one of them ours."""
    provider = {
        'uuid': 'p1',
        'name': 'host_mtty_mtty',
        'parent_provider_uuid': 'root',
        'root_provider_uuid': 'root',
        'generation': 7,
    }
    inventory = {
        'total': 12, 'reserved': 2, 'min_unit': 1, 'max_unit': 12, 'step_size': 1,
        'allocation_ratio': 1.0, 'a_field_of_a_later_version': 1,
    }  # fmt: skip
    providers = mock.create_autospec(placement.ResourceProvidersClient)
    providers.list_resource_providers.return_value = {'resource_providers': [provider]}
    providers.show_resource_provider.return_value = provider
    providers.list_resource_provider_inventories.return_value = {
        'inventories': {'CUSTOM_MTTY': inventory, 'VGPU': inventory | {'total': 1}},
    }
    providers.list_resource_provider_usages.return_value = {
        'usages': {'CUSTOM_MTTY': 3, 'VGPU': 0},
    }
    providers.list_resource_provider_traits.return_value = {'traits': ['A', 'B']}
    allocations = mock.create_autospec(placement.PlacementClient)
    allocations.list_allocations.return_value = {
        'allocations': {
            'p1': {'resources': {'CUSTOM_MTTY': 1, 'VGPU': 5}},
            'p2': {'resources': {'CUSTOM_MTTY': 2}},
            'root': {'resources': {'VCPU': 1}},
        },
    }
    return offers.Offers(providers, allocations, 'CUSTOM_MTTY')


def test_offers_with_something_to_give():
    found = clients()
    assert found.to_give(2) == [GOOD]
    found._providers.list_resource_providers.assert_called_once_with(
        resources='CUSTOM_MTTY:2'
    )


def test_offer_of_one_provider():
    assert clients().of('p1') == GOOD


def test_traits():
    assert clients().traits('p1') == {'A', 'B'}


def test_what_is_held_is_of_the_class():
    assert clients().held_by('server') == {'p1': 1, 'p2': 2}


def test_left():
    assert GOOD.left == 7


def test_sound_numbers():
    assert GOOD.complaints() == []


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        pytest.param({'parent': None}, 'it is a root', id='no child'),
        pytest.param({'total': 0, 'reserved': 0, 'used': 0}, 'total 0', id='empty'),
        pytest.param({'reserved': 13}, 'reserved 13', id='more reserved than there is'),
        pytest.param({'reserved': -1}, 'reserved -1', id='less than none reserved'),
        pytest.param({'used': 11}, 'used 11', id='more used than usable'),
        pytest.param({'min_unit': 2}, 'min_unit 2', id='not one by one'),
        pytest.param({'step_size': 2}, 'step_size 2', id='in twos'),
        pytest.param({'max_unit': 0}, 'max_unit 0', id='none for a server'),
        pytest.param({'allocation_ratio': 16.0}, 'allocation_ratio', id='given twice'),
    ],
)
def test_numbers_that_are_not_sound(change: dict[str, int], said: str):
    complaints = dataclasses.replace(GOOD, **change).complaints()
    assert any(said in complaint for complaint in complaints)
    assert all(complaint.startswith('host_mtty_mtty: ') for complaint in complaints)
