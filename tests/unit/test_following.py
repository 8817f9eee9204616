# SPDX-License-Identifier: Apache-2.0
"""A guest moves, arrives, is found or comes back: whose its mdevs are then."""

from __future__ import annotations

import dataclasses
import errno
import itertools
import threading

import pytest

from nova_generic_mdev import claims
from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import model
from nova_generic_mdev import policy
from nova_generic_mdev import record
from nova_generic_mdev.engine import locking
from tests.unit import benches
from tests.unit import scenes

MTTY, ONE, TWO = benches.MTTY, benches.ONE, benches.TWO
ME, OTHER, MIGRATION, THIRD = scenes.CONSUMERS[:4]
KNOWN, STRANGER, MORE = scenes.UUIDS[:3]
PENDING, READY, LOST = record.ClaimState
CREATED, FOUND, FOREIGN = record.Origin
PLACEMENT, CLI, ACCELERATOR = record.Owner
request = benches.request


@pytest.fixture
def bench(tmp_path):
    return benches.Bench(tmp_path / 'state')


@pytest.fixture
def unused(tmp_path):
    """An engine that never had anything to do, and so has no record."""
    store = claims.ClaimStore(str(tmp_path / 'unused'), 'm' * 32)
    return engine.Engine(fixture.mtty(), store, policy.Policy())


def know(bench, uuid=KNOWN, origin=FOUND, mdev_type='mtty-1', **more):
    """Record an mdev that is not there."""
    known = record.MdevRecord(
        uuid=uuid, parent=MTTY, mdev_type=mdev_type, origin=origin, **more
    )
    with bench.store.transaction() as session:
        session.add_mdev(known)
    return known


def give(bench, uuid, consumer=OTHER, resource_class=ONE, **more):
    """Record a claim of an mdev that is known."""
    claim = record.Claim(
        uuid=uuid, consumer=consumer, resource_class=resource_class, **more
    )
    with bench.store.transaction() as session:
        session.add_claim(claim)
    return claim


def uuids(devices):
    return [device.uuid for device in devices]


def lose(bench, given):
    for device in given:
        bench.host.lose_mdev(device.uuid)
    bench.host.calls.clear()


# What it has, from the record alone


def test_what_a_consumer_has(bench):
    given = bench.engine.allocate(ME, [request(amount=2), request(resource_class=TWO)])
    bench.engine.allocate(OTHER, [request()])
    lose(bench, given[:1])
    assert bench.engine.claimed(ME.upper()) == given
    assert bench.host.calls == []


def test_what_a_consumer_has_from_whom(bench):
    given = bench.engine.allocate(ME, [request()])
    (asked,) = bench.engine.accelerate(ME, [ask()])
    assert set(bench.engine.claimed(ME)) == {*given, asked}
    assert bench.engine.claimed(ME, {PLACEMENT}) == given
    assert bench.engine.claimed(ME, {ACCELERATOR}) == (asked,)


def test_who_has_nothing_has_nothing(bench, unused):
    assert bench.engine.claimed(ME) == unused.claimed(ME) == ()


def ask(uuid=STRANGER, parent=MTTY, mdev_type='mtty-2'):
    return engine.Ask(uuid=uuid, parent=parent, mdev_type=mdev_type)


# A migration


def test_new_claims_carry_the_migration_until_it_has_arrived(bench):
    (before,) = bench.engine.allocate(ME, [request()])
    given = bench.engine.allocate(ME, [request(amount=2)], migration=MIGRATION.upper())
    marks = {u: c.migration for u, c in bench.record.claims.items()}
    (new,) = set(uuids(given)) - {before.uuid}
    assert marks == {before.uuid: None, new: MIGRATION}
    bench.engine.arrive(ME.upper())
    assert {c.migration for c in bench.record.claims.values()} == {None}
    assert bench.engine.claimed(ME) == given


def test_what_arrives_is_one_consumers(bench):
    bench.engine.allocate(ME, [request()], migration=MIGRATION)
    bench.engine.allocate(OTHER, [request()], migration=MIGRATION)
    bench.engine.arrive(ME)
    marks = {c.consumer: c.migration for c in bench.record.claims.values()}
    assert marks == {ME: None, OTHER: MIGRATION}


def test_a_migration_is_a_uuid(bench):
    with pytest.raises(exceptions.InvalidName):
        bench.engine.allocate(ME, [request()], migration='7')
    assert bench.is_as_if_nothing_had_happened()


