# SPDX-License-Identifier: Apache-2.0
"""From a request to steps, whole or not at all."""

from __future__ import annotations

import collections
import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_generic_mdev import allocation
from nova_generic_mdev import capacity
from nova_generic_mdev import exceptions
from nova_generic_mdev import inventory
from nova_generic_mdev import policy
from nova_generic_mdev import record
from tests.unit import scenes
from tests.unit.scenes import A
from tests.unit.scenes import B
from tests.unit.scenes import Mdev
from tests.unit.scenes import Scene
from tests.unit.scenes import rule

ME, OTHER = 0, 1
ACCELERATOR = record.Owner.ACCELERATOR
KEEP = policy.OnRelease.KEEP
HELD = Mdev('p', 't-1', holder=ME)
FOUND = Mdev('p', 't-1', origin='found')


def request(parent='p', resource_class=A, amount=1):
    return allocation.Request(
        parent=f'dev_{parent}', resource_class=resource_class, amount=amount
    )


def plan(scene, *requests, **more):
    return allocation.plan(
        scenes.CONSUMERS[ME],
        requests,
        scene.resolution,
        scene.snapshot,
        scene.claims,
        **more,
    )


def told(steps):
    """Each step in a word or two: ``keep 0``, ``again 0``, ``reuse 0``, ``p t-1``."""
    result = []
    for step in steps:
        number = scenes.UUIDS.index(step.uuid) if step.uuid else None
        if isinstance(step, allocation.Reuse):
            result.append(f'{"keep" if step.held else "reuse"} {number}')
        elif step.held:
            result.append(f'again {number}')
        else:
            result.append(f'{step.parent.removeprefix("dev_")} {step.mdev_type}')
    return result


@pytest.mark.parametrize(
    ('scene', 'requests', 'expected'),
    [
        pytest.param(Scene(parents={}), [], [], id='nothing-for-nothing'),
        pytest.param(
            Scene(parents={'p': {'t-1': 2}}),
            [request(amount=2)],
            ['p t-1', 'p t-1'],
            id='new-ones',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 1}}, mdevs=(FOUND, FOUND)),
            [request(amount=3)],
            ['reuse 0', 'reuse 1', 'p t-1'],
            id='idle-ones-before-new-ones',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 1}}, mdevs=(FOUND, FOUND)),
            [request()],
            ['reuse 0'],
            id='the-idle-one-with-the-first-uuid',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 3}}, mdevs=(Mdev('p', 't-1'),)),
            [request()],
            ['p t-1'],
            id='no-leftover-of-another-tenant',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 3}},
                mdevs=(Mdev('p', 't-1'),),
                rules=(rule(on_release=KEEP),),
            ),
            [request()],
            ['reuse 0'],
            id='kept-one-is-reused',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 3}},
                mdevs=(dataclasses.replace(HELD, holder=OTHER), FOUND),
            ),
            [request(amount=2)],
            ['reuse 1', 'p t-1'],
            id='never-what-another-holds',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 0}}, mdevs=(HELD, HELD)),
            [request(amount=2)],
            ['keep 0', 'keep 1'],
            id='held-ones-are-kept-on-a-full-device',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 1}}, mdevs=(HELD,)),
            [request(amount=2)],
            ['keep 0', 'p t-1'],
            id='the-missing-is-added',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 1}},
                mdevs=(dataclasses.replace(HELD, live=False),),
            ),
            [request()],
            ['again 0'],
            id='a-missing-one-comes-back',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 1}},
                mdevs=(dataclasses.replace(HELD, state='pending'),),
            ),
            [request()],
            ['again 0'],
            id='a-pending-one-is-completed',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 1, 't-2': 1}},
                mdevs=(dataclasses.replace(HELD, shown='t-2'),),
            ),
            [request()],
            ['again 0'],
            id='one-that-is-something-else-now-is-missing',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 1}},
                mdevs=(dataclasses.replace(HELD, shown=None),),
            ),
            [request()],
            ['keep 0'],
            id='one-whose-type-is-unread-is-kept',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 1}}, mdevs=(HELD,), rules=()),
            [request()],
            ['keep 0'],
            id='held-of-a-class-no-longer-configured',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 1}}, mdevs=(HELD,), rules=(rule(drain=True),)),
            [request()],
            ['keep 0'],
            id='held-of-a-type-that-drains',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 1}}, mdevs=(HELD,), drained='p'),
            [request()],
            ['keep 0'],
            id='held-on-a-drained-parent',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 1}, 'q': {'t-1': 1}}, drained='p'),
            [request('q')],
            ['q t-1'],
            id='on-another-parent-than-the-drained-one',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 1, 't-2': 4}},
                mdevs=(HELD,),
                rules=(rule(drain=True), rule('t-2')),
            ),
            [request(amount=2)],
            ['keep 0', 'p t-2'],
            id='held-of-the-old-type-new-of-the-new-one',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 2, 't-2': 1}, 'q': {'t-2': 1}},
                rules=(rule(), rule('t-2', B)),
            ),
            [request('q', B), request('p', B), request('p', A)],
            ['p t-1', 'p t-2', 'q t-2'],
            id='all-classes-of-all-parents',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 3}}),
            [request(), request(amount=2)],
            ['p t-1'] * 3,
            id='the-same-asked-in-two-parts',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 2}, 'q': {'t-1': 2}},
                rules=(rule(max_instances=3),),
            ),
            [request('p'), request('q', amount=2)],
            ['p t-1', 'q t-1', 'q t-1'],
            id='one-limit-for-two-parents',
        ),
    ],
)
def test_the_steps(scene, requests, expected):
    assert told(plan(scene, *requests)) == expected


