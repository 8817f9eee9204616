# SPDX-License-Identifier: Apache-2.0
import copy
import dataclasses

import hypothesis
import pytest
from hypothesis import strategies as st

from nova_generic_mdev import exceptions
from nova_generic_mdev import inventory
from nova_generic_mdev import names
from nova_generic_mdev import providers

ROOT = 'compute-1'
GPU = 'pci_0000_84_00_0'
GPU_PROVIDER = f'{ROOT}_{GPU}'
T590 = names.type_trait('nvidia-590')
NOBODY = frozenset()


def inv(total=4, reserved=0, max_unit=None):
    return inventory.Inventory(
        total=total, reserved=reserved, max_unit=max_unit or total
    )


def root(**fields):
    told = {
        'name': ROOT,
        'uuid': 'uuid-of-root',
        'generation': 3,
        'parent': None,
        'inventories': {'VCPU': {'total': 8}},
    }
    return providers.Current(**(told | fields))


def placed(inventories, **fields):
    told = {
        'name': GPU_PROVIDER,
        'uuid': 'uuid-of-gpu',
        'generation': 7,
        'parent': 'uuid-of-root',
        'inventories': {
            c: i if isinstance(i, dict) else providers.to_placement(i)
            for c, i in inventories.items()
        },
        'traits': frozenset({T590}),
        'allocated': NOBODY,
    }
    return providers.Current(**(told | fields))


def wanted(inventories, traits=(T590,)):
    return providers.desired(ROOT, {GPU: inventories}, {GPU: frozenset(traits)})


def steps(desired, *current, published=None):
    return providers.diff(ROOT, desired, [root(), *current], published or {})


CREATE = providers.CreateProvider(provider=GPU_PROVIDER, root=ROOT)
DELETE = providers.DeleteProvider(provider=GPU_PROVIDER)


def traits(*names_):
    return providers.SetTraits(provider=GPU_PROVIDER, traits=frozenset(names_))


def inventories(**by_class):
    return providers.SetInventories(provider=GPU_PROVIDER, inventories=by_class)


def drop(resource_class):
    return providers.DropClass(provider=GPU_PROVIDER, resource_class=resource_class)


# What is desired ---------------------------------------------------------


def test_one_provider_a_parent_named_as_nova_names_it():
    found = providers.desired(
        ROOT,
        {'mtty_mtty': {'CUSTOM_MTTY': inv(24)}, GPU: {'VGPU': inv(4)}},
        {GPU: frozenset({T590})},
    )
    assert dict(found) == {
        f'{ROOT}_mtty_mtty': providers.Provider(
            name=f'{ROOT}_mtty_mtty',
            parent='mtty_mtty',
            inventories={'CUSTOM_MTTY': inv(24)},
            traits=frozenset(),
        ),
        GPU_PROVIDER: providers.Provider(
            name=GPU_PROVIDER,
            parent=GPU,
            inventories={'VGPU': inv(4)},
            traits=frozenset({T590}),
        ),
    }


def test_a_parent_that_offers_nothing_has_no_provider():
    assert not wanted({})


def test_two_parents_with_the_same_provider():
    both = {'Foo_x': {'VGPU': inv()}, 'foo_x': {'VGPU': inv()}}
    with pytest.raises(exceptions.InvalidName, match='Foo_x'):
        providers.desired(ROOT, both, {})


# Placement's shapes ------------------------------------------------------


def test_an_inventory_as_placement_takes_it():
    assert providers.to_placement(inv(12, 4, 8)) == {
        'total': 12,
        'reserved': 4,
        'min_unit': 1,
        'max_unit': 8,
        'step_size': 1,
        'allocation_ratio': 1.0,
    }


@pytest.mark.parametrize(
    ('told', 'expected'),
    [
        pytest.param({'total': 8}, inv(8, 0, 2**31 - 1), id='only what must be'),
        pytest.param(
            {
                'total': 8,
                'reserved': 8,
                'max_unit': 2,
                'min_unit': 2,
                'step_size': 2,
                'allocation_ratio': 16.0,
            },
            inv(8, 8, 2),
            id='another made it',
        ),
    ],
)
def test_an_inventory_that_placement_has(told, expected):
    assert providers.from_placement(told) == expected


# Steps -------------------------------------------------------------------