# Another consumer


def test_claims_follow_to_another_consumer_as_they_are(bench):
    given = bench.engine.allocate(ME, [request(amount=2), request(resource_class=TWO)])
    before = bench.record
    bench.host.calls.clear()
    assert bench.engine.rekey(ME.upper(), MIGRATION.upper()) == given
    assert bench.engine.claimed(ME) == ()
    moved = {
        u: dataclasses.replace(c, consumer=MIGRATION) for u, c in before.claims.items()
    }
    assert bench.record == record.Claims(mdevs=before.mdevs, claims=moved)
    assert bench.host.calls == []


def test_again_it_finds_nothing_to_do(bench):
    given = bench.engine.allocate(ME, [request(amount=2)])
    bench.engine.rekey(ME, MIGRATION)
    before = bench.record
    assert bench.engine.rekey(ME, MIGRATION) == given
    assert bench.record == before


def test_there_and_back_on_one_host(bench):
    """A resize here, reverted: the server has what it had, and nothing else."""
    given = bench.engine.allocate(ME, [request()])
    bench.engine.rekey(ME, MIGRATION)
    bench.engine.allocate(ME, [request(resource_class=TWO)])
    assert len(bench.live) == 2
    bench.engine.release(ME)
    assert bench.engine.rekey(MIGRATION, ME) == given == bench.engine.claimed(ME)
    assert bench.live == set(uuids(given))


def test_who_has_some_gets_the_others_as_well(bench):
    mine = bench.engine.allocate(ME, [request()])
    theirs = bench.engine.allocate(OTHER, [request(resource_class=TWO)])
    assert bench.engine.rekey(ME, OTHER) == mine + theirs
    assert bench.engine.release(OTHER) == mine + theirs
    assert bench.is_as_if_nothing_had_happened()


@pytest.mark.parametrize('owner', [CLI, ACCELERATOR])
def test_what_placement_did_not_give_stays(bench, owner):
    (given,) = bench.engine.allocate(ME, [request()])
    know(bench)
    give(bench, KNOWN, ME, owner=owner)
    assert bench.engine.rekey(ME, MIGRATION) == (given,)
    assert uuids(bench.engine.claimed(ME)) == [KNOWN]


def test_a_consumer_that_becomes_itself(bench):
    given = bench.engine.allocate(ME, [request()])
    assert bench.engine.rekey(ME, ME) == given == bench.engine.claimed(ME)


def test_without_a_record_nobody_has_anything_to_move(unused, tmp_path):
    assert unused.rekey(ME, OTHER) == ()
    unused.arrive(ME)
    assert unused.restore(ME) == ()
    assert not (tmp_path / 'unused').exists()


@pytest.mark.parametrize(
    'held', [pytest.param(ME, id='from'), pytest.param(MIGRATION, id='to')]
)
def test_it_waits_for_whoever_gives_to_either(bench, monkeypatch, held):
    bench.engine.allocate(ME, [request()])
    inside = []
    transaction = bench.store.transaction

    def watched():
        inside.append(threading.current_thread().name)
        return transaction()

    monkeypatch.setattr(bench.store, 'transaction', watched)
    moving = threading.Thread(
        target=bench.engine.rekey, args=(ME, MIGRATION), name='moving'
    )
    with locking.consumers(bench.store, held):
        moving.start()
        moving.join(0.5)
        assert moving.is_alive()
        assert inside == []
    moving.join(60)
    assert inside == ['moving']


