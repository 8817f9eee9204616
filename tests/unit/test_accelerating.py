# SPDX-License-Identifier: Apache-2.0
"""Mdevs that accelerator requests name: attached, and never a flavor's."""

from __future__ import annotations

import errno
import multiprocessing
import os
import threading

import pytest

from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import policy
from nova_generic_mdev import record
from tests.unit import benches
from tests.unit import scenes

MTTY, ONE, TWO = benches.MTTY, benches.ONE, benches.TWO
FIVE, SIX = 'pci_0000_00_05_0', 'pci_0000_00_06_0'
ME, OTHER = scenes.CONSUMERS[:2]
UUID, MORE, THIRD = scenes.UUIDS[:3]
PENDING, READY, LOST = record.ClaimState
CREATED, FOUND, FOREIGN = record.Origin
PLACEMENT, CLI, ACCELERATOR = record.Owner
KEEP = policy.OnRelease.KEEP
NOWHERE = engine.Elsewhere(guests=(), defined=())
request = benches.request


@pytest.fixture
def make(tmp_path):
    return lambda *args, **kwargs: benches.Bench(tmp_path / 'state', *args, **kwargs)


@pytest.fixture
def bench(make):
    return make()


@pytest.fixture
def keeping(make):
    """Every type is kept on release, and so handed out again."""
    return make(rules=[benches.rule(t, on_release=KEEP) for t in ('mtty-1', 'mtty-2')])


def ask(uuid=UUID, parent=MTTY, mdev_type='mtty-1'):
    return engine.Ask(uuid=uuid, parent=parent, mdev_type=mdev_type)


def origins(bench):
    return {u: m.origin for u, m in bench.record.mdevs.items()}


def fresh(bench, consumer=OTHER):
    """What a flavor would get."""
    return bench.engine.allocate(consumer, [request()])


# One that is there


def test_one_that_is_there_is_foreign_and_claimed(bench):
    bench.host.place(UUID, MTTY, 'mtty-1')
    (given,) = bench.engine.accelerate(ME.upper(), [ask(UUID.upper())])
    assert (given.uuid, given.parent, given.mdev_type) == (UUID, MTTY, 'mtty-1')
    assert given.origin is FOREIGN
    claim = bench.record.claims[UUID]
    assert (claim.consumer, claim.owner, claim.state) == (ME, ACCELERATOR, READY)
    assert claim.resource_class == ''
    assert bench.acts() == []


def test_released_it_stays_and_is_foreign_for_good(keeping):
    keeping.host.place(UUID, MTTY, 'mtty-1')
    given = keeping.engine.accelerate(ME, [ask()])
    assert keeping.engine.release(ME) == given
    assert (keeping.live, keeping.record.claims) == ({UUID}, {})
    assert origins(keeping) == {UUID: FOREIGN}
    (other,) = fresh(keeping)
    assert other.uuid != UUID


@pytest.mark.parametrize('origin', [FOUND, CREATED], ids=str)
def test_an_idle_one_of_ours_that_is_named_is_ours_no_longer(keeping, origin):
    keeping.host.place(UUID, MTTY, 'mtty-1')
    known = record.MdevRecord(
        uuid=UUID,
        parent=MTTY,
        mdev_type='mtty-1',
        origin=origin,
        attributes=(('a', '1'),),
        backend='sysfs',
    )
    with keeping.store.transaction() as session:
        session.add_mdev(known)
    keeping.engine.accelerate(ME, [ask()])
    now = keeping.record.mdevs[UUID]
    assert (now.origin, now.attributes, now.backend) == (
        FOREIGN,
        (('a', '1'),),
        'sysfs',
    )
    keeping.engine.release(ME)
    keeping.engine.reconcile(NOWHERE)
    assert (fresh(keeping)[0].uuid, keeping.live) != (UUID, {UUID})
    assert origins(keeping)[UUID] is FOREIGN


def test_gone_and_nobodys_it_is_not_forgotten(bench):
    bench.host.place(UUID, MTTY, 'mtty-1')
    bench.engine.accelerate(ME, [ask()])
    bench.engine.release(ME)
    bench.host.lose_mdev(UUID)
    assert bench.engine.reconcile(NOWHERE) == ()
    assert origins(bench) == {UUID: FOREIGN}


# One that is not


def test_one_that_is_not_is_made_with_that_uuid(bench):
    (given,) = bench.engine.accelerate(ME, [ask(mdev_type='mtty-2')])
    assert (given.uuid, given.origin) == (UUID, CREATED)
    assert {u: m.mdev_type for u, m in bench.host.snapshot().mdevs.items()} == {
        UUID: 'mtty-2'
    }
    assert bench.record.mdevs[UUID].backend == 'sysfs'
    assert bench.record.claims[UUID].state is READY


