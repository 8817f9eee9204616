# SPDX-License-Identifier: Apache-2.0
"""From Nova's allocations, flavors and provider tree to what the engine is asked."""

from __future__ import annotations

import re

import pytest

from nova_generic_mdev import allocation
from nova_generic_mdev import exceptions
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev.adapters.nova import promises
from tests.unit import scenes
from tests.unit.adapters import flavors
from tests.unit.adapters import trees

ME = scenes.CONSUMERS[0]
GPU, MTTY = 'pci_0000_84_00_0', 'mtty_mtty'
MARK = names.type_trait('nvidia-11')
POLICY = policy.Policy(rules=(scenes.rule('t-1', flavors.CLASS),))


# What a flavor asks for


@pytest.mark.parametrize('name', flavors.FLAVORS)
def test_what_a_flavor_asks_for(name):
    specs, expected = flavors.FLAVORS[name]
    assert promises.asked(specs, POLICY) == expected


# Whose the providers of a tree are


def tree_of(root='host', **children):
    """A tree with children of the root, by the name, with their traits."""
    tree = trees.Tree()
    tree.new_root(root, f'uuid of {root}')
    for name, traits in children.items():
        tree.new_child(name, root, uuid=f'uuid of {name}')
        tree.update_traits(name, traits)
    return tree


def test_the_parents_of_marked_children():
    tree = tree_of(host_mtty_mtty={MARK}, host_pci_0000_84_00_0={MARK, 'CUSTOM_X'})
    assert promises.parents_of(tree) == {
        'uuid of host_mtty_mtty': MTTY,
        'uuid of host_pci_0000_84_00_0': GPU,
    }


@pytest.mark.parametrize(
    'traits', [set(), {'OWNER_NOVA'}, {'CUSTOM_MDEV'}, {'CUSTOM_MDEV_NAME_X'}]
)
def test_a_child_without_a_type_of_ours_is_none(traits):
    assert promises.parents_of(tree_of(host_mtty_mtty=traits)) == {}


def test_the_root_is_no_parent_whatever_its_traits():
    tree = tree_of()
    tree.update_traits('host', {MARK})
    assert promises.parents_of(tree) == {}


def test_a_grandchild_is_no_parent():
    tree = tree_of(host_numa={'CUSTOM_X'})
    tree.new_child('host_mtty_mtty', 'host_numa')
    tree.update_traits('host_mtty_mtty', {MARK})
    assert promises.parents_of(tree) == {}


@pytest.mark.parametrize('roots', [('host', 'host_mtty'), ('host_mtty', 'host')])
def test_a_root_whose_name_begins_like_another(roots):
    # "host_mtty_mtty" is parent "mtty_mtty" of one and could be "mtty" of the other.
    tree = trees.Tree()
    for root in roots:
        tree.new_root(root, f'uuid of {root}')
    tree.new_child('host_mtty_mtty', 'host', uuid='one')
    tree.new_child('host_mtty_mtty_mtty', 'host_mtty', uuid='other')
    for uuid in ('one', 'other'):
        tree.update_traits(uuid, {MARK})
    assert promises.parents_of(tree) == {'one': MTTY, 'other': MTTY}


def test_a_name_that_was_cut_needs_a_parent_that_is_known():
    root = 'h' * 190
    name = names.provider(root, GPU)
    assert len(name) == names.MAX_PROVIDER_NAME
    tree = tree_of(root, **{name: {MARK}})
    assert promises.parents_of(tree) == {}
    assert promises.parents_of(tree, lambda: [MTTY]) == {}
    assert promises.parents_of(tree, lambda: [MTTY, GPU]) == {f'uuid of {name}': GPU}


def test_of_a_large_tree_only_what_is_asked_for_is_looked_at(monkeypatch):
    tree = tree_of(**{f'host_mtty_{n}': {MARK} for n in range(64)})
    asked = []
    data = tree.data
    monkeypatch.setattr(tree, 'data', lambda uuid: asked.append(uuid) or data(uuid))
    wanted = ['uuid of host_mtty_7', 'uuid of nobody']
    found = promises.parents_of(tree, pytest.fail, wanted)
    assert found == {'uuid of host_mtty_7': 'mtty_7'}
    assert asked == wanted[:1]


# What was promised