@pytest.mark.parametrize(
    ('desired', 'current', 'published', 'changes'),
    [
        pytest.param(
            wanted({'VGPU': inv()}),
            [],
            (),
            (CREATE, traits(T590), inventories(VGPU=inv())),
            id='a new parent: its traits before its inventory',
        ),
        pytest.param(
            wanted({'VGPU': inv()}, traits=()),
            [],
            (),
            (CREATE, inventories(VGPU=inv())),
            id='a new parent without traits',
        ),
        pytest.param(
            wanted({'VGPU': inv()}),
            [placed({'VGPU': inv()})],
            (),
            (),
            id='all as it should be',
        ),
        pytest.param(
            wanted({'VGPU': inv()}),
            [placed({'VGPU': {**providers.to_placement(inv()), 'future': 1}})],
            (),
            (),
            id='all as it should be, whatever else Placement says',
        ),
        pytest.param(
            wanted({'VGPU': inv(8)}),
            [placed({'VGPU': {'total': 8}}, traits=NOBODY)],
            (),
            (traits(T590), inventories(VGPU=inv(8))),
            id='what the in-tree driver left is taken over',
        ),
        pytest.param(
            wanted({'VGPU': inv(4, 1)}),
            [placed({'VGPU': inv(4)})],
            (),
            (inventories(VGPU=inv(4, 1)),),
            id='one more is reserved',
        ),
        pytest.param(
            wanted({'VGPU': inv(), 'CUSTOM_X': inv(2)}),
            [placed({'VGPU': inv()})],
            (),
            (inventories(VGPU=inv(), CUSTOM_X=inv(2)),),
            id='a class more: all that stands is told',
        ),
        pytest.param(
            wanted({'CUSTOM_X': inv(2)}),
            [placed({'VGPU': inv(), 'CUSTOM_X': inv(2)})],
            (),
            (drop('VGPU'),),
            id='a class less, of which nothing is allocated',
        ),
        pytest.param(
            wanted({'CUSTOM_X': inv(2)}),
            [placed({'VGPU': inv()})],
            (),
            (inventories(VGPU=inv(), CUSTOM_X=inv(2)), drop('VGPU')),
            id='another class: the new one first',
        ),
        pytest.param(
            wanted({'CUSTOM_X': inv(2)}),
            [placed({'VGPU': inv(4, 1, 2)}, allocated=frozenset({'VGPU'}))],
            (),
            (inventories(VGPU=inv(4, 4, 2), CUSTOM_X=inv(2)),),
            id='a class less, in use: nothing free',
        ),
        pytest.param(
            wanted({'CUSTOM_X': inv(2)}),
            [placed({'VGPU': inv(), 'CUSTOM_X': inv(2)}, allocated=None)],
            (),
            (inventories(VGPU=inv(4, 4), CUSTOM_X=inv(2)),),
            id='a class less, nobody asked Placement: nothing free',
        ),
        pytest.param(
            wanted({'CUSTOM_X': inv(2)}),
            [
                placed(
                    {'VGPU': inv(4, 4), 'CUSTOM_X': inv(2)},
                    allocated=frozenset({'VGPU'}),
                )
            ],
            (),
            (),
            id='a class less, still in use: nothing to do again',
        ),
        pytest.param(
            {},
            [placed({'VGPU': inv(), 'CUSTOM_X': inv(2)})],
            (T590,),
            (drop('CUSTOM_X'), drop('VGPU')),
            id='a parent less: first its classes, its traits say it is ours',
        ),
        pytest.param({}, [placed({})], (), (DELETE,), id='and then the provider'),
        pytest.param(
            {}, [placed({}, allocated=None)], (), (), id='but not if nobody asked'
        ),
        pytest.param(
            {},
            [placed({}, allocated=frozenset({'CUSTOM_X'}))],
            (),
            (),
            id='nor if anything is allocated',
        ),
        pytest.param(
            {},
            [
                placed({}),
                placed({}, name='x', uuid='x', parent='uuid-of-gpu', traits=NOBODY),
            ],
            (),
            (),
            id='nor if someone put another below it',
        ),
        pytest.param(
            {},
            [placed({'VGPU': inv()}, allocated=frozenset({'VGPU'}))],
            (),
            (inventories(VGPU=inv(4, 4)),),
            id='a parent less, in use: nothing free',
        ),
        pytest.param(
            {},
            [placed({'VGPU': inv()}, traits=frozenset({'CUSTOM_MDEV'}))],
            (),
            (),
            id='not ours: it has none of our traits',
        ),
        pytest.param(
            {},
            [placed({'VGPU': inv()}, parent='uuid-of-another')],
            (),
            (),
            id='not ours: it is not below our root',
        ),
        pytest.param(
            {},
            [placed({'VGPU': inv()}, parent=None)],
            (),
            (),
            id='not ours: it is a root itself',
        ),
        pytest.param(
            wanted({'VGPU': inv()}),
            [placed({'VGPU': inv()}, traits=frozenset({T590, 'CUSTOM_GOLD'}))],
            (T590,),
            (),
            id="the operator's own trait is left alone",
        ),
        pytest.param(
            wanted({'VGPU': inv()}),
            [
                placed(
                    {'VGPU': inv()}, traits=frozenset({T590, 'CUSTOM_OLD', 'CUSTOM_A'})
                )
            ],
            (T590, 'CUSTOM_OLD'),
            (traits(T590, 'CUSTOM_A'),),
            id='what we published and do not want any more is taken back',
        ),
        pytest.param(
            wanted({'VGPU': inv()}),
            [placed({'VGPU': inv()})],
            (T590, 'CUSTOM_OLD'),
            (),
            id='what we published is gone already',
        ),
        pytest.param(
            wanted({'VGPU': inv()}),
            [
                placed(
                    {'VGPU': providers.to_placement(inv()) | {'allocation_ratio': 16.0}}
                )
            ],
            (),
            (inventories(VGPU=inv()),),
            id='someone overcommits it: a device is one device',
        ),
    ],
)
def test_steps(desired, current, published, changes):
    recorded = {GPU_PROVIDER: frozenset(published)}
    assert steps(desired, *current, published=recorded) == changes