def test_found_ones_stay_where_they_are_not_reused():
    scene = Scene(parents={'p': {'t-1': 3}}, mdevs=(FOUND,))
    assert told(plan(scene, request(), reuse_found=False)) == ['p t-1']


def test_what_comes_back_is_as_it_was():
    was = (('assign_adapter', '5'), ('assign_domain', '4'))
    scene = Scene(
        parents={'p': {'t-1': 1, 't-2': 1}},
        mdevs=(dataclasses.replace(HELD, live=False, attributes=was),),
        rules=(rule('t-2', attributes=(('assign_adapter', '9'),)),),
    )
    assert plan(scene, request()) == (
        allocation.Create(
            uuid=scenes.UUIDS[0],
            parent='dev_p',
            mdev_type='t-1',
            resource_class=A,
            attributes=was,
        ),
    )


def test_a_new_one_has_the_attributes_of_its_rule():
    wanted = (('a', '1'), ('a', '2'))
    scene = Scene(parents={'p': {'t-1': 1}}, rules=(rule(attributes=wanted),))
    (step,) = plan(scene, request())
    assert step.attributes == wanted


@pytest.mark.parametrize(
    ('scene', 'requests', 'left'),
    [
        pytest.param(Scene(parents={'p': {'t-1': 0}}), [request()], 0, id='full'),
        pytest.param(
            Scene(parents={'p': {'t-1': 2}}), [request(amount=3)], 2, id='too-few'
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 2}}),
            [request(amount=2**31 - 1)],
            2,
            id='more-than-there-could-ever-be',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': None}}), [request()], 0, id='unreadable'
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 1}}, mdevs=(FOUND,)),
            [request(amount=3)],
            2,
            id='idle-ones-and-new-ones-are-too-few',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 4}}, rules=(rule(max_instances=1),)),
            [request(amount=2)],
            1,
            id='limit-of-the-host',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 4}, 'q': {'t-1': 4}},
                rules=(rule(max_instances=3),),
            ),
            [request('p', amount=2), request('q', amount=2)],
            1,
            id='one-limit-shared-by-two-requests',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 4}, 'q': {'t-1': 4}},
                devices={'p': 'dev_pf', 'q': 'dev_pf'},
                rules=(rule(max_instances_per_device=3),),
            ),
            [request('p', amount=2), request('q', amount=2)],
            1,
            id='one-limit-shared-by-two-functions',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 1}},
                mdevs=(dataclasses.replace(HELD, holder=OTHER, live=False),),
            ),
            [request()],
            0,
            id='the-place-of-one-that-is-missing-is-promised',
        ),
    ],
)
def test_there_is_no_room(scene, requests, left):
    with pytest.raises(exceptions.CapacityError) as caught:
        plan(scene, *requests)
    assert caught.value.left == left
    assert caught.value.mdev_type == 't-1'
    assert caught.value.errno is None


