# SPDX-License-Identifier: Apache-2.0
"""What is still asked for on a provider whose parent does not tell."""

from __future__ import annotations

import pytest

from nova_generic_mdev import fixture
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev import providers

ROOT = 'compute-1'
GPU = 'pci_0000_84_00_0'
T35 = names.type_trait('nvidia-35')


def current(name=f'{ROOT}_{GPU}', traits=(T35,), **totals):
    return providers.Current(
        name=name,
        uuid='a-uuid',
        generation=1,
        parent='root-uuid',
        inventories={c: {'total': total} for c, total in totals.items()},
        traits=frozenset(traits),
    )


def rule(*addresses, mdev_type='nvidia-35', resource_class='VGPU'):
    return policy.TypeRule(
        mdev_type=mdev_type,
        resource_class=resource_class,
        device_addresses=addresses,
    )


@pytest.mark.parametrize(
    ('parent', 'address', 'is_meant'),
    [
        pytest.param(GPU, '0000:84:00.0', True, id='PCI address'),
        pytest.param('pci_0000_8a_00_0', '0000:8A:00.0', True, id='upper case'),
        pytest.param(GPU, GPU, True, id='node-device name'),
        pytest.param(GPU, '0000:84:00.*', True, id='pattern'),
        pytest.param(GPU, '0000:8[0-4]:*', True, id='pattern of a range'),
        pytest.param(GPU, 'pci_0000_84_*', True, id='pattern of node-device names'),
        pytest.param(GPU, '0000:85:00.0', False, id='another'),
        pytest.param(GPU, '0000:85:00.*', False, id='pattern for others'),
        pytest.param('mtty_mtty', 'mtty', True, id='sysfs name'),
        pytest.param('mtty_mtty', 'mtty_mtty', True, id='class device'),
        pytest.param('mtty_mtty', 'mtt?', True, id='pattern of a sysfs name'),
        pytest.param('css_0_0_0023', '0.0.0023', True, id='subchannel'),
        pytest.param('css_0_0_0023', '0.0.00*', True, id='subchannels'),
        pytest.param('css_0_0_0023', '0.0.0024', False, id='another subchannel'),
        pytest.param('ap_matrix', 'matrix', True, id='crypto adapters'),
    ],
)
def test_a_parent_that_is_away(parent: str, address: str, is_meant: bool):
    asked = providers.asked(policy.Policy(rules=(rule(address),)), current(), parent)
    assert asked == ({'VGPU'} if is_meant else set())


@pytest.mark.parametrize(
    ('rules', 'traits', 'expected'),
    [
        pytest.param((), (T35,), set(), id='nothing is configured'),
        pytest.param((rule(),), (T35,), {'VGPU'}, id='the default type was there'),
        pytest.param((rule(),), (), set(), id='the default type never was there'),
        pytest.param(
            (rule(), rule(GPU, mdev_type='x-1', resource_class='CUSTOM_X')),
            (T35,),
            {'CUSTOM_X'},
            id='another rule names it now',
        ),
        pytest.param(
            (rule('0000:85:00.0'), rule(mdev_type='x-1')),
            (T35, names.type_trait('x-1')),
            set(),
            id='only the first type can be a default',
        ),
        pytest.param(
            (rule(GPU), rule('*', mdev_type='x-1', resource_class='CUSTOM_X')),
            (T35,),
            {'VGPU', 'CUSTOM_X'},
            id='two rules mean it',
        ),
    ],
)
def test_which_rules_count(rules, traits, expected):
    asked = providers.asked(policy.Policy(rules=rules), current(traits=traits), GPU)
    assert asked == expected


def test_of_a_parent_that_nobody_can_tell_all_stays():
    assert providers.asked(policy.Policy(), current(VGPU=4), None) == {'VGPU'}


@pytest.mark.parametrize(
    ('root', 'provider', 'known', 'parent'),
    [
        pytest.param(ROOT, f'{ROOT}_{GPU}', [GPU], GPU, id='known'),
        pytest.param(ROOT, f'{ROOT}_{GPU}', [], GPU, id='away'),
        pytest.param('a_b', 'a_b_mtty_mtty', ['b_mtty_mtty'], 'mtty_mtty', id='prefix'),
        pytest.param(
            'r' * 190, names.provider('r' * 190, GPU), [GPU], GPU, id='cut, known'
        ),
        pytest.param('r' * 190, names.provider('r' * 190, GPU), [], None, id='cut'),
    ],
)
def test_parent_of_a_provider(root, provider, known, parent):
    assert providers.parent_of(root, provider, known) == parent


def test_recorded_totals_are_of_known_parents():
    tree = [current(VGPU=4, CUSTOM_X=2), current(name='compute-1_NUMA0', VCPU=8)]
    assert providers.recorded(ROOT, tree, [GPU, 'mtty_mtty']) == {
        GPU: {'VGPU': 4, 'CUSTOM_X': 2}
    }


@pytest.mark.parametrize(
    'host',
    [
        pytest.param(fixture.mtty(), id='mtty'),
        pytest.param(fixture.pci_gpus(), id='PCI'),
        pytest.param(fixture.sriov_card(), id='virtual functions'),
        pytest.param(fixture.s390(), id='css and ap'),
        pytest.param(fixture.gvt(), id='GVT-g'),
    ],
)
def test_what_names_a_parent_that_is_there_names_it_when_it_is_away(host):
    for parent in host.snapshot().parents.values():
        for address in filter(None, (parent.name, parent.sysname, parent.address)):
            for spelling in (address, f'{address[:-1]}?', f'{address[:-2]}*'):
                named = policy.Policy(rules=(rule(spelling),))
                assert providers.asked(named, current(traits=()), parent.name)
