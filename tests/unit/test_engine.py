# SPDX-License-Identifier: Apache-2.0
"""Claim before effect, all or nothing, nobody shares: on every kind of pool."""

from __future__ import annotations

import collections
import errno
import multiprocessing
import os
import threading

import pytest

from nova_generic_mdev import claims
from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev import record
from nova_generic_mdev.host import sysfs
from tests import pools
from tests.unit import benches
from tests.unit import scenes

MTTY = 'mtty_mtty'
ONE, TWO = 'CUSTOM_MTTY_1', 'CUSTOM_MTTY_2'
ME, OTHER = scenes.CONSUMERS[:2]
KEEP = policy.OnRelease.KEEP
PENDING, READY, LOST = record.ClaimState
FOUND, CREATED = record.Origin.FOUND, record.Origin.CREATED


class_of, rule, request = benches.class_of, benches.rule, benches.request
Bench = benches.Bench


@pytest.fixture
def make(tmp_path):
    return lambda *args, **kwargs: Bench(tmp_path / 'state', *args, **kwargs)


@pytest.fixture
def bench(make):
    return make()


# Given


def test_what_is_given_is_on_the_host_and_in_the_record(bench):
    given = bench.engine.allocate(ME, [request(amount=2), request(MTTY, TWO)])
    assert [(d.parent, d.mdev_type, d.origin) for d in given] == [
        (MTTY, 'mtty-1', CREATED),
        (MTTY, 'mtty-1', CREATED),
        (MTTY, 'mtty-2', CREATED),
    ]
    assert {d.uuid for d in given} == bench.live
    now = bench.record
    for device in given:
        claim, known = now.claims[device.uuid], now.mdevs[device.uuid]
        assert (claim.consumer, claim.state) == (ME, READY)
        assert claim.owner is record.Owner.PLACEMENT
        assert (known.origin, known.backend) == (CREATED, 'sysfs')
    assert {now.claims[d.uuid].resource_class for d in given} == {ONE, TWO}


def test_the_claim_says_who_asked(bench):
    bench.engine.allocate(ME.upper(), [request()], owner=record.Owner.CLI)
    (claim,) = bench.record.of(ME)
    assert claim.owner is record.Owner.CLI


def test_the_attributes_of_the_rule_reach_the_host_and_the_record(make):
    wanted = (('vram', '5'), ('vram', '4'))
    bench = make(rules=[rule('mtty-1', attributes=wanted)])
    (device,) = bench.engine.allocate(ME, [request()])
    (call,) = [c for c in bench.host.calls if c.verb == 'create']
    assert call.attributes == wanted
    assert bench.record.mdevs[device.uuid].attributes == wanted


def test_what_is_released_is_told_in_the_order_in_which_it_was_given(bench):
    wanted = [request(amount=4), request(resource_class=TWO, amount=4)]
    given = bench.engine.allocate(ME, wanted)
    assert bench.engine.release(ME) == given


def test_asked_again_it_gives_the_same_and_does_nothing(bench):
    requests = [request(amount=3), request(MTTY, TWO)]
    first = bench.engine.allocate(ME, requests)
    before = bench.record
    bench.host.calls.clear()
    assert bench.engine.allocate(ME, requests[::-1]) == first
    assert bench.acts() == []
    assert bench.record == before


def test_asked_for_more_it_keeps_and_adds(bench):
    first = bench.engine.allocate(ME, [request()])
    more = bench.engine.allocate(ME, [request(amount=3)])
    assert set(first) < set(more)
    assert len(bench.live) == 3


def test_asked_for_less_it_refuses_and_keeps(bench):
    first = bench.engine.allocate(ME, [request(amount=2)])
    with pytest.raises(exceptions.RequestError, match='more than asked'):
        bench.engine.allocate(ME, [request()])
    assert bench.live == {d.uuid for d in first} == set(bench.held())


def test_nothing_is_nothing(bench):
    assert bench.engine.allocate(ME, []) == ()
    assert bench.is_as_if_nothing_had_happened()


def test_a_consumer_that_is_none(bench):
    for call in (lambda c: bench.engine.allocate(c, [request()]), bench.engine.release):
        with pytest.raises(exceptions.InvalidName):
            call('../me')
    assert bench.is_as_if_nothing_had_happened()


def test_a_missing_one_comes_back_as_it_was(make):
    was = (('a', '1'),)
    bench = make(rules=[rule('mtty-2', attributes=was)])
    (device,) = bench.engine.allocate(ME, [request(MTTY, TWO)])
    bench.host.lose_mdev(device.uuid)
    bench.host.calls.clear()
    assert bench.engine.allocate(ME, [request(MTTY, TWO)]) == (device,)
    (call,) = [c for c in bench.host.calls if c.verb == 'create']
    assert (call.uuid, call.mdev_type, call.attributes) == (device.uuid, 'mtty-2', was)
    assert bench.record.claims[device.uuid].state is READY


