# SPDX-License-Identifier: Apache-2.0
"""What is published: the formula line by line, and four kinds of pools."""

from __future__ import annotations

import collections
import dataclasses
import random

import os_traits
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import inventory
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev import record
from nova_generic_mdev.host import sysfs
from tests import pools
from tests.unit import scenes
from tests.unit.scenes import A
from tests.unit.scenes import B
from tests.unit.scenes import Mdev
from tests.unit.scenes import Scene
from tests.unit.scenes import rule


def shown(inventories):
    """(total, reserved) by parent and class; max_unit is always the total."""
    result = {}
    for parent, classes in inventories.items():
        for resource_class, one in classes.items():
            assert one.max_unit == one.total
            result.setdefault(parent.removeprefix('dev_'), {})[resource_class] = (
                one.total,
                one.reserved,
            )
    return result


def totals(inventories):
    """What Placement has after a publication, as it is handed to the next one."""
    return {
        parent: {resource_class: one.total for resource_class, one in classes.items()}
        for parent, classes in inventories.items()
    }


def compute(scene, recorded=None, reuse_found=True):
    return inventory.compute(
        scene.resolution,
        scene.snapshot,
        scene.claims,
        recorded=recorded,
        reuse_found=reuse_found,
    )


HELD = Mdev('p', 't-1', holder=0)
FOUND = Mdev('p', 't-1', origin='found')
FOREIGN = Mdev('p', 't-1', origin=None)
# What a driver without a limit of its own says: the largest number there is.
MOST = model.MAX_COUNT