def test_the_claim_is_written_before_it_is_made(bench):
    seen = []
    bench.host.before_create(1, lambda: seen.append(bench.record.claims[UUID].state))
    bench.engine.accelerate(ME, [ask()])
    assert seen == [PENDING]


def test_released_it_goes_also_where_its_type_is_kept(keeping):
    given = keeping.engine.accelerate(ME, [ask()])
    assert keeping.engine.release(ME) == given
    assert (keeping.live, keeping.record.claims) == (set(), {})


def test_its_uuid_is_the_services_from_then_on(keeping):
    keeping.engine.accelerate(ME, [ask()])
    keeping.engine.release(ME)
    assert origins(keeping) == {UUID: FOREIGN}
    keeping.host.place(UUID, MTTY, 'mtty-1')
    assert keeping.engine.set_origin(None, FOUND) == ()
    assert fresh(keeping)[0].uuid != UUID


def test_one_that_was_foreign_and_has_gone_is_ours_to_make_and_to_remove(bench):
    bench.host.place(UUID, MTTY, 'mtty-1')
    bench.engine.accelerate(ME, [ask()])
    bench.engine.release(ME)
    bench.host.lose_mdev(UUID)
    (given,) = bench.engine.accelerate(OTHER, [ask(mdev_type='mtty-2')])
    assert (given.mdev_type, given.origin) == ('mtty-2', CREATED)
    bench.engine.release(OTHER)
    assert (bench.live, origins(bench)) == (set(), {UUID: FOREIGN})


def test_a_definition_that_was_left_goes_with_it(bench):
    """libvirt had it once: what it keeps of it must not come back."""
    with bench.store.transaction() as session:
        session.add_mdev(
            record.MdevRecord(
                uuid=UUID,
                parent=MTTY,
                mdev_type='mtty-1',
                origin=CREATED,
                attributes=(('a', '1'),),
                backend='libvirt',
            )
        )
    bench.engine.accelerate(ME, [ask()])
    now = bench.record.mdevs[UUID]
    assert (now.backend, now.attributes) == ('libvirt', ())


# Again


def test_asked_again_nothing_is_done(bench):
    bench.host.place(UUID, MTTY, 'mtty-1')
    asks = [ask(), ask(MORE, mdev_type='mtty-2')]
    first = bench.engine.accelerate(ME, asks)
    before = bench.record
    bench.host.calls.clear()
    assert bench.engine.accelerate(ME, asks[::-1] + asks) == first
    assert (bench.record, bench.acts()) == (before, [])
    # And no other parent than the one that is named is looked at.
    assert {call.parents for call in bench.host.calls} == {(MTTY,)}


@pytest.mark.parametrize('was_there', [True, False])
def test_claimed_and_not_live_it_is_made_again(bench, was_there):
    if was_there:
        bench.host.place(UUID, MTTY, 'mtty-1')
    given = bench.engine.accelerate(ME, [ask()])
    bench.host.lose_mdev(UUID)
    assert bench.engine.accelerate(ME, [ask()]) == given
    assert bench.live == {UUID}
    assert bench.record.claims[UUID].state is READY


def test_what_was_begun_is_completed(bench):
    bench.engine.accelerate(ME, [ask()])
    with bench.store.transaction() as session:
        session.set_state(UUID, PENDING)
        session.set_backend(UUID, None)
    bench.host.calls.clear()
    bench.engine.accelerate(ME, [ask()])
    assert bench.acts() == ['create']
    assert bench.record.claims[UUID].state is READY


def test_what_it_has_beyond_stays_its_own(bench):
    bench.engine.accelerate(ME, [ask(), ask(MORE)])
    assert [d.uuid for d in bench.engine.accelerate(ME, [ask()])] == [UUID]
    assert len(bench.engine.release(ME)) == 2


def test_nothing_asked_is_nothing_done(bench):
    assert bench.engine.accelerate(ME, []) == ()
    assert bench.is_as_if_nothing_had_happened()


# Beside what Placement promised


def test_it_is_beside_what_placement_promised(bench):
    promised = bench.engine.allocate(ME, [request()])
    asked = bench.engine.accelerate(ME, [ask()])
    assert bench.engine.allocate(ME, [request()]) == promised
    assert set(bench.engine.release(ME)) == {*promised, *asked}
    assert bench.live == set()


def test_after_a_reboot_it_comes_back(bench):
    given = bench.engine.accelerate(ME, [ask()])
    bench.host.lose_mdev(UUID)
    assert bench.engine.recover().recovered == given
    assert bench.live == {UUID}