def test_a_missing_one_is_lost_while_it_is_made_again(bench):
    (device,) = bench.engine.allocate(ME, [request()])
    bench.host.lose_mdev(device.uuid)
    seen = []
    bench.host.before_create(
        2, lambda: seen.append(bench.record.claims[device.uuid].state)
    )
    bench.engine.allocate(ME, [request()])
    assert seen == [LOST]


def test_a_missing_one_that_cannot_come_back_stays_claimed(bench):
    (device,) = bench.engine.allocate(ME, [request()])
    bench.host.lose_mdev(device.uuid)
    bench.host.fail_create(2, errno.EIO)
    with pytest.raises(exceptions.HostError):
        bench.engine.allocate(ME, [request(amount=2)])
    assert bench.held() == [device.uuid]
    assert bench.engine.allocate(ME, [request()]) == (device,)


def test_the_first_start_finds_what_is_there(tmp_path):
    host = fixture.mtty()
    host.place(scenes.UUIDS[0], MTTY, 'mtty-1')
    bench = Bench(tmp_path, host)
    (given,) = bench.engine.allocate(ME, [request()])
    assert (given.uuid, given.origin) == (scenes.UUIDS[0], FOUND)
    assert bench.acts() == []
    bench.engine.release(ME)
    assert bench.live == {scenes.UUIDS[0]}
    assert list(bench.record.mdevs) == [scenes.UUIDS[0]]


@pytest.mark.parametrize(
    ('in_guests', 'found'),
    [
        pytest.param([ME], set(), id='what a guest has stays its own'),
        pytest.param([OTHER], {ME}, id='what no guest has is ours'),
        pytest.param(None, {ME}, id='nobody could tell'),
    ],
)
def test_the_first_start_leaves_the_mdevs_of_guests_alone(tmp_path, in_guests, found):
    host = fixture.mtty()
    host.place(ME, MTTY, 'mtty-1')
    store = claims.ClaimStore(str(tmp_path), 'm' * 32)

    engine.Engine(host, store, policy.Policy(), lambda: in_guests).start()

    assert set(store.load().mdevs) == found


def test_found_ones_stay_where_they_are_not_reused(tmp_path):
    host = fixture.mtty()
    host.place(scenes.UUIDS[0], MTTY, 'mtty-1')
    bench = Bench(tmp_path, host, reuse_found=False)
    (given,) = bench.engine.allocate(ME, [request()])
    assert given.origin is CREATED


def test_what_came_from_elsewhere_is_never_handed_out(bench):
    bench.host.place(scenes.UUIDS[0], MTTY, 'mtty-1')
    (given,) = bench.engine.allocate(ME, [request()])
    assert given.uuid != scenes.UUIDS[0]
    assert scenes.UUIDS[0] not in bench.record.mdevs


@pytest.mark.parametrize(
    'row', [pytest.param(row, id=row.id) for row in pools.POOL_SEQUENCES]
)
def test_each_kind_of_pool_is_used_up_and_given_back(row, make):
    bench = make(getattr(fixture, row.host)(**row.arguments))
    consumers = iter(scenes.CONSUMERS)
    gave = []
    for step in row.steps:
        for _ in range(step.times):
            gave.append(next(consumers))
            wanted = [request(step.parent, class_of(step.mdev_type))]
            bench.engine.allocate(gave[-1], wanted)
    parent, mdev_type, _ = row.refused
    before = bench.record
    with pytest.raises(exceptions.CapacityError):
        bench.engine.allocate(next(consumers), [request(parent, class_of(mdev_type))])
    assert bench.record == before
    assert len(bench.live) == len(gave)
    for consumer in gave:
        bench.engine.release(consumer)
    assert bench.is_as_if_nothing_had_happened()
    now = bench.host.snapshot()
    assert {
        name: {t.id: t.available_instances for t in one.types.values()}
        for name, one in now.parents.items()
    } == row.start


# The claim comes first