# One parent with one class: what it has, what Placement had, what it gets.
@pytest.mark.parametrize(
    ('left', 'mdevs', 'rules', 'recorded', 'expected'),
    [
        pytest.param(4, (), {}, 0, (4, 0), id='pristine'),
        pytest.param(4, (), {}, 9, (4, 0), id='pristine-forgets-what-was-recorded'),
        pytest.param(0, (), {}, 0, (1, 1), id='pristine-with-nothing-to-give'),
        pytest.param(3, (HELD,), {}, 4, (4, 0), id='one-is-held'),
        pytest.param(2, (HELD,), {}, 4, (4, 1), id='others-compete-total-stays'),
        pytest.param(0, (HELD,), {}, 4, (4, 3), id='all-else-is-taken'),
        pytest.param(2, (HELD,), {}, 0, (3, 0), id='held-and-never-published'),
        pytest.param(9, (HELD,), {}, 4, (10, 0), id='more-than-was-recorded'),
        pytest.param(MOST, (HELD,), {}, 0, (MOST, 0), id='more-than-can-be-counted'),
        pytest.param(MOST, (FOUND,), {}, MOST, (MOST, 0), id='no-limit-and-one-idle'),
        pytest.param(4, (HELD,), {'drain': True}, 4, (4, 3), id='drains'),
        pytest.param(4, (), {'drain': True}, 4, (1, 1), id='drains-and-is-pristine'),
        pytest.param(3, (FOREIGN,), {'drain': True}, 4, (4, 4), id='drains-unheld'),
        pytest.param(
            3,
            (FOREIGN,),
            {'drain': True, 'max_instances': 2},
            4,
            (2, 2),
            id='drains-and-has-a-limit',
        ),
        pytest.param(3, (FOUND,), {'drain': True}, 4, (4, 4), id='drains-with-idle'),
        pytest.param(None, (), {}, 4, (4, 4), id='unreadable'),
        pytest.param(None, (), {}, 0, None, id='unreadable-and-never-published'),
        pytest.param(None, (HELD,), {}, 0, (1, 0), id='unreadable-held-unpublished'),
        pytest.param(None, (HELD,), {}, 4, (4, 3), id='unreadable-and-held'),
        pytest.param(None, (FOUND,), {}, 4, (4, 4), id='unreadable-with-idle'),
        pytest.param(3, (FOUND,), {}, 4, (4, 0), id='found-is-idle'),
        pytest.param(3, (FOREIGN,), {}, 4, (4, 1), id='foreign-is-gone'),
        pytest.param(
            3,
            (dataclasses.replace(HELD, owner='cli'),),
            {},
            4,
            (4, 1),
            id='claimed-by-the-command-line-is-gone',
        ),
        pytest.param(
            3,
            (dataclasses.replace(HELD, owner='accelerator'),),
            {},
            4,
            (4, 1),
            id='claimed-for-an-accelerator-request-is-gone',
        ),
        pytest.param(
            3,
            (dataclasses.replace(FOUND, holder=0),),
            {},
            4,
            (4, 0),
            id='found-and-held',
        ),
        pytest.param(
            3,
            (Mdev('p', 't-1'),),
            {},
            4,
            (4, 1),
            id='leftover-of-ours-waits-for-its-removal',
        ),
        pytest.param(
            3,
            (Mdev('p', 't-1'),),
            {'on_release': policy.OnRelease.KEEP},
            4,
            (4, 0),
            id='kept-one-of-ours-is-idle',
        ),
        pytest.param(
            4,
            (dataclasses.replace(HELD, live=False),),
            {},
            4,
            (4, 0),
            id='missing-one-keeps-its-place',
        ),
        pytest.param(
            4,
            (dataclasses.replace(HELD, live=False, owner='cli'),),
            {},
            4,
            (4, 1),
            id='missing-one-of-the-command-line-keeps-its-place',
        ),
        pytest.param(
            4,
            (dataclasses.replace(FOUND, live=False),),
            {},
            4,
            (4, 0),
            id='found-one-that-went-is-nothing',
        ),
        pytest.param(
            3,
            (dataclasses.replace(HELD, shown=None),),
            {},
            4,
            (4, 0),
            id='held-one-whose-type-is-not-told',
        ),
        pytest.param(
            3,
            (dataclasses.replace(FOUND, shown=None),),
            {},
            4,
            (4, 1),
            id='idle-one-whose-type-is-not-told-is-not-given',
        ),
        pytest.param(4, (), {'max_instances': 2}, 0, (2, 0), id='limit-of-the-host'),
        pytest.param(
            4, (), {'max_instances_per_device': 2}, 0, (2, 0), id='limit-per-device'
        ),
        pytest.param(4, (), {'max_instances': 9}, 0, (4, 0), id='limit-above-it-all'),
        pytest.param(
            1,
            (HELD, HELD, HELD),
            {'max_instances': 2},
            4,
            (3, 0),
            id='limit-below-what-is-held',
        ),
        pytest.param(
            0, (HELD,), {'max_instances': 2}, 16, (2, 1), id='limit-bounds-the-recorded'
        ),
        pytest.param(
            3, (FOREIGN,), {'max_instances': 2}, 2, (2, 1), id='foreign-uses-the-limit'
        ),
        pytest.param(
            3,
            (dataclasses.replace(HELD, shown=None),),
            {'max_instances': 1},
            1,
            (1, 0),
            id='one-whose-type-is-not-told-uses-the-limit',
        ),
        pytest.param(
            4,
            (dataclasses.replace(HELD, live=False),),
            {'max_instances': 1},
            1,
            (1, 0),
            id='missing-one-uses-the-limit',
        ),
        pytest.param(
            2,
            (FOUND, FOUND),
            {'max_instances': 1},
            4,
            (2, 0),
            id='idle-ones-above-the-limit-are-not-capped',
        ),
    ],
)
def test_one_class_of_one_parent(left, mdevs, rules, recorded, expected):
    scene = Scene(parents={'p': {'t-1': left}}, mdevs=mdevs, rules=(rule(**rules),))
    had = {'dev_p': {A: recorded}} if recorded else {}
    now = shown(compute(scene, had))
    assert now == ({'p': {A: expected}} if expected else {})


def test_found_ones_are_gone_where_they_are_not_reused():
    scene = Scene(parents={'p': {'t-1': 3}}, mdevs=(FOUND,))
    had = {'dev_p': {A: 4}}
    assert shown(compute(scene, had, reuse_found=False)) == {'p': {A: (4, 1)}}