def test_without_a_root_nothing_can_be_below_it():
    with pytest.raises(exceptions.InvalidValue, match='root provider'):
        providers.diff(ROOT, {}, [placed({})], {})


def test_a_name_of_ours_that_is_somewhere_else():
    with pytest.raises(exceptions.InvalidValue, match=GPU_PROVIDER):
        steps(wanted({'VGPU': inv()}), placed({}, parent='uuid-of-another'))


# All trees ---------------------------------------------------------------

CLASSES = st.sampled_from(['VGPU', 'CUSTOM_A', 'CUSTOM_B'])
TRAITS = st.frozensets(st.sampled_from([T590, 'CUSTOM_A', 'CUSTOM_B', 'CUSTOM_C']))
PARENTS = st.sampled_from([GPU, 'mtty_mtty', 'css_0_0_0023'])


@st.composite
def some_inventory(draw):
    total = draw(st.integers(1, 16))
    return inv(total, draw(st.integers(0, total)), draw(st.integers(1, 20)))


@st.composite
def some_desired(draw):
    by_parent = draw(
        st.dictionaries(PARENTS, st.dictionaries(CLASSES, some_inventory()))
    )
    return providers.desired(ROOT, by_parent, {p: draw(TRAITS) for p in by_parent})


@st.composite
def some_tree(draw):
    parents = draw(st.sets(PARENTS))
    return [
        root(),
        *(
            placed(
                draw(st.dictionaries(CLASSES, some_inventory())),
                name=f'{ROOT}_{parent}',
                uuid=f'uuid-of-{parent}',
                traits=draw(TRAITS),
                allocated=draw(st.none() | st.frozensets(CLASSES)),
            )
            for parent in sorted(parents)
        ),
    ]


def apply(tree, changes):
    """Placement, in short: refuses what it refuses, in the order of the steps."""
    after = {p.name: p for p in tree}
    for change in changes:
        now = after.get(change.provider)
        match change:
            case providers.CreateProvider():
                assert now is None
                above = after[change.root].uuid
                new = placed({}, name=change.provider, uuid='new', parent=above)
                after[change.provider] = dataclasses.replace(new, traits=NOBODY)
            case providers.SetTraits():
                after[change.provider] = dataclasses.replace(now, traits=change.traits)
            case providers.SetInventories():
                assert not now.inventories.keys() - change.inventories.keys()
                told = {
                    c: providers.to_placement(i) for c, i in change.inventories.items()
                }
                after[change.provider] = dataclasses.replace(now, inventories=told)
            case providers.DropClass():
                assert change.resource_class not in now.allocated
                told = dict(now.inventories)
                del told[change.resource_class]
                after[change.provider] = dataclasses.replace(now, inventories=told)
            case providers.DeleteProvider():
                assert not now.inventories
                assert not now.allocated
                del after[change.provider]
    return list(after.values())