def test_all_claims_are_written_before_the_first_effect(bench):
    at_create = []

    def look():
        made = [c.uuid for c in bench.host.calls if c.verb == 'create']
        now = bench.record
        at_create.append((made[-1], {u: c.state for u, c in now.claims.items()}))

    for nth in (1, 2, 3):
        bench.host.before_create(nth, look)
    given = bench.engine.allocate(ME, [request(amount=2), request(MTTY, TWO)])
    uuids = {d.uuid for d in given}
    assert [uuid in uuids for uuid, _ in at_create] == [True] * 3
    assert [states for _, states in at_create] == [dict.fromkeys(uuids, PENDING)] * 3
    assert {c.state for c in bench.record.claims.values()} == {READY}


def test_nothing_is_done_when_the_claim_cannot_be_written(bench, monkeypatch):
    def refuse(self, claim):
        raise exceptions.ClaimsError(bench.store.path, 'full')

    monkeypatch.setattr(claims.Session, 'add_claim', refuse)
    with pytest.raises(exceptions.ClaimsError):
        bench.engine.allocate(ME, [request(amount=2)])
    assert bench.acts() == []
    assert bench.is_as_if_nothing_had_happened()


def test_nothing_is_done_when_it_cannot_be_decided(bench):
    with pytest.raises(exceptions.CapacityError):
        bench.engine.allocate(ME, [request(), request(MTTY, TWO, amount=13)])
    assert bench.acts() == []
    assert bench.is_as_if_nothing_had_happened()


# Undone


@pytest.mark.parametrize('nth', [1, 2, 3])
@pytest.mark.parametrize(
    ('number', 'kind'),
    [
        pytest.param(errno.ENOSPC, exceptions.CapacityError, id='ENOSPC'),
        pytest.param(errno.EUSERS, exceptions.CapacityError, id='EUSERS'),
        pytest.param(errno.EPERM, exceptions.CapacityError, id='EPERM'),
        pytest.param(errno.EAGAIN, exceptions.CapacityError, id='EAGAIN'),
        pytest.param(errno.EIO, exceptions.HostError, id='EIO'),
        pytest.param(errno.ENODEV, exceptions.NotFound, id='ENODEV'),
    ],
)
def test_a_create_that_the_kernel_refuses_undoes_all(bench, nth, number, kind):
    bench.host.fail_create(nth, number)
    with pytest.raises(kind) as caught:
        bench.engine.allocate(ME, [request(amount=2), request(MTTY, TWO)])
    assert type(caught.value) is kind
    assert bench.is_as_if_nothing_had_happened()
    assert len(bench.engine.allocate(ME, [request(amount=2)])) == 2


def test_types_that_fit_alone_and_not_together(bench):
    wanted = [request(amount=23), request(MTTY, TWO)]
    with pytest.raises(exceptions.CapacityError) as caught:
        bench.engine.allocate(ME, wanted)
    assert caught.value.errno == errno.ENOSPC
    assert bench.is_as_if_nothing_had_happened()


@pytest.mark.parametrize(
    'error',
    [
        pytest.param(KeyboardInterrupt, id='the-user-ended-it'),
        pytest.param(RuntimeError, id='a-mistake-of-ours'),
    ],
)
def test_whatever_ends_it_undoes_it(bench, error):
    def end():
        raise error

    bench.host.before_create(2, end)
    with pytest.raises(error):
        bench.engine.allocate(ME, [request(amount=3)])
    assert bench.is_as_if_nothing_had_happened()


def test_what_was_held_before_is_not_undone(bench):
    first = bench.engine.allocate(ME, [request()])
    bench.host.fail_create(3, errno.ENOSPC)
    with pytest.raises(exceptions.CapacityError):
        bench.engine.allocate(ME, [request(amount=3)])
    assert bench.live == {d.uuid for d in first} == set(bench.held())


def test_a_reused_one_goes_back_idle(tmp_path):
    host = fixture.mtty()
    host.place(scenes.UUIDS[0], MTTY, 'mtty-1')
    bench = Bench(tmp_path, host)
    host.fail_create(1, errno.ENOSPC)
    with pytest.raises(exceptions.CapacityError):
        bench.engine.allocate(ME, [request(amount=2)])
    assert bench.live == {scenes.UUIDS[0]}
    assert list(bench.record.mdevs) == [scenes.UUIDS[0]]
    assert not bench.record.claims


def test_it_is_undone_when_the_last_transaction_fails(bench, monkeypatch):
    refusals = iter([True])
    set_state = claims.Session.set_state

    def refuse_once(self, uuid, state):
        if next(refusals, False):
            raise exceptions.ClaimsError(bench.store.path, 'full')
        set_state(self, uuid, state)

    monkeypatch.setattr(claims.Session, 'set_state', refuse_once)
    with pytest.raises(exceptions.ClaimsError, match='full'):
        bench.engine.allocate(ME, [request(amount=2)])
    assert bench.is_as_if_nothing_had_happened()