# What cannot be


@pytest.mark.parametrize(
    ('asked', 'kind', 'told'),
    [
        pytest.param(
            ask(mdev_type='mtty-2'), exceptions.HostError, 'mtty-1', id='another-type'
        ),
        pytest.param(
            ask(parent='mdpy_mdpy', mdev_type='mdpy-vga'),
            exceptions.HostError,
            'mtty_mtty',
            id='another-parent',
        ),
        pytest.param(
            ask(MORE, mdev_type='nvidia-1'),
            exceptions.NotFound,
            'no such type',
            id='no-such-type',
        ),
        pytest.param(
            ask(MORE, parent='mtty_gone'),
            exceptions.NotFound,
            'not there',
            id='no-such-parent',
        ),
    ],
)
@pytest.mark.parametrize('known', [True, False], ids=['known', 'unknown'])
def test_one_that_cannot_be_and_nothing_changes(make, asked, kind, told, known):
    bench = make(fixture.together(fixture.mtty(), fixture.mdpy()))
    bench.host.place(UUID, MTTY, 'mtty-1')
    if known:
        bench.engine.set_origin([UUID], FOUND)
    before = bench.record
    with pytest.raises(kind, match=told) as caught:
        bench.engine.accelerate(ME, [ask(THIRD), asked])
    assert asked.uuid in str(caught.value)
    assert (bench.record, bench.live, bench.acts()) == (before, {UUID}, [])


def test_one_that_is_on_a_parent_that_nobody_named_is_left_alone(make):
    """It would be found out by trying, and then be removed from who has it."""
    bench = make(fixture.pci_mtty(n=2))
    bench.host.place(UUID, SIX, 'mttypci-1')
    with pytest.raises(exceptions.HostError, match=SIX):
        bench.engine.accelerate(ME, [ask(parent=FIVE, mdev_type='mttypci-1')])
    assert bench.live == {UUID}
    assert bench.acts() == []


def test_one_whose_type_the_kernel_does_not_tell(bench, monkeypatch):
    bench.host.place(UUID, MTTY, 'mtty-1')
    snapshot = bench.host.snapshot

    def untold(parents=None):
        seen = snapshot(parents)
        mdevs = {u: untyped(m) for u, m in seen.mdevs.items()}
        return type(seen)(parents=seen.parents, mdevs=mdevs)

    monkeypatch.setattr(bench.host, 'snapshot', untold)
    with pytest.raises(exceptions.HostError, match='unknown type'):
        bench.engine.accelerate(ME, [ask()])
    monkeypatch.undo()
    given = bench.engine.accelerate(ME, [ask()])
    monkeypatch.setattr(bench.host, 'snapshot', untold)
    # It was told when it was claimed.
    assert bench.engine.accelerate(ME, [ask()]) == given


def untyped(mdev):
    return type(mdev)(uuid=mdev.uuid, parent=mdev.parent, mdev_type=None)


@pytest.mark.parametrize(
    ('owner', 'consumer'),
    [
        pytest.param(PLACEMENT, ME, id='its-own-by-placement'),
        pytest.param(PLACEMENT, OTHER, id='anothers-by-placement'),
        pytest.param(CLI, OTHER, id='anothers-by-hand'),
        pytest.param(ACCELERATOR, OTHER, id='anothers-by-a-request'),
    ],
)
def test_one_that_was_given_otherwise(bench, owner, consumer):
    if owner is ACCELERATOR:
        (given,) = bench.engine.accelerate(consumer, [ask()])
    else:
        (given,) = bench.engine.allocate(consumer, [request()], owner)
    uuid = given.uuid
    before = bench.record
    with pytest.raises(exceptions.HostError, match=f'{uuid}.*{consumer}.*{owner}'):
        bench.engine.accelerate(ME, [ask(THIRD), ask(uuid)])
    assert bench.record == before


def test_one_that_it_has_as_something_else(bench):
    bench.engine.accelerate(ME, [ask()])
    with pytest.raises(exceptions.HostError, match='mtty-1'):
        bench.engine.accelerate(ME, [ask(mdev_type='mtty-2')])


def test_two_requests_that_name_one_uuid_differently(bench):
    with pytest.raises(exceptions.HostError, match='another request'):
        bench.engine.accelerate(ME, [ask(), ask(mdev_type='mtty-2')])
    assert bench.is_as_if_nothing_had_happened()


@pytest.mark.parametrize(
    'wrong', [{'uuid': 'x'}, {'mdev_type': 'a/b'}], ids=['uuid', 'type']
)
def test_a_request_is_of_names(wrong):
    with pytest.raises(exceptions.InvalidName):
        ask(**wrong)