@pytest.mark.parametrize(
    ('scene', 'recorded', 'expected'),
    [
        pytest.param(
            Scene(parents={'p': {'t-1': 3}}, mdevs=(HELD,), rules=()),
            {'dev_p': {A: 4}},
            {'p': {A: (4, 3)}},
            id='class-no-longer-configured-in-use',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 3}}, mdevs=(HELD,), rules=(rule('t-1', B),)),
            {'dev_p': {A: 4}},
            {'p': {A: (4, 3), B: (3, 0)}},
            id='type-has-another-class-now',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 3}}, rules=()),
            {'dev_p': {A: 4}},
            {},
            id='class-no-longer-configured-not-in-use',
        ),
        pytest.param(
            Scene(parents={}, mdevs=(HELD,)),
            {'dev_p': {A: 4}},
            {'p': {A: (4, 3)}},
            id='parent-is-absent-and-in-use',
        ),
        pytest.param(
            Scene(parents={}, mdevs=(HELD,)),
            {},
            {'p': {A: (1, 0)}},
            id='parent-is-absent-in-use-and-unpublished',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 4}, 'q': {'t-1': 4}},
                rules=(rule(max_instances=3),),
            ),
            {},
            {'p': {A: (3, 0)}, 'q': {A: (1, 1)}},
            id='limit-goes-round-in-the-order-of-names',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 4}, 'q': {'t-1': 3}},
                mdevs=(Mdev('q', 't-1', holder=0),),
                rules=(rule(max_instances=3),),
            ),
            {},
            {'p': {A: (1, 1)}, 'q': {A: (3, 0)}},
            id='limit-goes-to-parents-in-use-first',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 4}, 'q': {'t-1': 4}, 'r': {'t-1': 4}},
                rules=(rule(max_instances_per_device=5),),
                devices={'q': 'dev_p'},
            ),
            {},
            {'p': {A: (4, 0)}, 'q': {A: (1, 0)}, 'r': {A: (4, 0)}},
            id='limit-per-device-counts-its-functions-together',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 0}, 'q': {'t-1': 0}},
                mdevs=(Mdev('q', 't-1', holder=0),),
                devices={'p': 'dev_pf', 'q': 'dev_pf'},
            ),
            {'dev_p': {A: 1}, 'dev_q': {A: 1}},
            {'p': {A: (1, 1)}, 'q': {A: (1, 0)}},
            id='function-of-a-card-in-use-is-not-pristine',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 0}, 'q': {'t-1': 0}},
                mdevs=(Mdev('q', 't-1', origin=None, shown=None),),
            ),
            {'dev_p': {A: 4}, 'dev_q': {A: 4}},
            {'p': {A: (1, 1)}, 'q': {A: (4, 4)}},
            id='what-is-on-another-device-does-not-matter',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 4, 't-2': 2}}, rules=(rule(), rule('t-2', B))),
            {},
            {'p': {A: (4, 0), B: (2, 0)}},
            id='two-classes-on-a-parent',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 3, 't-2': 2}},
                mdevs=(HELD,),
                rules=(rule(drain=True), rule('t-2')),
            ),
            {},
            {'p': {A: (3, 0)}},
            id='old-type-of-the-class-drains-beside-the-new-one',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': None, 't-2': 2}},
                mdevs=(HELD,),
                rules=(rule(drain=True), rule('t-2')),
            ),
            {},
            {'p': {A: (3, 0)}},
            id='unreadable-type-that-drains-hides-nothing',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 2, 't-2': 2}},
                mdevs=(Mdev('p', 't-2', origin='found'),),
            ),
            {},
            {'p': {A: (2, 0)}},
            id='idle-one-of-another-type-is-not-ours-to-give',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 2}, 'q': {'t-1': 1}, 'r': {'t-1': 2}},
                devices={'p': 'dev_f', 'q': 'dev_f'},
                mdevs=(Mdev('q', 't-1', holder=0),),
            ),
            {'dev_p': {A: 4}, 'dev_q': {A: 4}, 'dev_r': {A: 4}},
            {'p': {A: (4, 2)}, 'q': {A: (4, 2)}, 'r': {A: (2, 0)}},
            id='an-mdev-touches-all-functions-of-its-device',
        ),
    ],
)
def test_several_of_them(scene, recorded, expected):
    assert shown(compute(scene, recorded)) == expected


def test_an_absent_parent_in_use_does_not_touch_a_device_that_is_there():
    scene = Scene(parents={'q': {'t-1': 2}}, mdevs=(HELD,))
    assert shown(compute(scene, {'dev_q': {A: 9}}))['q'] == {A: (2, 0)}


@pytest.mark.parametrize(
    'fields',
    [
        pytest.param({'total': 0, 'reserved': 0, 'max_unit': 1}, id='total-0'),
        pytest.param(
            {'total': 1, 'reserved': 2, 'max_unit': 1}, id='too-much-reserved'
        ),
        pytest.param({'total': 1, 'reserved': -1, 'max_unit': 1}, id='negative'),
        pytest.param({'total': 1, 'reserved': 0, 'max_unit': 0}, id='max-unit-0'),
        pytest.param(
            {'total': 1, 'reserved': 0, 'max_unit': 2**31}, id='max-unit-huge'
        ),
    ],
)
def test_an_inventory_that_placement_would_refuse(fields):
    with pytest.raises(exceptions.InvalidValue):
        inventory.Inventory(**fields)