def stuck_while_undoing(bench):
    """Ours, the first of two, is in use at once, and the second is refused."""

    def attach():
        bench.host.attach(next(iter(bench.live)), 'guest g')
        raise exceptions.CapacityError(MTTY, 'mtty-1', 1, None, errno.ENOSPC)

    bench.host.before_create(2, attach)
    with pytest.raises(exceptions.CapacityError):
        bench.engine.allocate(ME, [request(amount=2)])


def test_what_cannot_be_undone_stays_known_as_ours(bench):
    stuck_while_undoing(bench)
    (uuid,) = bench.live
    now = bench.record
    assert list(now.mdevs) == [uuid]
    assert now.mdevs[uuid].origin is CREATED
    assert not now.claims


def test_what_could_not_be_undone_is_not_the_next_tenants(bench):
    stuck_while_undoing(bench)
    (given,) = bench.engine.allocate(OTHER, [request()])
    assert {given.uuid} == set(bench.held(OTHER))
    assert len(bench.live) == 2


def test_a_crash_of_the_undoing_forgets_nothing(bench, monkeypatch):
    def crash(uuid, backend=None, parent=None):
        raise RuntimeError

    bench.host.fail_create(2, errno.EIO)
    monkeypatch.setattr(bench.host, 'remove', crash)
    with pytest.raises(RuntimeError):
        bench.engine.allocate(ME, [request(amount=2)])
    assert bench.live <= set(bench.record.mdevs)


def die_at_create(state_path, nth):
    """In a process of its own."""
    bench = Bench(state_path)
    bench.host.before_create(nth, lambda: os._exit(9))
    bench.engine.allocate(ME, [request(amount=2)])


@pytest.mark.parametrize('done', [0, 1])
def test_a_crash_leaves_a_trace_and_the_next_try_completes_it(tmp_path, done):
    context = multiprocessing.get_context('spawn')
    process = context.Process(target=die_at_create, args=(str(tmp_path), done + 1))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    bench = Bench(tmp_path)
    assert [c.state for c in bench.record.of(ME)] == [PENDING] * 2
    # The host in memory was that process's own: what it had made is there.
    for uuid in bench.held()[:done]:
        bench.host.place(uuid, MTTY, 'mtty-1')
    given = bench.engine.allocate(ME, [request(amount=2)])
    assert sorted(d.uuid for d in given) == bench.held()
    assert bench.live == set(bench.held())
    # Also one that is there: it may not have its attributes yet.
    assert bench.acts().count('create') == 2
    assert [c.state for c in bench.record.of(ME)] == [READY] * 2


# Taken


def test_what_we_created_is_removed_and_forgotten(bench):
    given = bench.engine.allocate(ME, [request(amount=2)])
    assert set(bench.engine.release(ME)) == set(given)
    assert bench.is_as_if_nothing_had_happened()
    assert bench.engine.release(ME) == ()


def test_the_claim_goes_after_the_mdev(bench, monkeypatch):
    (device,) = bench.engine.allocate(ME, [request()])
    seen = []
    remove = bench.host.remove

    def look(uuid, backend=None, parent=None):
        seen.append((parent, list(bench.record.claims)))
        remove(uuid, backend, parent)

    monkeypatch.setattr(bench.host, 'remove', look)
    bench.engine.release(ME)
    assert seen == [(device.parent, [device.uuid])]


def test_what_is_kept_is_the_next_consumers(make):
    bench = make(rules=[rule('mtty-1', on_release=KEEP)])
    (device,) = bench.engine.allocate(ME, [request()])
    bench.engine.release(ME)
    assert bench.acts() == ['create']
    assert (list(bench.record.mdevs), bench.held()) == ([device.uuid], [])
    (again,) = bench.engine.allocate(OTHER, [request()])
    assert again == device


def test_a_type_no_longer_configured_is_removed(bench):
    bench.engine.allocate(ME, [request()])
    later = engine.Engine(bench.host, bench.store, policy.Policy())
    later.release(ME)
    assert bench.is_as_if_nothing_had_happened()


def test_only_what_is_the_consumers_is_taken(bench):
    bench.engine.allocate(ME, [request()])
    (others,) = bench.engine.allocate(OTHER, [request()])
    bench.engine.release(ME)
    assert bench.live == {others.uuid} == set(bench.held(OTHER))


def test_an_mdev_that_is_gone_is_released_all_the_same(bench):
    (device,) = bench.engine.allocate(ME, [request()])
    bench.host.lose_parent(MTTY)
    assert bench.engine.release(ME) == (device,)
    assert bench.is_as_if_nothing_had_happened()


