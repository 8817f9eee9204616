# SPDX-License-Identifier: Apache-2.0
"""What is counted, for inventories and for allocations alike."""

from __future__ import annotations

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_generic_mdev import capacity
from nova_generic_mdev import model
from nova_generic_mdev import policy
from tests.unit import scenes
from tests.unit.scenes import Mdev
from tests.unit.scenes import Scene
from tests.unit.scenes import rule


def stock(scene, **more):
    return capacity.Stock(scene.snapshot, scene.claims, **more)


def shares(scene):
    offered = capacity.shares(scene.resolution, scene.snapshot, stock(scene))
    return {(p.removeprefix('dev_'), t): n for (p, t), n in offered.items()}


KEEP = policy.OnRelease.KEEP


@pytest.mark.parametrize(
    ('mdev', 'on_release', 'idle'),
    [
        pytest.param(Mdev('p', 't-1', origin='found'), None, True, id='found'),
        pytest.param(Mdev('p', 't-1'), None, False, id='created'),
        pytest.param(Mdev('p', 't-1'), KEEP, True, id='created-and-kept'),
        pytest.param(Mdev('p', 't-1', origin=None), KEEP, False, id='unknown'),
        pytest.param(Mdev('p', 't-1', origin='foreign'), KEEP, False, id='foreign'),
        pytest.param(Mdev('p', 't-1', holder=0), KEEP, False, id='claimed'),
        pytest.param(
            Mdev('p', 't-1', holder=0, state='pending'), KEEP, False, id='pending'
        ),
        pytest.param(Mdev('p', 't-1', live=False), KEEP, False, id='not-live'),
        pytest.param(Mdev('p', 't-2'), KEEP, False, id='of-another-type'),
        pytest.param(Mdev('q', 't-1'), KEEP, False, id='on-another-parent'),
        pytest.param(
            Mdev('p', 't-2', shown='t-1', origin='found'),
            None,
            False,
            id='not-what-was-recorded-of-its-uuid',
        ),
        pytest.param(
            Mdev('p', 't-1', shown=None, origin='found'), None, False, id='type-unread'
        ),
    ],
)
def test_what_may_be_handed_out(mdev, on_release, idle):
    ours = rule(on_release=on_release) if on_release else rule()
    scene = Scene(
        parents={'p': {'t-1': 1, 't-2': 1}, 'q': {'t-1': 1}},
        mdevs=(mdev,),
        rules=(ours,),
    )
    assert stock(scene).idle('dev_p', ours) == ((scenes.UUIDS[0],) if idle else ())


@pytest.mark.parametrize(
    ('left', 'mdevs', 'creatable'),
    [
        pytest.param(4, (), 4, id='what-the-kernel-says'),
        pytest.param(None, (), 0, id='unreadable'),
        pytest.param(3, (Mdev('p', 't-1', holder=0),), 3, id='live-claim-is-counted'),
        pytest.param(
            4, (Mdev('p', 't-1', holder=0, live=False),), 3, id='missing-claim-returns'
        ),
        pytest.param(
            1,
            (Mdev('p', 't-1', holder=0, live=False),) * 3,
            0,
            id='more-are-missing-than-there-is-room-for',
        ),
        pytest.param(
            4, (Mdev('p', 't-1', live=False),), 4, id='missing-and-nobodys-is-gone'
        ),
        pytest.param(
            4,
            (Mdev('p', 't-2', holder=0, live=False),),
            4,
            id='missing-one-of-another-type-is-the-drivers-business',
        ),
        pytest.param(
            3,
            (Mdev('p', 't-1', holder=0, shown=None),),
            3,
            id='claimed-one-whose-type-is-unread-is-there',
        ),
        pytest.param(
            4,
            (Mdev('p', 't-1', holder=0, shown='t-2'),),
            3,
            id='claimed-one-that-is-something-else-is-missing',
        ),
    ],
)
def test_how_many_more_could_be_made(left, mdevs, creatable):
    scene = Scene(parents={'p': {'t-1': left, 't-2': 1}}, mdevs=mdevs)
    assert stock(scene).creatable('dev_p', 't-1') == creatable


@pytest.mark.parametrize(
    ('parent', 'mdev_type'),
    [
        pytest.param('dev_q', 't-1', id='no-such-parent'),
        pytest.param('dev_p', 't-9', id='no-such-type'),
    ],
)
def test_nothing_comes_of_what_is_not_there(parent, mdev_type):
    assert stock(Scene(parents={'p': {'t-1': 4}})).creatable(parent, mdev_type) == 0