# Pools, as their drivers run out, all types enabled with a class each


class Walk:
    """A host that is used up, published after each step as Placement has it."""

    def __init__(self, host, look) -> None:
        self.host = host
        self._look = look
        self._claims: dict[str, record.Claim] = {}
        self._known: dict[str, record.MdevRecord] = {}
        self._recorded: dict[str, dict[str, int]] = {}
        types = {t for p in host.snapshot().parents.values() for t in p.types}
        self._rules = tuple(
            rule(t, names.resource_class(t.replace('-', '_'))) for t in sorted(types)
        )
        self.type_of = {r.resource_class: r.mdev_type for r in self._rules}

    def take(self, parent: str, mdev_type: str) -> str:
        number = len(self._known)
        uuid = scenes.UUIDS[number]
        self.host.create(uuid, parent, mdev_type)
        self._known[uuid] = record.MdevRecord(
            uuid=uuid,
            parent=parent,
            mdev_type=mdev_type,
            origin=record.Origin.CREATED,
        )
        self._claims[uuid] = record.Claim(
            uuid=uuid,
            consumer=scenes.CONSUMERS[number],
            resource_class=next(c for c, t in self.type_of.items() if t == mdev_type),
        )
        return uuid

    def give_back(self) -> None:
        for uuid in self._claims:
            self.host.remove(uuid)
        self._claims = {}

    def publish(self) -> dict[str, dict[str, tuple[int, int]]]:
        """(total, reserved) by parent and mdev type."""
        snapshot = self._look(self.host)
        known = {u: m for u, m in self._known.items() if u in self._claims}
        resolution = policy.resolve(
            policy.Policy(rules=self._rules), snapshot.parents.values()
        )
        now = inventory.compute(
            resolution,
            snapshot,
            record.Claims(mdevs=known, claims=self._claims),
            recorded=self._recorded,
        )
        self._recorded = totals(now)
        return {
            parent: {self.type_of[c]: pair for c, pair in classes.items()}
            for parent, classes in shown(now).items()
        }


@pytest.fixture(params=['fake-host', 'written-tree'])
def look(request, tmp_path_factory):
    if request.param == 'fake-host':
        return lambda host: host.snapshot()

    def read(host):
        root = tmp_path_factory.mktemp('sys')
        fixture.write_sysfs(host, root)
        return sysfs.SysfsReader(root).snapshot()

    return read


def at_least_one(left):
    return {
        parent: {t: (max(1, n), 0 if n else 1) for t, n in counts.items()}
        for parent, counts in left.items()
    }


@pytest.mark.parametrize(
    'row', [pytest.param(row, id=row.id) for row in pools.POOL_SEQUENCES]
)
def test_what_can_be_used_is_exact_and_totals_stay(row, look):
    walk = Walk(getattr(fixture, row.host)(**row.arguments), look)
    start = walk.publish()
    assert start == at_least_one(row.start)
    held: collections.Counter[tuple[str, str]] = collections.Counter()
    for step in row.steps:
        for _ in range(step.times):
            walk.take(step.parent, step.mdev_type)
            held[step.parent, step.mdev_type] += 1
        now = walk.publish()
        for parent, types in now.items():
            for mdev_type, (total, reserved) in types.items():
                usable = held[parent, mdev_type] + step.left[parent][mdev_type]
                assert total - reserved == usable
                # More can be usable than at the start: an mdev per function of
                # a card, each promised once more elsewhere.
                assert total == max(start[parent][mdev_type][0], usable)
    walk.give_back()
    assert walk.publish() == start


# The tables of the documentation, with their very numbers.


def test_independent_types_reserve_nothing(look):
    types = {'x-1': model.MdevType(id='x-1', available_instances=None)}
    parent = model.Parent(name='x_x', sysname='x', subsystem='x', types=types)
    pool = fixture.Independent(counts={'x-1': 4})
    walk = Walk(fixture.FakeHost(fixture.Device(pool=pool, parents=(parent,))), look)
    for _ in range(4):
        assert walk.publish()['x_x'] == {'x-1': (4, 0)}
        walk.take('x_x', 'x-1')
    assert walk.publish()['x_x'] == {'x-1': (4, 0)}