def test_one_in_use_stays_claimed_and_the_others_go(bench):
    given = bench.engine.allocate(ME, [request(amount=3)])
    bench.host.attach(given[1].uuid, 'guest g')
    with pytest.raises(exceptions.InUse, match='guest g') as caught:
        bench.engine.release(ME)
    assert caught.value.uuid == given[1].uuid
    assert bench.live == {given[1].uuid} == set(bench.held())
    bench.host.detach(given[1].uuid)
    assert [d.uuid for d in bench.engine.release(ME)] == [given[1].uuid]
    assert bench.is_as_if_nothing_had_happened()


def test_one_that_the_kernel_does_not_let_go_keeps_its_claim(bench, monkeypatch):
    given = bench.engine.allocate(ME, [request(amount=2)])
    remove = bench.host.remove

    def refuse_the_first(uuid, backend=None, parent=None):
        if uuid == given[0].uuid:
            raise exceptions.HostError(f'mdev {uuid}', 'broken')
        remove(uuid, backend, parent)

    monkeypatch.setattr(bench.host, 'remove', refuse_the_first)
    with pytest.raises(exceptions.HostError, match='broken'):
        bench.engine.release(ME)
    assert bench.live == {given[0].uuid} == set(bench.held())


def test_a_release_where_nothing_was_ever_given_makes_no_record(tmp_path):
    store = claims.ClaimStore(str(tmp_path / 'state'), 'm' * 32)
    assert engine.Engine(fixture.mtty(), store, policy.Policy()).release(ME) == ()
    assert not (tmp_path / 'state').exists()


# Many at once