# All of it or nothing


def test_one_that_is_refused_and_all_of_it_is_undone(keeping):
    keeping.host.place(UUID, MTTY, 'mtty-1')
    keeping.engine.set_origin([UUID], FOUND)
    before = keeping.record
    keeping.host.fail_create(2, errno.ENOSPC)
    with pytest.raises(exceptions.CapacityError):
        keeping.engine.accelerate(ME, [ask(), ask(MORE), ask(THIRD)])
    # The one that was ours and idle is again.
    assert keeping.record == before
    assert keeping.live == {UUID}
    assert [d.uuid for d in fresh(keeping)] == [UUID]


def stuck_while_undoing(bench):
    """What was made first is in use at once, and the second is refused."""

    def attach():
        bench.host.attach(UUID, 'guest g')
        raise exceptions.CapacityError(MTTY, 'mtty-1', 1, None, errno.ENOSPC)

    bench.host.before_create(2, attach)
    with pytest.raises(exceptions.CapacityError):
        bench.engine.accelerate(ME, [ask(), ask(MORE)])


def test_what_cannot_be_undone_is_nobody_elses(keeping):
    stuck_while_undoing(keeping)
    assert keeping.live == {UUID}
    assert {u: c.state for u, c in keeping.record.claims.items()} == {UUID: PENDING}
    assert [d.uuid for d in fresh(keeping)] != [UUID]
    keeping.host.detach(UUID)
    assert [d.uuid for d in keeping.engine.release(ME)] == [UUID]
    assert UUID not in keeping.live


def test_what_cannot_be_undone_is_taken_back_later(keeping):
    stuck_while_undoing(keeping)
    keeping.host.detach(UUID)
    keeping.engine.reconcile(NOWHERE)
    assert (keeping.live, keeping.record.claims) == (set(), {})
    assert origins(keeping) == {UUID: FOREIGN}


def die_at_create(state_path):
    """In a process of its own."""
    bench = benches.Bench(state_path)
    bench.host.before_create(1, lambda: os._exit(9))
    bench.engine.accelerate(ME, [ask()])


def test_a_crash_leaves_a_trace_and_the_next_try_completes_it(tmp_path):
    context = multiprocessing.get_context('spawn')
    process = context.Process(target=die_at_create, args=(str(tmp_path),))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    bench = benches.Bench(tmp_path)
    assert bench.record.claims[UUID].state is PENDING
    bench.engine.accelerate(ME, [ask()])
    assert (bench.live, bench.record.claims[UUID].state) == ({UUID}, READY)


def test_who_forgets_an_idle_one_waits_until_it_is_claimed(bench, monkeypatch):
    """Decided to be taken back, and named by a request before that is done."""
    (given,) = bench.engine.allocate(ME, [request()])
    with bench.store.transaction() as session:
        session.drop_claim(given.uuid)
    snapshot = bench.host.snapshot
    reconciling = threading.Thread(target=bench.engine.reconcile, args=(NOWHERE,))

    def look(parents=None):
        seen = snapshot(parents)
        if parents is None and not reconciling.ident:
            reconciling.start()
            reconciling.join(0.5)
            assert reconciling.is_alive()
        return seen

    monkeypatch.setattr(bench.host, 'snapshot', look)
    bench.engine.accelerate(OTHER, [ask(given.uuid)])
    reconciling.join(60)
    assert (bench.live, bench.held(OTHER)) == ({given.uuid}, [given.uuid])


def test_a_flavor_waits_for_a_request_on_its_device(make):
    bench = make(fixture.mtty(ports=1))
    results = []

    def allocate():
        try:
            results.append(fresh(bench))
        except exceptions.MdevError as e:
            results.append(type(e))

    thread = threading.Thread(target=allocate)

    def start():
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()

    bench.host.before_create(1, start)
    bench.engine.accelerate(ME, [ask()])
    thread.join(60)
    # Decided when it was there: it was not tried in vain.
    assert results == [exceptions.CapacityError]
    assert bench.acts() == ['create']


# What the operator may say of it


@pytest.mark.parametrize('origin', [CREATED, FOUND], ids=['adopt', 'disown'])
def test_all_passes_over_it_and_by_name_it_is_changed(bench, origin):
    for uuid in (UUID, MORE):
        bench.host.place(uuid, MTTY, 'mtty-1')
    bench.engine.accelerate(ME, [ask()])
    bench.engine.release(ME)
    assert [d.uuid for d in bench.engine.set_origin(None, origin)] == [MORE]
    assert [d.uuid for d in bench.engine.set_origin([UUID], origin)] == [UUID]
    assert origins(bench) == {UUID: origin, MORE: origin}