def test_shared_ports_show_as_reserved(look):
    walk = Walk(fixture.mtty(), look)
    assert walk.publish()['mtty_mtty'] == {'mtty-1': (24, 0), 'mtty-2': (12, 0)}
    walk.take('mtty_mtty', 'mtty-2')
    assert walk.publish()['mtty_mtty'] == {'mtty-1': (24, 2), 'mtty-2': (12, 0)}
    walk.take('mtty_mtty', 'mtty-1')
    assert walk.publish()['mtty_mtty'] == {'mtty-1': (24, 2), 'mtty-2': (12, 1)}


def test_homogeneous_types_are_reserved_whole(look):
    walk = Walk(fixture.pci_gpus(n=1), look)
    gpu = 'pci_0000_84_00_0'
    pristine = {'nvidia-11': (16, 0), 'nvidia-18': (4, 0), 'nvidia-22': (1, 0)}
    assert walk.publish()[gpu] == pristine
    walk.take(gpu, 'nvidia-11')
    assert walk.publish()[gpu] == {
        'nvidia-11': (16, 0),
        'nvidia-18': (4, 4),
        'nvidia-22': (1, 1),
    }
    walk.give_back()
    assert walk.publish()[gpu] == pristine


def test_functions_of_a_full_card_are_reserved_together(look):
    walk = Walk(fixture.sriov_card(vfs=4, capacity=2), look)
    functions = [f'pci_0000_41_00_{n}' for n in range(4, 8)]

    def of_the_smaller_type():
        now = walk.publish()
        return [now[f]['nvidia-558'] for f in functions]

    assert of_the_smaller_type() == [(1, 0)] * 4
    walk.take(functions[0], 'nvidia-558')
    assert of_the_smaller_type() == [(1, 0)] * 4
    walk.take(functions[1], 'nvidia-558')
    assert of_the_smaller_type() == [(1, 0), (1, 0), (1, 1), (1, 1)]


# For all hosts

RECORDED = st.dictionaries(
    st.sampled_from(['dev_p', 'dev_q', 'dev_r', 'dev_s']),
    st.dictionaries(st.sampled_from([A, B]), st.integers(1, 20)),
)


@given(scene=scenes.scenes(), recorded=RECORDED, reuse_found=st.booleans())
def test_the_formula_holds_for_any_host(scene, recorded, reuse_found):
    now = compute(scene, recorded, reuse_found)
    holdings = inventory.holdings(scene.claims)
    for key, by_consumer in holdings.items():
        parent, resource_class = key
        one = now[parent][resource_class]
        assert one.usable >= sum(by_consumer.values())
        assert one.max_unit >= max(by_consumer.values())
    for parent, classes in now.items():
        for resource_class, one in classes.items():
            assert one.usable == one.total - one.reserved
            assert 0 <= one.reserved <= one.total
            assert one.total >= 1
            serving = scene.resolution.rule(parent, resource_class)
            if serving is not None and serving.limit is not None:
                assert one.total <= max(serving.limit, one.usable, 1)


@given(scene=scenes.scenes(), recorded=RECORDED, reuse_found=st.booleans())
def test_of_a_drained_parent_nothing_is_free(scene, recorded, reuse_found):
    now = compute(scene, recorded, reuse_found)
    holdings = inventory.holdings(scene.claims)
    for parent in scene.claims.drained & now.keys():
        for resource_class, one in now[parent].items():
            mine = holdings.get((parent, resource_class), collections.Counter())
            assert one.usable == mine.total()


@given(scene=scenes.scenes(), recorded=RECORDED)
def test_draining_takes_nothing_from_other_parents(scene, recorded):
    before = compute(dataclasses.replace(scene, drained=()), recorded)
    now = compute(scene, recorded)
    assert now.keys() == before.keys()
    for parent in now.keys() - scene.claims.drained:
        assert now[parent].keys() == before[parent].keys()
        for resource_class, one in now[parent].items():
            assert one.usable >= before[parent][resource_class].usable


@given(scene=scenes.scenes(), recorded=RECORDED, reuse_found=st.booleans())
def test_publishing_twice_changes_nothing(scene, recorded, reuse_found):
    first = compute(scene, recorded, reuse_found)
    assert compute(scene, totals(first), reuse_found) == first