@hypothesis.given(some_desired(), some_tree(), st.dictionaries(PARENTS, TRAITS))
def test_the_steps_lead_to_what_is_desired(desired, tree, published):
    recorded = {f'{ROOT}_{parent}': told for parent, told in published.items()}
    before = {p.name: p for p in tree}
    after = {
        p.name: p for p in apply(tree, providers.diff(ROOT, desired, tree, recorded))
    }
    assert after[ROOT] == before[ROOT]
    for name, provider in desired.items():
        has = {
            c: providers.from_placement(i) for c, i in after[name].inventories.items()
        }
        assert provider.inventories.items() <= has.items()
        assert provider.traits <= after[name].traits
        for resource_class in has.keys() - provider.inventories.keys():
            assert has[resource_class].usable == 0
            allocated = before[name].allocated
            assert allocated is None or resource_class in allocated
    for name in before.keys() - after.keys():
        assert not before[name].inventories


@hypothesis.given(some_desired(), some_tree())
def test_once_there_nothing_is_left_to_do(desired, tree):
    # One update for the classes, one for the providers.
    for _ in range(2):
        tree = apply(tree, providers.diff(ROOT, desired, tree, {}))
    assert providers.diff(ROOT, desired, tree, {}) == ()


@hypothesis.given(some_desired(), some_tree())
def test_what_others_published_stays(desired, tree):
    after = {p.name: p for p in apply(tree, providers.diff(ROOT, desired, tree, {}))}
    for provider in tree:
        if provider.name in after:
            assert provider.traits <= after[provider.name].traits


@hypothesis.given(some_desired(), some_tree())
def test_the_same_whatever_the_order(desired, tree):
    told = providers.diff(ROOT, desired, tree, {})
    backwards = dict(reversed(desired.items()))
    assert providers.diff(ROOT, backwards, reversed(tree), {}) == told


# Reshape -----------------------------------------------------------------


def allocation(**by_provider):
    return {
        'allocations': {
            uuid: {'resources': resources} for uuid, resources in by_provider.items()
        },
        'project_id': 'p',
        'user_id': 'u',
        'consumer_generation': 1,
    }


@pytest.mark.parametrize(
    ('before', 'held', 'after'),
    [
        pytest.param(
            allocation(root={'VGPU': 1, 'VCPU': 2}),
            {'gpu0': 1},
            allocation(root={'VCPU': 2}, gpu0={'VGPU': 1}),
            id='one mdev',
        ),
        pytest.param(
            allocation(root={'VGPU': 3}),
            {'gpu0': 2, 'gpu1': 1, 'gpu2': 0},
            allocation(gpu0={'VGPU': 2}, gpu1={'VGPU': 1}),
            id='on two cards, and nothing else on the root',
        ),
        pytest.param(
            allocation(root={'VGPU': 1}, gpu0={'VGPU': 1, 'CUSTOM_X': 1}),
            {'gpu0': 1},
            allocation(gpu0={'VGPU': 2, 'CUSTOM_X': 1}),
            id='some are there already',
        ),
        pytest.param(
            allocation(root={'VCPU': 1}), {}, allocation(root={'VCPU': 1}), id='none'
        ),
        pytest.param(
            allocation(other={'VGPU': 1}),
            {},
            allocation(other={'VGPU': 1}),
            id="another host's",
        ),
    ],
)
def test_reshape(before, held, after):
    given_ = {'consumer': before, 'other': allocation(root={'VCPU': 1})}
    untouched = copy.deepcopy(given_)
    moved = providers.reshape(given_, 'root', {'consumer': held})
    assert moved == {'consumer': after, 'other': allocation(root={'VCPU': 1})}
    assert given_ == untouched


@pytest.mark.parametrize(
    'holdings',
    [
        pytest.param({}, id='nothing is known of it'),
        pytest.param({'c1': {'gpu0': 1}}, id='one of two is known'),
        pytest.param({'c1': {'gpu0': 3}}, id='more than allocated'),
        pytest.param({'c2': {'gpu0': 2}}, id='only of another consumer'),
    ],
)
def test_a_consumer_whose_device_is_unknown(holdings):
    with pytest.raises(exceptions.RequestError) as caught:
        providers.reshape({'c1': allocation(root={'VGPU': 2})}, 'root', holdings)
    assert caught.value.consumer == 'c1'
    assert caught.value.resource_class == 'VGPU'