HERE = {'gpu': GPU, 'mtty': MTTY}


def allocated(**providers):
    """Placement's answer: how many of each class, by provider."""
    return {uuid: {'resources': resources} for uuid, resources in providers.items()}


def asks(parent, resource_class, amount=1):
    return allocation.Request(
        parent=parent, resource_class=resource_class, amount=amount
    )


@pytest.mark.parametrize(
    ('allocations', 'wanted', 'expected'),
    [
        pytest.param({}, {}, (), id='nothing'),
        pytest.param(
            allocated(root={'VCPU': 1, 'MEMORY_MB': 64}), {}, (), id='no device'
        ),
        pytest.param(
            allocated(root={'VCPU': 1}, gpu={'VGPU': 1}),
            {'VGPU': 1},
            (asks(GPU, 'VGPU'),),
            id='one device',
        ),
        pytest.param(
            allocated(gpu={'VGPU': 1, 'CUSTOM_A': 2}, mtty={'VGPU': 1}),
            {'VGPU': 2, 'CUSTOM_A': 2},
            (asks(MTTY, 'VGPU'), asks(GPU, 'CUSTOM_A', 2), asks(GPU, 'VGPU')),
            id='several classes and parents',
        ),
        pytest.param(
            allocated(gpu={'VGPU': 1}, elsewhere={'VGPU': 1, 'CUSTOM_A': 1}),
            {'VGPU': 1},
            (asks(GPU, 'VGPU'),),
            id="another host's, while it moves",
        ),
        pytest.param(
            allocated(gpu={'VGPU': 2}),
            {'VGPU': 1},
            (asks(GPU, 'VGPU', 2),),
            id='more than the flavor asks for: as Placement says',
        ),
        pytest.param(
            allocated(gpu={'CUSTOM_Z': 1}),
            {},
            (asks(GPU, 'CUSTOM_Z'),),
            id='a class that no flavor and no rule names: the engine refuses it',
        ),
    ],
)
def test_what_is_asked_of_the_engine(allocations, wanted, expected):
    assert promises.requests(ME, allocations, HERE, wanted) == tuple(
        sorted(expected, key=lambda r: (r.parent, r.resource_class))
    )


@pytest.mark.parametrize(
    ('allocations', 'wanted', 'missing', 'amount'),
    [
        pytest.param({}, {'VGPU': 1}, 'VGPU', 1, id='nothing'),
        pytest.param(
            allocated(elsewhere={'VGPU': 1}), {'VGPU': 1}, 'VGPU', 1, id='elsewhere'
        ),
        pytest.param(
            allocated(root={'VGPU': 1}), {'VGPU': 1}, 'VGPU', 1, id='on the root'
        ),
        pytest.param(
            allocated(gpu={'VGPU': 1}), {'VGPU': 3}, 'VGPU', 2, id='too few of a class'
        ),
        pytest.param(
            allocated(gpu={'VGPU': 5}),
            {'VGPU': 1, 'CUSTOM_A': 1},
            'CUSTOM_A',
            1,
            id='another class',
        ),
    ],
)
def test_less_than_the_flavor_asks_for(allocations, wanted, missing, amount):
    told = re.escape(f'asks for {amount} more than Placement')
    with pytest.raises(exceptions.RequestError, match=told) as caught:
        promises.requests(ME, allocations, HERE, wanted)
    assert (caught.value.consumer, caught.value.resource_class) == (ME, missing)


@pytest.mark.parametrize(
    'told',
    [
        pytest.param({'gpu': None}, id='nothing'),
        pytest.param({'gpu': {}}, id='no resources'),
        pytest.param(allocated(gpu={'VGPU': '1'}), id='a text'),
        pytest.param(allocated(gpu={'VGPU': True}), id='a truth'),
        pytest.param(allocated(gpu={'VGPU': 0}), id='none'),
        pytest.param(allocated(gpu={'VGPU': -1}), id='less than none'),
    ],
)
def test_an_allocation_that_placement_cannot_have_told(told):
    with pytest.raises(exceptions.InvalidValue, match='provider gpu'):
        promises.requests(ME, told, HERE, {})


def test_nonsense_about_others_is_theirs():
    assert promises.requests(ME, {'elsewhere': None}, HERE, {}) == ()