@pytest.mark.parametrize('missing', range(5))
def test_a_place_is_counted_once_while_its_mdev_is_missing(missing):
    """The kernel counts it as free until recovery, the record as used."""
    scene = Scene(
        parents={'p': {'t-1': 4}},
        mdevs=(Mdev('p', 't-1', holder=0, live=False),) * missing,
    )
    held = len(scene.claims.claims)
    assert held + stock(scene).creatable('dev_p', 't-1') == 4


@pytest.mark.parametrize(
    ('mdev', 'counts'),
    [
        pytest.param(Mdev('p', 't-1', origin=None), True, id='unknown'),
        pytest.param(Mdev('p', 't-1', origin='found'), True, id='idle'),
        pytest.param(
            Mdev('p', 't-1', holder=0, live=False), True, id='claimed-missing'
        ),
        pytest.param(Mdev('p', 't-1', shown=None), True, id='type-is-unread'),
        pytest.param(Mdev('p', 't-1', live=False), False, id='gone-and-nobodys'),
        pytest.param(
            Mdev('z', 't-1', live=False), True, id='recorded-on-a-parent-not-looked-at'
        ),
        pytest.param(Mdev('p', 't-1', origin='foreign'), True, id='a-services'),
        pytest.param(
            Mdev('z', 't-1', origin='foreign', live=False),
            False,
            id='a-services-on-a-parent-not-looked-at',
        ),
        pytest.param(
            Mdev('z', 't-1', origin='foreign', holder=0, live=False),
            True,
            id='a-services-claimed-on-a-parent-not-looked-at',
        ),
        pytest.param(Mdev('p', 't-2'), False, id='of-another-type'),
    ],
)
def test_what_counts_for_a_limit(mdev, counts):
    scene = Scene(parents={'p': {'t-1': 4, 't-2': 4}}, mdevs=(mdev,))
    assert bool(stock(scene).existing('t-1')) is counts
    headroom = capacity.Headroom(rule(max_instances=1), stock(scene), scene.snapshot)
    assert headroom.take('dev_p', 1) == (0 if counts else 1)


def test_what_is_taken_is_gone_for_the_next():
    scene = Scene(
        parents={'p': {'t-1': 9}, 'q': {'t-1': 9}, 'r': {'t-1': 9}},
        devices={'q': 'dev_p'},
    )
    limits = rule(max_instances=5, max_instances_per_device=3)
    headroom = capacity.Headroom(limits, stock(scene), scene.snapshot)
    assert headroom.take('dev_p', 2) == 2
    assert headroom.take('dev_q', 2) == 1
    assert headroom.take('dev_r', 9) == 2
    assert headroom.take('dev_r', 1) == 0


def test_a_share_is_for_each_rule_that_gives_new_ones():
    scene = Scene(
        parents={'p': {'t-1': 4, 't-2': 2}, 'q': {'t-1': 3}},
        rules=(rule(), rule('t-2', drain=True)),
    )
    assert shares(scene) == {('p', 't-1'): 4, ('q', 't-1'): 3}


def test_a_parent_without_end_leaves_the_others_theirs():
    scene = Scene(
        parents={'p': {'t-1': model.MAX_COUNT}, 'q': {'t-1': model.MAX_COUNT}}
    )
    assert shares(scene) == {
        ('p', 't-1'): model.MAX_COUNT,
        ('q', 't-1'): model.MAX_COUNT,
    }


@given(scene=scenes.scenes())
def test_no_share_exceeds_a_limit_or_the_kernel(scene):
    offered = capacity.shares(scene.resolution, scene.snapshot, stock(scene))
    parents = scene.snapshot.parents
    existing = {r.mdev_type: stock(scene).existing(r.mdev_type) for r in scene.rules}
    for limited in scene.rules:
        there = existing[limited.mdev_type]
        of_type = {p: n for (p, t), n in offered.items() if t == limited.mdev_type}
        for parent, number in of_type.items():
            left = parents[parent].types[limited.mdev_type].available_instances
            assert 0 <= number <= (left or 0)
        new = sum(of_type.values())
        if limited.max_instances is not None and new:
            assert len(there) + new <= limited.max_instances
        on: collections.Counter[str] = collections.Counter()
        for parent in there.values():
            on[parents[parent].physical_device if parent in parents else parent] += 1
        news: collections.Counter[str] = collections.Counter()
        for parent, number in of_type.items():
            news[parents[parent].physical_device] += number
        for device, number in news.items():
            if limited.max_instances_per_device is not None and number:
                assert on[device] + number <= limited.max_instances_per_device


@given(scene=scenes.scenes(), wanted=st.lists(st.integers(0, 5), max_size=6))
def test_headroom_never_gives_more_than_is_wanted(scene, wanted):
    for limited in scene.rules:
        headroom = capacity.Headroom(limited, stock(scene), scene.snapshot)
        for number in wanted:
            assert 0 <= headroom.take('dev_p', number) <= number