@pytest.mark.parametrize(
    ('scene', 'requests', 'reason'),
    [
        pytest.param(
            Scene(parents={'p': {'t-1': 4}}, mdevs=(HELD, HELD)),
            [request()],
            'more than asked',
            id='it-holds-more',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 4}}, mdevs=(HELD,)),
            [],
            'more than asked',
            id='it-holds-something-and-asks-for-nothing',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 4, 't-2': 4}},
                mdevs=(HELD,),
                rules=(rule(), rule('t-2', B)),
            ),
            [request(resource_class=B)],
            'more than asked',
            id='it-holds-another-class',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 4}, 'q': {'t-1': 4}}, mdevs=(HELD,)),
            [request('q')],
            'more than asked',
            id='it-holds-on-another-parent',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 4}}),
            [request('q')],
            'no such parent device',
            id='unknown-parent',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 4}}),
            [request(resource_class=B)],
            rf"no enabled mdev type gives it there \(served: \['{A}'\]\)",
            id='class-of-no-rule',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 4}}, rules=()),
            [request()],
            r'served: nothing',
            id='nothing-is-configured',
        ),
    ],
)
def test_it_cannot_be_served_here(scene, requests, reason):
    with pytest.raises(exceptions.RequestError, match=reason) as caught:
        plan(scene, *requests)
    assert caught.value.consumer == scenes.CONSUMERS[ME]


@pytest.mark.parametrize(
    ('scene', 'amount', 'parent_drains', 'reason'),
    [
        pytest.param(
            Scene(parents={'p': {'t-1': 4}}, rules=(rule(drain=True),)),
            1,
            False,
            r'dev_p cannot give 1 of t-1: .*\[mdev_t-1\] drain',
            id='the-type-drains',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 4}}, mdevs=(FOUND,), rules=(rule(drain=True),)),
            1,
            False,
            'drain',
            id='the-type-drains-and-one-is-idle',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 4}}, drained='p'),
            2,
            True,
            'dev_p cannot give 2 of t-1: .*"nova-mdev parent undrain dev_p"',
            id='the-parent-is-drained',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 4}}, mdevs=(FOUND,), drained='p'),
            1,
            True,
            'undrain',
            id='the-parent-is-drained-and-one-is-idle',
        ),
        pytest.param(
            Scene(parents={'p': {'t-1': 4}}, mdevs=(HELD,), drained='p'),
            2,
            True,
            'cannot give 1 of t-1',
            id='one-more-than-is-held-on-a-drained-parent',
        ),
    ],
)
def test_nothing_new_lands_on_what_drains(scene, amount, parent_drains, reason):
    with pytest.raises(exceptions.Draining, match=reason) as caught:
        plan(scene, request(amount=amount))
    error = caught.value
    assert (error.parent, error.parent_drains) == ('dev_p', parent_drains)
    assert isinstance(error, exceptions.CapacityError)


@pytest.mark.parametrize('amount', [0, -1, 2**31])
def test_amounts_that_are_none(amount):
    with pytest.raises(exceptions.InvalidValue, match='amount'):
        request(amount=amount)


# Placement's allocations

P1, P2, FOREIGN = 'rp-1', 'rp-2', 'rp-of-disks'
OURS = {P1: 'dev_p', P2: 'dev_q'}


@pytest.mark.parametrize(
    ('allocations', 'expected'),
    [
        pytest.param({}, [], id='none'),
        pytest.param(
            {P1: {'generation': 3, 'resources': {B: 2, A: 1}}},
            [('p', A, 1), ('p', B, 2)],
            id='all-classes',
        ),
        pytest.param(
            {P2: {'resources': {A: 1}}, P1: {'resources': {A: 2}}},
            [('p', A, 2), ('q', A, 1)],
            id='several-providers',
        ),
        pytest.param(
            {FOREIGN: {'resources': {'VCPU': 4}}, P1: {'resources': {A: 1}}},
            [('p', A, 1)],
            id='others-providers-are-theirs',
        ),
        pytest.param({FOREIGN: 'nonsense'}, [], id='others-nonsense-is-theirs-too'),
        pytest.param({P1: {'resources': {}}}, [], id='nothing-on-a-provider-of-ours'),
    ],
)
def test_what_placement_says(allocations, expected):
    assert allocation.requests_from(allocations, OURS) == tuple(
        request(*one) for one in expected
    )


