# SPDX-License-Identifier: Apache-2.0
import collections

import hypothesis
import pytest
from hypothesis import strategies as st

from nova_generic_mdev import exceptions
from nova_generic_mdev import migration

A, B, C = (f'{letter * 8}-0000-4000-8000-000000000001' for letter in 'abc')
X, Y, Z = (f'{digit * 8}-0000-4000-8000-000000000002' for digit in '123')


def facts(mdev_type='nvidia-590', device_api=None, driver=None):
    return migration.DeviceFacts(
        mdev_type=mdev_type, device_api=device_api, driver=driver
    )


@pytest.mark.parametrize(
    ('source', 'target', 'about'),
    [
        pytest.param(facts(), facts(), [], id='the same type'),
        pytest.param(
            facts('t', 'vfio-pci', 'nvidia'),
            facts('t', 'vfio-pci', 'nvidia'),
            [],
            id='the same in all that is declared',
        ),
        pytest.param(
            facts('t', 'vfio-pci', 'nvidia'),
            facts('t'),
            [],
            id='what one does not declare speaks against nothing',
        ),
        pytest.param(facts('t'), facts('T'), ['mdev type'], id='another type'),
        pytest.param(
            facts('t', 'vfio-pci'),
            facts('t', 'vfio-ap'),
            ['device_api'],
            id='another device_api',
        ),
        pytest.param(
            facts('t', 'vfio-pci', 'mtty'),
            facts('u', 'vfio-ap', 'mttypci'),
            ['mdev type', 'device_api', "parent's driver"],
            id='all of it: each is told',
        ),
    ],
)
def test_incompatibilities(source, target, about):
    reasons = migration.incompatibilities(source, target)
    assert [reason.split(' is ')[0] for reason in reasons] == about


@pytest.mark.parametrize(
    ('sources', 'offered', 'missing'),
    [
        pytest.param({}, [], (), id='a guest without mdevs'),
        pytest.param({A: 't'}, ['u', 't'], (), id='offered'),
        pytest.param({A: 't', B: 't'}, ['u'], ('t',), id='two of one type: told once'),
        pytest.param({A: 'u', B: 't'}, [], ('t', 'u'), id='nothing is offered'),
    ],
)
def test_missing_types(sources, offered, missing):
    assert migration.missing_types(sources, offered) == missing


@pytest.mark.parametrize(
    ('sources', 'targets', 'pairs'),
    [
        pytest.param({}, {}, {}, id='a guest without mdevs'),
        pytest.param({A: 't'}, {X: 't'}, {A: X}, id='one'),
        pytest.param(
            {B: 't', A: 't'}, {Y: 't', X: 't'}, {A: X, B: Y}, id='two of a type'
        ),
        pytest.param({A: 'u', B: 't'}, {X: 't', Y: 'u'}, {A: Y, B: X}, id='two types'),
        pytest.param({A: 't'}, {Y: 't', X: 't'}, {A: X}, id='one is left over'),
        pytest.param({A: 't'}, {X: None, Y: 't'}, {A: Y}, id='one of unknown type'),
        pytest.param({A: 't'}, {A: 't'}, {A: A}, id='the same uuid over there'),
    ],
)
def test_pairs(sources, targets, pairs):
    assert dict(migration.pair(sources, targets)) == pairs


@pytest.mark.parametrize(
    ('sources', 'targets', 'without'),
    [
        pytest.param({A: 't'}, {}, [A], id='nothing over there'),
        pytest.param({A: 't'}, {X: 'u'}, [A], id='only of another type'),
        pytest.param({A: 't', B: 't'}, {X: 't'}, [B], id='one too few'),
        pytest.param({A: 't', B: 'u', C: 't'}, {}, [A, B, C], id='each has a reason'),
        pytest.param({A: 't'}, {X: None}, [A], id='of an unknown type'),
    ],
)
def test_what_has_no_pair_is_told_for_each(sources, targets, without):
    with pytest.raises(exceptions.IncompatibleDevices) as caught:
        migration.pair(sources, targets)
    assert list(caught.value.reasons) == without


def test_the_reason_says_how_many_there_are_and_were_asked_for():
    with pytest.raises(exceptions.IncompatibleDevices) as caught:
        migration.pair({A: 't', B: 't'}, {X: 't'})
    assert caught.value.reasons[B] == (
        'the guest has 2 of type t, the destination has 1 for it'
    )


DEVICES = st.dictionaries(
    st.uuids().map(str), st.sampled_from(['t', 'u', 'v']), max_size=6
)


@hypothesis.given(DEVICES, DEVICES)
def test_pairs_of_any_devices(sources, targets):
    enough = collections.Counter(sources.values()) <= collections.Counter(
        targets.values()
    )
    if not enough:
        with pytest.raises(exceptions.IncompatibleDevices):
            migration.pair(sources, targets)
        return
    pairs = migration.pair(sources, targets)
    assert pairs.keys() == sources.keys()
    assert len(set(pairs.values())) == len(pairs)
    assert all(sources[s] == targets[t] for s, t in pairs.items())
    backwards = [dict(reversed(d.items())) for d in (sources, targets)]
    assert migration.pair(*backwards) == pairs