def shuffled(scene, seed):
    """The same host, listed in another order."""

    def mixed(values):
        items = list(values.items())
        random.Random(seed).shuffle(items)  # noqa: S311
        return dict(items)

    look, known = scene.snapshot, scene.claims
    return (
        dataclasses.replace(look, parents=mixed(look.parents), mdevs=mixed(look.mdevs)),
        record.Claims(mdevs=mixed(known.mdevs), claims=mixed(known.claims)),
    )


@given(scene=scenes.scenes(), seed=st.integers())
def test_the_order_of_what_is_listed_decides_nothing(scene, seed):
    snapshot, claims = shuffled(scene, seed)
    rules = list(scene.resolution.rules.items())
    random.Random(seed).shuffle(rules)  # noqa: S311
    resolution = dataclasses.replace(scene.resolution, rules=dict(rules))
    again = inventory.compute(resolution, snapshot, claims)
    assert again == compute(scene)
    assert list(again) == sorted(again)


# Traits


def test_the_traits_of_a_parent():
    kind = model.MdevType(
        id='nvidia-11', available_instances=4, name='GRID M60-0B', device_api='vfio-pci'
    )
    parent = model.Parent(
        name='pci_0000_84_00_0',
        sysname='0000:84:00.0',
        subsystem='pci',
        types={
            'nvidia-11': kind,
            'nvidia-12': dataclasses.replace(kind, id='nvidia-12'),
        },
    )
    ours = rule('nvidia-11', traits=('CUSTOM_FAST', 'HW_GPU_API_VULKAN', 'HW_NONSENSE'))
    snapshot = model.HostSnapshot(parents={parent.name: parent})
    resolution = policy.resolve(policy.Policy(rules=(ours,)), [parent])
    owner = {os_traits.OWNER_NOVA} if hasattr(os_traits, 'OWNER_NOVA') else set()
    assert inventory.traits(resolution, snapshot, record.Claims()) == {
        'pci_0000_84_00_0': {
            'CUSTOM_MDEV_TYPE_NVIDIA_11',
            'CUSTOM_MDEV_NAME_GRID_M60_0B',
            'CUSTOM_MDEV_API_VFIO_PCI',
            'CUSTOM_FAST',
            'HW_GPU_API_VULKAN',
            *owner,
        }
    }


@pytest.mark.parametrize(
    'parents',
    [
        pytest.param({'p': {'t-1': 3}}, id='no-longer-configured'),
        pytest.param({}, id='absent'),
    ],
)
def test_a_type_in_use_keeps_its_trait(parents):
    scene = Scene(parents=parents, mdevs=(HELD,), rules=())
    found = inventory.traits(scene.resolution, scene.snapshot, scene.claims)
    assert 'CUSTOM_MDEV_TYPE_T_1' in found['dev_p']


def test_an_accelerators_is_no_trait_of_the_provider():
    held = dataclasses.replace(HELD, owner='accelerator')
    scene = Scene(parents={'p': {'t-1': 1}}, mdevs=(held,), rules=())
    assert inventory.traits(scene.resolution, scene.snapshot, scene.claims) == {}


def test_a_type_that_tells_neither_name_nor_interface():
    kind = model.MdevType(id='t-1', available_instances=1, device_api=None)
    parent = model.Parent(
        name='dev_p', sysname='p', subsystem='dev', types={'t-1': kind}
    )
    snapshot = model.HostSnapshot(parents={'dev_p': parent})
    resolution = policy.resolve(policy.Policy(rules=(rule(),)), [parent])
    found = inventory.traits(resolution, snapshot, record.Claims())
    custom = {trait for trait in found['dev_p'] if trait.startswith('CUSTOM_')}
    assert custom == {'CUSTOM_MDEV_TYPE_T_1'}


def test_each_class_of_each_consumer_is_counted():
    scene = Scene(
        parents={'p': {'t-1': 4}},
        mdevs=(
            HELD,
            HELD,
            dataclasses.replace(HELD, holder=1),
            dataclasses.replace(HELD, resource_class=B),
            dataclasses.replace(HELD, owner='cli'),
        ),
    )
    zero, one = scenes.CONSUMERS[:2]
    assert inventory.holdings(scene.claims) == {
        ('dev_p', A): {zero: 2, one: 1},
        ('dev_p', B): {zero: 1},
    }