@pytest.mark.parametrize(
    'told_by_placement',
    [
        pytest.param(None, id='null'),
        pytest.param([], id='a-list'),
        pytest.param({}, id='no-resources'),
        pytest.param({'resources': None}, id='resources-null'),
        pytest.param({'resources': [A]}, id='resources-a-list'),
        pytest.param({'resources': {A: '1'}}, id='amount-is-text'),
        pytest.param({'resources': {A: None}}, id='amount-is-null'),
        pytest.param({'resources': {A: 1.5}}, id='amount-is-a-fraction'),
        pytest.param({'resources': {A: True}}, id='amount-is-true'),
        pytest.param({'resources': {A: 0}}, id='amount-is-0'),
        pytest.param({'resources': {A: -1}}, id='amount-is-negative'),
        pytest.param({'resources': {7: 1}}, id='class-is-a-number'),
    ],
)
def test_nonsense_from_placement(told_by_placement):
    with pytest.raises(exceptions.InvalidValue, match=P1) as caught:
        allocation.requests_from({P1: told_by_placement}, OURS)
    assert caught.value.value is told_by_placement


# For all hosts

REQUESTS = st.lists(
    st.builds(
        request, st.sampled_from('pqrs'), st.sampled_from([A, B]), st.integers(1, 4)
    ),
    max_size=4,
)


def outcome(scene, requests, **more):
    try:
        return plan(scene, *requests, **more)
    except (exceptions.CapacityError, exceptions.RequestError) as e:
        return type(e), vars(e)


@given(scene=scenes.scenes(), requests=REQUESTS, reuse_found=st.booleans())
def test_a_plan_is_what_was_asked_and_never_more_than_there_is(
    scene, requests, reuse_found
):
    steps = outcome(scene, requests, reuse_found=reuse_found)
    if steps and isinstance(steps[0], type):
        return
    wanted = collections.Counter()
    for one in requests:
        wanted[one.parent, one.resource_class] += one.amount
    assert collections.Counter((s.parent, s.resource_class) for s in steps) == wanted
    uuids = [s.uuid for s in steps if s.uuid]
    assert len(uuids) == len(set(uuids))
    stock = capacity.Stock(scene.snapshot, scene.claims, reuse_found=reuse_found)
    new = collections.Counter(
        (s.parent, s.mdev_type)
        for s in steps
        if isinstance(s, allocation.Create) and not s.held
    )
    for (parent, mdev_type), number in new.items():
        assert number <= stock.creatable(parent, mdev_type)
    for limited in scene.rules:
        number = sum(n for (_, t), n in new.items() if t == limited.mdev_type)
        if limited.max_instances is not None and number:
            there = len(stock.existing(limited.mdev_type))
            assert there + number <= limited.max_instances
    for step in steps:
        serving = scene.resolution.rule(step.parent, step.resource_class)
        if isinstance(step, allocation.Reuse) and not step.held:
            assert step.uuid in stock.idle(step.parent, serving)
            assert step.uuid not in scene.claims.claims


@given(scene=scenes.scenes(), requests=REQUESTS)
def test_held_ones_come_first_and_all_of_them(scene, requests):
    steps = outcome(scene, requests)
    if steps and isinstance(steps[0], type):
        return
    held = [s.uuid for s in steps if s.held]
    mine = scene.claims.of(scenes.CONSUMERS[ME])
    assert held == [c.uuid for c in mine if c.owner is not ACCELERATOR]
    assert [s.held for s in steps] == sorted((s.held for s in steps), reverse=True)


@given(scene=scenes.scenes(), requests=REQUESTS, seed=st.integers())
def test_order_decides_nothing(scene, requests, seed):
    mixed = list(requests)
    random.Random(seed).shuffle(mixed)  # noqa: S311
    assert outcome(scene, mixed) == outcome(scene, requests)


@given(scene=scenes.scenes(), parent=st.sampled_from('pqrs'))
def test_what_is_offered_can_be_had(scene, parent):
    """An inventory and an allocation of the same moment do not differ."""
    everybodys = dataclasses.replace(
        scene,
        mdevs=tuple(
            dataclasses.replace(m, holder=None if m.holder is None else 9)
            for m in scene.mdevs
        ),
    )
    offered = inventory.compute(
        everybodys.resolution, everybodys.snapshot, everybodys.claims
    )
    holdings = inventory.holdings(everybodys.claims)
    for resource_class, one in offered.get(f'dev_{parent}', {}).items():
        held = sum(holdings.get((f'dev_{parent}', resource_class), {}).values())
        left = one.usable - held
        if left:
            steps = plan(everybodys, request(parent, resource_class, left))
            assert len(steps) == left


@given(scene=scenes.scenes(), requests=REQUESTS)
def test_whatever_is_asked_nothing_new_lands_on_a_drained_parent(scene, requests):
    steps = outcome(scene, requests)
    if steps and isinstance(steps[0], type):
        return
    assert all(s.held for s in steps if s.parent in scene.claims.drained)
