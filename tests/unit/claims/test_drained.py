# SPDX-License-Identifier: Apache-2.0
"""Which parents are drained: kept until they are undrained, whatever goes."""

from __future__ import annotations

from nova_generic_mdev import claims
from nova_generic_mdev import record
from tests.unit import scenes
from tests.unit.claims import processes


def drain(store, parent, drained=True):
    with store.transaction() as session:
        session.set_drained(parent, drained=drained)


def test_none_at_first(store):
    assert store.drained() == frozenset()


def test_without_a_record_nothing_is_made(tmp_path):
    absent = claims.ClaimStore(str(tmp_path / 'state'), processes.MACHINE)
    assert absent.drained() == frozenset()
    assert not (tmp_path / 'state').exists()


def test_it_is_kept_until_it_is_taken_back(store):
    drain(store, 'dev_p')
    drain(store, 'dev_q')
    drain(store, 'dev_p')
    again = claims.ClaimStore(store.state_path, processes.MACHINE)
    assert again.drained() == {'dev_p', 'dev_q'}
    drain(again, 'dev_p', drained=False)
    drain(again, 'dev_r', drained=False)
    assert store.drained() == {'dev_q'}


def test_every_part_of_the_record_tells_it(store):
    drain(store, 'dev_p')
    for scope in (None, record.Scope(), record.Scope(consumer=scenes.CONSUMERS[0])):
        assert store.load(scope).drained == {'dev_p'}


def test_the_last_mdev_of_a_parent_does_not_take_it_along(store):
    drain(store, 'dev_p')
    with store.transaction() as session:
        session.add_mdev(processes.mdev(0))
        session.drop_mdev(scenes.UUIDS[0])
    assert store.drained() == {'dev_p'}