def test_two_that_change_places_do_not_wait_for_each_other_in_a_ring(bench):
    first = bench.engine.allocate(ME, [request()])
    second = bench.engine.allocate(OTHER, [request(resource_class=TWO)])

    def swap(one, other):
        for _ in range(20):
            bench.engine.rekey(one, other)

    pairs = [(ME, OTHER), (OTHER, ME)]
    threads = [threading.Thread(target=swap, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    both = bench.engine.claimed(ME) + bench.engine.claimed(OTHER)
    assert sorted(uuids(both)) == sorted(uuids(first + second))


# Made again


def test_what_a_consumer_lost_is_made_again_as_it_was(bench):
    given = bench.engine.allocate(ME, [request(amount=2), request(resource_class=TWO)])
    others = bench.engine.allocate(OTHER, [request()])
    before = bench.host.snapshot().mdevs
    lose(bench, [given[0], given[2], *others])
    assert bench.engine.restore(ME.upper()) == (given[0], given[2])
    after = bench.host.snapshot().mdevs
    assert set(after) == set(uuids(given))
    assert {u: m.mdev_type for u, m in after.items()} == {
        u: before[u].mdev_type for u in uuids(given)
    }
    assert bench.engine.restore(ME) == ()


def test_what_is_made_again_has_its_attributes(bench):
    know(bench, origin=CREATED, attributes=(('a', '1'), ('a', '2')), backend='sysfs')
    give(bench, KNOWN, ME)
    bench.host.calls.clear()
    assert uuids(bench.engine.restore(ME)) == [KNOWN]
    (call,) = [c for c in bench.host.calls if c.verb == 'create']
    assert (call.uuid, call.attributes) == (KNOWN, (('a', '1'), ('a', '2')))


@pytest.mark.parametrize('is_live', [True, False])
def test_what_was_begun_is_finished(bench, is_live):
    """It may be there and not have its attributes yet."""
    know(bench, origin=CREATED, attributes=(('a', '1'),))
    give(bench, KNOWN, ME, state=PENDING)
    if is_live:
        bench.host.place(KNOWN, MTTY, 'mtty-1')
    assert uuids(bench.engine.restore(ME)) == [KNOWN]
    assert bench.record.claims[KNOWN].state is READY
    assert bench.acts() == ['create']


def test_what_cannot_be_made_again_is_told_and_the_others_are(bench):
    given = bench.engine.allocate(ME, [request(amount=3)])
    for uuid in bench.live:
        bench.host.lose_mdev(uuid)
    bench.host.fail_create(4, errno.ENOSPC)
    with pytest.raises(exceptions.CapacityError):
        bench.engine.restore(ME)
    assert len(bench.live) == 2
    assert bench.engine.claimed(ME) == given
    assert len(bench.engine.restore(ME)) == 1
    assert bench.live == set(uuids(given))


def test_where_its_parent_is_not_there_it_is_told(bench):
    (given,) = bench.engine.allocate(ME, [request()])
    bench.host.lose_parent(MTTY)
    with pytest.raises(exceptions.NotFound, match=f'{given.uuid}.*{MTTY}'):
        bench.engine.restore(ME)
    bench.host.regain_parent(MTTY)
    assert bench.engine.restore(ME) == (given,)


def test_one_that_is_there_as_something_else_is_told(bench):
    (given,) = bench.engine.allocate(ME, [request()])
    bench.host.lose_mdev(given.uuid)
    bench.host.place(given.uuid, MTTY, 'mtty-2')
    with pytest.raises(exceptions.HostError):
        bench.engine.restore(ME)
    assert bench.engine.claimed(ME) == (given,)


# Found in a guest


def test_what_nobody_knew_was_found(bench):
    bench.host.place(STRANGER, MTTY, 'mtty-2')
    (adopted,) = bench.engine.adopt(ME.upper(), {STRANGER.upper(): TWO})
    assert (adopted.uuid, adopted.mdev_type) == (STRANGER, 'mtty-2')
    assert adopted.origin is FOUND
    claim = bench.record.claims[STRANGER]
    assert (claim.consumer, claim.resource_class) == (ME, TWO)
    assert (claim.owner, claim.state) == (PLACEMENT, READY)
    assert bench.engine.release(ME) == (adopted,)
    assert bench.live == {STRANGER}


def test_it_is_what_its_consumer_was_promised(bench):
    bench.host.place(STRANGER, MTTY, 'mtty-2')
    adopted = bench.engine.adopt(ME, {STRANGER: TWO})
    assert bench.engine.allocate(ME, [request(resource_class=TWO)]) == adopted
    assert bench.acts() == []


def test_at_the_first_start_too(tmp_path):
    """The guest's own was not found with the others: it is adopted after it."""
    host = fixture.mtty()
    for uuid in (STRANGER, MORE):
        host.place(uuid, MTTY, 'mtty-1')
    store = claims.ClaimStore(str(tmp_path / 'state'), 'm' * 32)
    acting = engine.Engine(host, store, policy.Policy(), lambda: {STRANGER})
    assert uuids(acting.adopt(ME, {STRANGER: ONE})) == [STRANGER]
    assert set(store.load().mdevs) == {STRANGER, MORE}
    assert set(store.load().claims) == {STRANGER}


@pytest.mark.parametrize('origin', [CREATED, FOUND])
@pytest.mark.parametrize('is_live', [True, False])
def test_what_is_known_keeps_what_is_known(bench, origin, is_live):
    known = know(bench, origin=origin, attributes=(('a', '1'),))
    if is_live:
        bench.host.place(KNOWN, MTTY, 'mtty-1')
    assert uuids(bench.engine.adopt(ME, {KNOWN: ONE})) == [KNOWN]
    assert bench.record.mdevs == {KNOWN: known}
    assert bench.record.claims[KNOWN].consumer == ME
    assert bench.live == ({KNOWN} if is_live else set())


def test_what_was_known_as_something_else_is_what_is_there(bench):
    know(bench, origin=CREATED, mdev_type='mtty-1')
    bench.host.place(KNOWN, MTTY, 'mtty-2')
    (adopted,) = bench.engine.adopt(ME, {KNOWN: TWO})
    assert (adopted.mdev_type, adopted.origin) == ('mtty-2', FOUND)


@pytest.mark.parametrize('there', [None, 'mtty-1', 'mtty-2'])
def test_an_accelerators_stays_that(bench, there):
    know(bench, origin=FOREIGN)
    if there:
        bench.host.place(KNOWN, MTTY, there)
    (adopted,) = bench.engine.adopt(ME, {KNOWN: ONE})
    assert (adopted.mdev_type, adopted.origin) == (there or 'mtty-1', FOREIGN)
    claim = bench.record.claims[KNOWN]
    assert (claim.owner, claim.resource_class) == (ACCELERATOR, '')


def test_its_own_is_kept_and_costs_no_look(bench):
    given = bench.engine.allocate(ME, [request(amount=2)])
    before = bench.record
    bench.host.calls.clear()
    wanted = dict.fromkeys(uuids(given), 'CUSTOM_OTHER')
    assert bench.engine.adopt(ME, wanted) == given
    assert (bench.record, bench.host.calls) == (before, [])


def test_many_guests_after_one_look(bench):
    for uuid in (STRANGER, MORE):
        bench.host.place(uuid, MTTY, 'mtty-1')
    seen = bench.host.snapshot()
    bench.host.calls.clear()
    for consumer, uuid in ((ME, STRANGER), (OTHER, MORE)):
        bench.engine.adopt(consumer, {uuid: ONE}, seen)
    assert {c.parents for c in bench.host.calls} == {(MTTY,)}
    assert set(bench.record.claims) == {STRANGER, MORE}


@pytest.mark.parametrize(
    ('bad', 'kind', 'told'),
    [
        pytest.param('anothers', exceptions.HostError, OTHER, id='anothers'),
        pytest.param('gone', exceptions.NotFound, MORE, id='neither-known-nor-there'),
        pytest.param('untyped', exceptions.NotFound, 'its type', id='type-untold'),
    ],
)
def test_one_bad_one_and_nothing_changes(bench, monkeypatch, bad, kind, told):
    bench.host.place(STRANGER, MTTY, 'mtty-1')
    if bad == 'anothers':
        know(bench, MORE)
        give(bench, MORE, OTHER)
    seen = bench.host.snapshot()
    if bad == 'untyped':
        blank = model.Mdev(uuid=MORE, parent=MTTY, mdev_type=None)
        seen = dataclasses.replace(seen, mdevs={**seen.mdevs, MORE: blank})
    before = bench.record
    with pytest.raises(kind, match=f'{MORE}.*{told}|{told}.*'):
        bench.engine.adopt(ME, {STRANGER: ONE, MORE: ONE}, seen)
    assert bench.record == before


def test_no_uuid_and_nothing_changes(bench):
    with pytest.raises(exceptions.InvalidName):
        bench.engine.adopt(ME, {'x': ONE})
    assert bench.is_as_if_nothing_had_happened()


def test_an_idle_one_that_is_being_given_is_waited_for(tmp_path):
    """Both want the one mdev that is there: it is one's, and the other is told."""
    host = fixture.mtty(ports=1)
    host.place(KNOWN, MTTY, 'mtty-1')
    bench = benches.Bench(tmp_path, host)
    results = []

    def adopt():
        try:
            results.append(bench.engine.adopt(OTHER, {KNOWN: ONE}))
        except exceptions.MdevError as e:
            results.append(e)

    adopting = threading.Thread(target=adopt)
    snapshot, looks = host.snapshot, itertools.count()

    def look(parents=None):
        seen = snapshot(parents)
        if next(looks) == 1:
            # The second look of an allocation: its device is held.
            adopting.start()
            adopting.join(0.5)
            assert adopting.is_alive()
        return seen

    host.snapshot = look
    assert uuids(bench.engine.allocate(ME, [request()])) == [KNOWN]
    adopting.join(60)
    assert [type(r) for r in results] == [exceptions.HostError]
    assert bench.held(ME) == [KNOWN]


def test_one_that_is_about_to_be_forgotten_is_waited_for(bench, monkeypatch):
    """It is gone and nobody's, and then it is in a guest after all."""
    know(bench, MORE)
    forgetting = threading.Thread(
        target=bench.engine.reconcile, args=(engine.Elsewhere(guests=(), defined=()),)
    )
    snapshot = bench.host.snapshot

    def look(parents=None):
        seen = snapshot(parents)
        if not forgetting.ident:
            forgetting.start()
            forgetting.join(0.5)
            assert forgetting.is_alive()
        return seen

    monkeypatch.setattr(bench.host, 'snapshot', look)
    bench.engine.adopt(ME, {MORE: ONE})
    forgetting.join(60)
    assert bench.held(ME) == [MORE]


# Looks that change nothing


def test_a_look_is_of_the_host_and_the_record(bench):
    bench.engine.allocate(ME, [request()])
    bench.host.place(STRANGER, MTTY, 'mtty-1')
    seen = bench.engine.look()
    assert (seen.snapshot, seen.claims) == (bench.host.snapshot(), bench.record)


def test_without_a_record_it_is_what_a_first_start_would_find(unused, tmp_path):
    for uuid in (STRANGER, MORE):
        unused._host.place(uuid, MTTY, 'mtty-1')
    unused._guests = lambda: {MORE}
    seen = unused.look()
    assert {u: m.origin for u, m in seen.claims.mdevs.items()} == {STRANGER: FOUND}
    assert not (tmp_path / 'unused').exists()


def disturbed(bench, monkeypatch, times):
    """So often something is given while the host is being looked at."""
    snapshot, looks = bench.host.snapshot, itertools.count(1)
    consumers = iter(scenes.CONSUMERS)

    def look(parents=None):
        seen = snapshot(parents)
        if parents is None and next(looks) <= times:
            bench.engine.allocate(next(consumers), [request()])
        return seen

    monkeypatch.setattr(bench.host, 'snapshot', look)


@pytest.mark.parametrize('times', [0, 1, 4])
def test_what_is_given_meanwhile_is_looked_at_again(bench, monkeypatch, times):
    disturbed(bench, monkeypatch, times)
    seen = bench.engine.look()
    assert set(seen.snapshot.mdevs) == set(seen.claims.claims)
    assert len(seen.claims.claims) == times


def test_it_does_not_look_for_ever(bench, monkeypatch):
    disturbed(bench, monkeypatch, 50)
    seen = bench.engine.look()
    # The record is the later of the two: nothing that was seen is unknown to it.
    assert set(seen.snapshot.mdevs) < set(seen.claims.claims)
    assert len(seen.claims.claims) == 5


def test_the_device_api_of_each_from_one_look(tmp_path):
    bench = benches.Bench(tmp_path, fixture.s390())
    wanted = [
        request('css_0_0_0023', 'CUSTOM_VFIO_CCW_IO'),
        request('ap_matrix', 'CUSTOM_VFIO_AP_PASSTHROUGH'),
    ]
    given = bench.engine.allocate(ME, wanted)
    bench.host.calls.clear()
    apis = bench.engine.apis(given)
    assert [apis[device.uuid] for device in given] == ['vfio-ap', 'vfio-ccw']
    (call,) = bench.host.calls
    assert set(call.parents) == {'ap_matrix', 'css_0_0_0023'}


def test_of_nothing_there_is_no_look(bench):
    assert bench.engine.apis(()) == {}
    assert bench.host.calls == []


def test_an_api_that_nobody_tells_is_told_as_such(bench):
    given = bench.engine.allocate(ME, [request()])
    bench.host.lose_parent(MTTY)
    with pytest.raises(exceptions.NotFound, match=f'{given[0].uuid}.*{MTTY}'):
        bench.engine.apis(given)