def at_once(*works):
    """Run these at the same moment; what each returned or raised."""
    gate = threading.Barrier(len(works))
    results = [None] * len(works)

    def run(number, work):
        gate.wait(30)
        try:
            results[number] = work()
        except exceptions.MdevError as e:
            results[number] = e

    threads = [threading.Thread(target=run, args=one) for one in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    return results


def given_to(results):
    """The uuids that were given, each once; what else happened."""
    uuids = [d.uuid for r in results if isinstance(r, tuple) for d in r]
    assert len(uuids) == len(set(uuids))
    return set(uuids), [r for r in results if not isinstance(r, tuple)]


def test_consumers_at_once_share_nothing_and_get_all_there_is(make):
    bench = make(fixture.mtty(ports=8))
    results = at_once(
        *(
            lambda c=c: bench.engine.allocate(c, [request()])
            for c in scenes.CONSUMERS[:12]
        )
    )
    uuids, refused = given_to(results)
    assert uuids == bench.live == set(bench.record.claims)
    assert len(uuids) == 8
    assert [type(e) for e in refused] == [exceptions.CapacityError] * 4


def test_consumers_at_once_get_each_idle_one_once(tmp_path):
    host = fixture.mtty(ports=6)
    for uuid in scenes.UUIDS[:4]:
        host.place(uuid, MTTY, 'mtty-1')
    bench = Bench(tmp_path, host)
    results = at_once(
        *(
            lambda c=c: bench.engine.allocate(c, [request()])
            for c in scenes.CONSUMERS[:8]
        )
    )
    uuids, refused = given_to(results)
    assert uuids == bench.live > set(scenes.UUIDS[:4])
    assert (len(uuids), len(refused)) == (6, 2)


def test_the_same_consumer_twice_at_once_has_it_once(bench):
    results = at_once(*[lambda: bench.engine.allocate(ME, [request(amount=2)])] * 4)
    assert len(set(results)) == 1
    assert set(bench.held()) == bench.live
    assert len(bench.live) == 2


def test_the_same_consumer_with_two_wishes_at_once_has_one_of_them(make):
    bench = make(fixture.pci_mtty(n=2))
    parents = sorted(bench.host.snapshot().parents)
    results = at_once(
        *(
            lambda p=p: bench.engine.allocate(ME, [request(p, 'CUSTOM_MTTYPCI_1')])
            for p in parents
        )
    )
    uuids, refused = given_to(results)
    assert len(uuids) == 1
    assert [type(e) for e in refused] == [exceptions.RequestError]
    assert uuids == bench.live == set(bench.held())


def test_given_and_taken_at_once_leaves_nothing_unknown(bench):
    for _ in range(10):
        at_once(
            lambda: bench.engine.allocate(ME, [request(amount=2)]),
            lambda: bench.engine.release(ME),
        )
        assert bench.live == set(bench.held()) == set(bench.record.mdevs)
        bench.engine.release(ME)


@pytest.mark.parametrize(
    ('limit', 'most'),
    [
        pytest.param({'max_instances': 3}, 3, id='of-the-host'),
        pytest.param({'max_instances_per_device': 2}, 4, id='per-device'),
    ],
)
def test_a_limit_holds_across_devices_at_once(make, limit, most):
    rules = [rule('mttypci-1', **limit)]
    bench = make(fixture.pci_mtty(n=2), rules=rules)
    parents = sorted(bench.host.snapshot().parents)
    results = at_once(
        *(
            lambda c=c, n=n: bench.engine.allocate(
                c, [request(parents[n % 2], 'CUSTOM_MTTYPCI_1')]
            )
            for n, c in enumerate(scenes.CONSUMERS[:8])
        )
    )
    uuids, refused = given_to(results)
    assert len(uuids) == len(bench.live) == most
    assert {type(e) for e in refused} == {exceptions.CapacityError}


def test_parents_in_any_order_wait_for_nobody_in_a_ring(make):
    bench = make(fixture.pci_mtty(n=3))
    parents = sorted(bench.host.snapshot().parents)
    orders = [parents, parents[::-1], parents[1:] + parents[:1]] * 3
    results = at_once(
        *(
            lambda c=c, order=order: bench.engine.allocate(
                c, [request(p, 'CUSTOM_MTTYPCI_1') for p in order]
            )
            for c, order in zip(scenes.CONSUMERS, orders, strict=False)
        )
    )
    uuids, refused = given_to(results)
    assert (len(uuids), refused) == (27, [])


def test_functions_of_one_card_order_themselves(make):
    """A card with room for two is asked through all of its functions at once."""
    bench = make(fixture.sriov_card(vfs=6, capacity=2))
    results = at_once(
        *(
            lambda c=c, n=n: bench.engine.allocate(
                c, [request(f'pci_0000_41_00_{4 + n}', 'CUSTOM_NVIDIA_558')]
            )
            for n, c in enumerate(scenes.CONSUMERS[:4])
        )
    )
    uuids, refused = given_to(results)
    assert (len(uuids), len(refused)) == (2, 2)
    # Decided with all of the card held: none was tried in vain.
    assert bench.acts() == ['create', 'create']


def test_nobody_waits_for_a_removal_on_another_consumers_behalf(bench, monkeypatch):
    """Removing can take long: the kernel waits for whoever uses the mdev."""
    bench.engine.allocate(ME, [request()])
    removing, done = threading.Event(), threading.Event()
    remove = bench.host.remove

    def slow(uuid, backend=None, parent=None):
        removing.set()
        assert done.wait(30)
        remove(uuid, backend, parent)

    monkeypatch.setattr(bench.host, 'remove', slow)
    thread = threading.Thread(target=bench.engine.release, args=(ME,))
    thread.start()
    try:
        assert removing.wait(30)
        assert bench.engine.allocate(OTHER, [request()])
    finally:
        done.set()
        thread.join(30)
    assert not bench.held()


# Limits are counted by what is there


LIMITS = [{'max_instances': 1}, {'max_instances_per_device': 1}]


@pytest.mark.parametrize('limit', LIMITS, ids=str)
def test_a_kept_one_that_a_reboot_took_uses_no_limit(make, limit):
    rules = [rule('mttypci-1', on_release=KEEP, **limit)]
    bench = make(fixture.pci_mtty(n=2), rules=rules)
    five, six = sorted(bench.host.snapshot().parents)
    bench.engine.allocate(ME, [request(five, 'CUSTOM_MTTYPCI_1')])
    bench.engine.release(ME)
    for uuid in bench.live:
        bench.host.lose_mdev(uuid)
    assert bench.engine.allocate(OTHER, [request(six, 'CUSTOM_MTTYPCI_1')])


def test_an_idle_one_on_another_parent_uses_the_limit_of_the_host(make):
    rules = [rule('mttypci-1', on_release=KEEP, max_instances=1)]
    bench = make(fixture.pci_mtty(n=2), rules=rules)
    five, six = sorted(bench.host.snapshot().parents)
    bench.engine.allocate(ME, [request(five, 'CUSTOM_MTTYPCI_1')])
    bench.engine.release(ME)
    with pytest.raises(exceptions.CapacityError):
        bench.engine.allocate(OTHER, [request(six, 'CUSTOM_MTTYPCI_1')])


@pytest.mark.parametrize('limit', LIMITS, ids=str)
def test_a_services_idle_one_is_not_looked_for(make, limit):
    """It counts where it is seen, as one that nobody knows."""
    bench = make(fixture.pci_mtty(n=2), rules=[rule('mttypci-1', **limit)])
    five, six = sorted(bench.host.snapshot().parents)
    asked = engine.Ask(uuid=scenes.UUIDS[0], parent=five, mdev_type='mttypci-1')
    bench.engine.accelerate(ME, [asked])
    bench.engine.release(ME)
    seen = looks(bench, [request(six, 'CUSTOM_MTTYPCI_1')])
    assert seen == [(six,), (six,)]


def test_a_limit_per_device_counts_all_functions(make):
    rules = [rule('nvidia-558', max_instances_per_device=1)]
    bench = make(fixture.sriov_card(vfs=4, capacity=4), rules=rules)
    functions = sorted(bench.host.snapshot().parents)
    bench.engine.allocate(ME, [request(functions[0], 'CUSTOM_NVIDIA_558')])
    with pytest.raises(exceptions.CapacityError):
        bench.engine.allocate(OTHER, [request(functions[1], 'CUSTOM_NVIDIA_558')])


# What it costs


class CountingTree(sysfs.Tree):
    """Counts each access to the file system."""

    count = 0

    def _at(self, path):
        CountingTree.count += 1
        return super()._at(path)


def looks(bench, wanted):
    bench.host.calls.clear()
    bench.engine.allocate(ME, wanted)
    return [c.parents for c in bench.host.calls if c.verb == 'snapshot']


def crowded(bench, parents, each=4):
    """Others hold mdevs on these parents."""
    for number, parent in enumerate(parents):
        for more in range(each):
            consumer = f'e0000000-0000-4000-8000-{number * 100 + more:012x}'
            bench.engine.allocate(consumer, [request(parent, 'CUSTOM_MTTYPCI_1')])


@pytest.mark.parametrize('limit', [{}, {'max_instances': 99}], ids=str)
def test_an_allocation_looks_twice_and_at_nothing_else(make, limit):
    bench = make(fixture.pci_mtty(n=6), rules=[rule('mttypci-1', **limit)])
    mine, *others = sorted(bench.host.snapshot().parents)
    crowded(bench, others)
    seen = looks(bench, [request(mine, 'CUSTOM_MTTYPCI_1')])
    assert seen == [(mine,), (mine,)]


@pytest.mark.parametrize('parents', [1, 8])
def test_the_part_of_the_record_that_is_read_does_not_grow(make, parents, monkeypatch):
    bench = make(fixture.pci_mtty(n=parents))
    mine, *others = sorted(bench.host.snapshot().parents)
    crowded(bench, others)
    loaded = []
    load = bench.store.load
    monkeypatch.setattr(
        bench.store, 'load', lambda scope: loaded.append(load(scope)) or loaded[-1]
    )
    bench.engine.allocate(ME, [request(mine, 'CUSTOM_MTTYPCI_1')])
    assert [len(part.mdevs) for part in loaded] == [0]


class OnTree:
    """Looks at a written tree, counting, and acts on a host in memory."""

    backend = 'sysfs'

    def __init__(self, host, root) -> None:
        fixture.write_sysfs(host, root)
        self._reader = sysfs.SysfsReader(CountingTree(root))
        self.create, self.remove = host.create, host.remove

    def snapshot(self, parents=None):
        return self._reader.snapshot(parents)


@pytest.mark.parametrize('guests', [0, 10])
def test_the_tree_is_read_alike_on_a_small_and_on_a_large_host(tmp_path, guests):
    def accesses(parents, root):
        host = fixture.pci_mtty(n=parents)
        mine, *others = sorted(host.snapshot().parents)
        for number in range(guests):
            for parent in others:
                slot = names.pci_address_of(parent)[8:10]
                uuid = f'{slot}000000-0000-4000-8000-{number:012x}'
                host.place(uuid, parent, 'mttypci-1')
        store = claims.ClaimStore(str(root / 'state'), 'm' * 32)
        store.create(record.Claims())
        ours = policy.Policy(rules=(rule('mttypci-1'),))
        tested = engine.Engine(OnTree(host, root / 'sys'), store, ours)
        CountingTree.count = 0
        tested.allocate(ME, [request(mine, 'CUSTOM_MTTYPCI_1')])
        return CountingTree.count

    assert accesses(2, tmp_path / 'small') == accesses(12, tmp_path / 'large') <= 60


def test_a_request_costs_one_create_and_no_other_call(bench):
    bench.engine.allocate(ME, [request(amount=5)])
    assert collections.Counter(c.verb for c in bench.host.calls) == {
        'snapshot': 2,
        'create': 5,
    }


# After a reboot


def test_claimed_ones_come_back_as_they_were(bench):
    given = bench.engine.allocate(ME, [request(amount=2), request(MTTY, TWO)])
    before = bench.host.snapshot()
    for uuid in bench.live:
        bench.host.lose_mdev(uuid)
    outcome = bench.engine.recover()
    assert {d.uuid for d in outcome.recovered} == {d.uuid for d in given}
    after = bench.host.snapshot().mdevs
    assert {u: m.mdev_type for u, m in after.items()} == {
        u: m.mdev_type for u, m in before.mdevs.items()
    }
    assert bench.engine.recover().recovered == ()


def test_one_that_is_given_back_meanwhile_does_not_come_back(bench, monkeypatch):
    """Released between the look and the create: nobody would know of it."""
    (device,) = bench.engine.allocate(ME, [request()])
    bench.host.lose_mdev(device.uuid)
    snapshot = bench.host.snapshot

    def look_and_then_release(parents=None):
        seen = snapshot(parents)
        monkeypatch.undo()
        bench.engine.release(ME)
        return seen

    monkeypatch.setattr(bench.host, 'snapshot', look_and_then_release)
    assert bench.engine.recover().recovered == ()
    assert bench.is_as_if_nothing_had_happened()


def test_one_that_came_back_stays_when_a_later_one_is_refused(bench):
    (device,) = bench.engine.allocate(ME, [request()])
    bench.host.lose_mdev(device.uuid)
    bench.host.fail_create(3, errno.ENOSPC)
    with pytest.raises(exceptions.CapacityError):
        bench.engine.allocate(ME, [request(amount=2)])
    assert bench.live == {device.uuid} == set(bench.held())


# One waits for the other: the second is started at the worst moment of the first


class Second:
    """An allocation that starts in the middle of another, which goes on."""

    def __init__(self, bench, consumer, requests) -> None:
        self.results = []
        self._thread = threading.Thread(
            target=lambda: self.results.extend(
                at_once(lambda: bench.engine.allocate(consumer, requests))
            )
        )

    def start(self) -> None:
        self._thread.start()
        # Long enough to be done, if nothing held it up.
        self._thread.join(0.5)
        assert self._thread.is_alive()

    def outcome(self):
        self._thread.join(60)
        return type(self.results[0])


def test_a_consumers_second_wish_waits_for_its_first(make):
    bench = make(fixture.pci_mtty(n=2))
    five, six = sorted(bench.host.snapshot().parents)
    second = Second(bench, ME, [request(six, 'CUSTOM_MTTYPCI_1')])
    bench.host.before_create(1, second.start)
    (device,) = bench.engine.allocate(ME, [request(five, 'CUSTOM_MTTYPCI_1')])
    assert second.outcome() is exceptions.RequestError
    assert bench.live == {device.uuid} == set(bench.held())


def test_a_function_waits_for_another_of_its_card(make, monkeypatch):
    rules = [rule('nvidia-558', max_instances_per_device=1)]
    bench = make(fixture.sriov_card(vfs=2, capacity=2), rules=rules)
    one, other = sorted(bench.host.snapshot().parents)
    second = Second(bench, OTHER, [request(other, 'CUSTOM_NVIDIA_558')])
    load = bench.store.load

    def load_and_then_start(scope):
        known = load(scope)
        monkeypatch.undo()
        second.start()
        return known

    monkeypatch.setattr(bench.store, 'load', load_and_then_start)
    (device,) = bench.engine.allocate(ME, [request(one, 'CUSTOM_NVIDIA_558')])
    assert second.outcome() is exceptions.CapacityError
    assert bench.live == {device.uuid}


# Unless


def test_a_release_asks_once_more_when_nobody_else_can_act(bench):
    bench.engine.allocate(ME, [request()])
    before = bench.record
    asked = []

    def is_needed():
        # Whoever gives to this consumer now has to wait: the lock is held.
        with pytest.raises(exceptions.ClaimsError):
            bench.store.locks.held([f'consumer-{ME[-2:]}'], 0.1).__enter__()
        asked.append(True)
        return True

    assert bench.engine.release(ME, unless=is_needed) == ()
    assert asked == [True]
    assert bench.record == before
    assert len(bench.engine.release(ME, unless=lambda: False)) == 1


def test_a_change_of_consumer_asks_once_more(bench):
    bench.engine.allocate(ME, [request()])
    bench.engine.rekey(ME, OTHER, unless=lambda: True)
    assert (len(bench.held(ME)), len(bench.held(OTHER))) == (1, 0)
    bench.engine.rekey(ME, OTHER, unless=lambda: False)
    assert (len(bench.held(ME)), len(bench.held(OTHER))) == (0, 1)
