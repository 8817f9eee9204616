# SPDX-License-Identifier: Apache-2.0
"""After a reboot, or a crash at any point: what comes back, and what goes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

import pytest

from nova_generic_mdev import allocation
from nova_generic_mdev import claims
from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import policy
from nova_generic_mdev import record
from tests.unit import scenes

MTTY, MDPY = 'mtty_mtty', 'mdpy_mdpy'
ME, OTHER = scenes.CONSUMERS[:2]
UUID, STRANGER = scenes.UUIDS[:2]
PENDING, READY, LOST = record.ClaimState
CREATED, FOUND, FOREIGN = record.Origin
KEEP = policy.OnRelease.KEEP
NOWHERE = engine.Elsewhere(guests=(), defined=())
IN_A_GUEST = engine.Elsewhere(guests={UUID}, defined=())


def rules(**more):
    return policy.Policy(
        rules=(
            policy.TypeRule(
                mdev_type='mtty-2', resource_class='VGPU', device_addresses=('mtty',),
                attributes=(('a', '1'), ('a', '2')), **more,
            ),
            policy.TypeRule(
                mdev_type='mdpy-vga', resource_class='CUSTOM_D',
                device_addresses=('mdpy',),
            ),
        )
    )  # fmt: skip


@pytest.fixture
def host():
    return fixture.together(fixture.mtty(), fixture.mdpy())


@pytest.fixture
def store(tmp_path):
    made = claims.ClaimStore(str(tmp_path / 'state'), 'm' * 32)
    made.create(record.Claims())
    return made


@pytest.fixture
def acting(host, store):
    return engine.Engine(host, store, rules())


@pytest.fixture
def know(store):
    """Records an mdev, and whose it is."""

    def know(
        uuid=UUID,
        parent=MTTY,
        mdev_type='mtty-2',
        origin=CREATED,
        backend='sysfs',
        state=None,
    ):
        with store.transaction() as session:
            session.add_mdev(
                record.MdevRecord(
                    uuid=uuid, parent=parent, mdev_type=mdev_type, origin=origin,
                    backend=backend, attributes=(('a', '1'), ('a', '2')),
                )
            )  # fmt: skip
            if state is not None:
                session.add_claim(
                    record.Claim(
                        consumer=ME, uuid=uuid, resource_class='VGPU', state=state
                    )
                )

    return know


def live(host):
    return {u: (m.parent, m.mdev_type) for u, m in host.snapshot().mdevs.items()}


def uuids(devices):
    return [device.uuid for device in devices]


def creates(host):
    return [call for call in host.calls if call.verb == 'create']


# Recovery


def test_each_claimed_one_is_made_as_it_was(acting, host, know, store):
    know(state=READY)
    outcome = acting.recover()
    assert uuids(outcome.recovered) == [UUID]
    (call,) = creates(host)
    assert (call.uuid, call.parent, call.mdev_type) == (UUID, MTTY, 'mtty-2')
    assert call.attributes == (('a', '1'), ('a', '2'))
    assert store.load().claims[UUID].state is READY


@pytest.mark.parametrize('origin', [FOUND, CREATED, FOREIGN])
def test_a_found_one_comes_back_too(acting, host, know, origin):
    know(state=READY, origin=origin)
    acting.recover()
    assert live(host) == {UUID: (MTTY, 'mtty-2')}


def test_what_nobody_has_does_not_come_back(acting, host, know):
    know()
    assert acting.recover() == engine.Recovery()
    assert live(host) == {}


def test_it_is_idempotent(acting, host, know):
    know(state=READY)
    acting.recover()
    host.calls.clear()
    assert acting.recover() == engine.Recovery()
    assert creates(host) == []


def test_mdevctl_was_faster(acting, host, know):
    know(state=READY)
    host.place(UUID, MTTY, 'mtty-2')
    assert acting.recover() == engine.Recovery()
    assert creates(host) == []


def test_mdevctl_is_faster_between_the_look_and_the_lock(
    acting, host, know, monkeypatch
):
    know(state=READY)
    snapshot, looks = host.snapshot, []

    def look(parents=None):
        looks.append(parents)
        if len(looks) == 2:
            host.place(UUID, MTTY, 'mtty-2')
        return snapshot(parents)

    monkeypatch.setattr(host, 'snapshot', look)
    assert acting.recover() == engine.Recovery()
    assert creates(host) == []


def test_mdevctl_is_faster_at_the_last_moment(acting, host, know):
    know(state=READY)
    host.before_create(1, lambda: host.place(UUID, MTTY, 'mtty-2'))
    outcome = acting.recover()
    assert (uuids(outcome.recovered), outcome.failed) == ([UUID], ())


@pytest.mark.parametrize(
    ('parent', 'mdev_type'),
    [
        pytest.param(MTTY, 'mtty-1', id='another type'),
        pytest.param(MDPY, 'mdpy-vga', id='another parent'),
    ],
)
def test_one_that_is_there_as_something_else_is_not_back(
    acting, host, know, parent, mdev_type
):
    know(state=READY)
    know(uuid=STRANGER, parent=MDPY, mdev_type='mdpy-vga', state=READY)
    host.place(UUID, parent, mdev_type)
    outcome = acting.recover()
    assert [device.uuid for device, _ in outcome.failed] == [UUID]
    assert uuids(outcome.recovered) == [STRANGER]
    assert live(host)[UUID] == (parent, mdev_type)


def test_a_parent_that_is_full_does_not_keep_the_others_away(acting, host, know):
    know(state=READY)
    know(uuid=STRANGER, parent=MDPY, mdev_type='mdpy-vga', state=READY)
    others = host.fill(MTTY, 'mtty-1')
    outcome = acting.recover()
    ((device, error),) = outcome.failed
    assert (device.uuid, type(error)) == (UUID, exceptions.CapacityError)
    assert uuids(outcome.recovered) == [STRANGER]
    host.lose_mdev(others[0])
    host.lose_mdev(others[1])
    assert uuids(acting.recover().recovered) == [UUID]


def test_a_parent_that_comes_late(acting, host, know):
    know(state=READY)
    host.lose_parent(MTTY)
    outcome = acting.recover()
    assert (uuids(outcome.waiting), outcome.missing_parents) == ([UUID], (MTTY,))
    host.regain_parent(MTTY)
    assert uuids(acting.recover().recovered) == [UUID]
    assert live(host) == {UUID: (MTTY, 'mtty-2')}


def test_it_looks_at_no_parent_without_claims(acting, host, know):
    know(state=READY)
    acting.recover()
    assert {p for c in host.calls if c.verb == 'snapshot' for p in c.parents} == {MTTY}


def test_two_recoveries_at_once_make_each_one_once(host, store, know):
    for uuid in scenes.UUIDS[:8]:
        know(uuid=uuid, state=READY)
    outcomes = []

    def recover():
        own = claims.ClaimStore(store.state_path, 'm' * 32)
        outcomes.append(engine.Engine(host, own, rules()).recover())

    threads = [threading.Thread(target=recover) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    made = sorted(uuid for o in outcomes for uuid in uuids(o.recovered))
    assert made == list(scenes.UUIDS[:8])
    assert len(creates(host)) == 8
    assert all(outcome.failed == () for outcome in outcomes)


def test_one_lock_that_stays_taken_does_not_keep_the_others_away(
    acting, host, store, know, monkeypatch
):
    know(state=READY)
    know(uuid=STRANGER, parent=MDPY, mdev_type='mdpy-vga', state=READY)
    held = store.locks.held

    def taken(names, seconds=1.0):
        if f'device-{MTTY}' in names:
            raise exceptions.ClaimsError('device', 'another process holds it')
        return held(names, seconds)

    monkeypatch.setattr(store.locks, 'held', taken)
    outcome = acting.recover()
    assert uuids(outcome.recovered) == [STRANGER]
    assert [device.uuid for device, _ in outcome.failed] == [UUID]


def die_before_it_is_noted(state_path):
    """Be killed when the mdev is there and the record does not know who made it."""
    host = fixture.mtty()
    create = host.create

    def create_and_die(*facts):
        create(*facts)
        os.kill(os.getpid(), signal.SIGKILL)

    host.create = create_and_die
    store = claims.ClaimStore(state_path, 'm' * 32)
    engine.Engine(host, store, rules()).recover()


def test_killed_after_the_create_it_is_not_known_what_made_it(
    acting, host, store, know
):
    """Or else the half that the other backend keeps would stay for ever."""
    know(state=READY, backend='sysfs')
    process = multiprocessing.get_context('spawn').Process(
        target=die_before_it_is_noted, args=(store.state_path,)
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert store.load().mdevs[UUID].backend is None
    assert uuids(acting.recover().recovered) == [UUID]
    assert store.load().mdevs[UUID].backend == 'sysfs'


@pytest.mark.parametrize(
    ('before', 'made', 'after'),
    [
        pytest.param(None, 'sysfs', 'sysfs', id='not known before'),
        pytest.param('sysfs', 'sysfs', 'sysfs', id='the same'),
        pytest.param('sysfs', 'libvirt', 'libvirt', id='libvirt defines it now'),
        pytest.param('libvirt', 'sysfs', 'libvirt', id='libvirt had defined it'),
        pytest.param('libvirt', 'libvirt', 'libvirt', id='the same, libvirt'),
    ],
)
@pytest.mark.parametrize('by_whom', ['recovery', 'allocation'])
def test_what_can_remove_all_of_it_is_kept(
    acting, host, store, know, before, made, after, by_whom
):
    know(state=READY, backend=before)
    host.backend = made
    if by_whom == 'recovery':
        acting.recover()
    else:
        acting.allocate(ME, [allocation.Request(parent=MTTY, resource_class='VGPU')])
    assert store.load().mdevs[UUID].backend == after


@pytest.mark.parametrize('by_whom', ['recovery', 'restoring'])
def test_one_whose_making_again_was_cut_short_is_completed(
    acting, host, store, know, by_whom
):
    """It is there, and may lack its attributes."""
    know(state=LOST, backend=None)
    host.place(UUID, MTTY, 'mtty-2')
    if by_whom == 'recovery':
        assert uuids(acting.recover().recovered) == [UUID]
    else:
        assert uuids(acting.restore(ME)) == [UUID]
    (call,) = creates(host)
    assert call.attributes == (('a', '1'), ('a', '2'))
    now = store.load()
    assert (now.claims[UUID].state, now.mdevs[UUID].backend) == (READY, 'sysfs')


def test_one_is_lost_while_it_is_made_again(acting, host, store, know):
    know(state=READY)
    seen = []
    host.before_create(1, lambda: seen.append(store.load().claims[UUID].state))
    acting.recover()
    assert seen == [LOST]
    assert store.load().claims[UUID].state is READY


def test_what_was_never_given_does_not_take_the_room_of_what_was(
    acting, host, store, know
):
    know(state=PENDING, backend=None)
    know(uuid=STRANGER, state=READY)
    others = host.fill(MTTY, 'mtty-1')
    for uuid in others[:2]:
        host.lose_mdev(uuid)
    outcome = acting.recover()
    assert uuids(outcome.recovered) == [STRANGER]
    assert [device.uuid for device, _ in outcome.failed] == [UUID]
    assert store.load().claims[UUID].state is PENDING


# What a crash left


def put_right(acting, elsewhere=NOWHERE):
    return uuids(acting.reconcile(elsewhere))


@pytest.mark.parametrize('is_live', [True, False], ids=['made', 'not made yet'])
def test_what_an_allocation_had_begun_is_taken_back(acting, host, store, know, is_live):
    know(state=PENDING)
    if is_live:
        host.place(UUID, MTTY, 'mtty-2')
    assert put_right(acting) == [UUID]
    assert live(host) == {}
    assert store.load() == record.Claims()


def test_a_found_one_that_was_being_given_is_only_given_back(acting, host, store, know):
    know(state=PENDING, origin=FOUND)
    host.place(UUID, MTTY, 'mtty-2')
    assert put_right(acting) == [UUID]
    assert live(host) == {UUID: (MTTY, 'mtty-2')}
    assert store.load().claims == {}


def test_one_that_is_being_made_again_is_not_taken_back(acting, host, store, know):
    know(state=LOST, backend=None)
    before = store.load()
    assert put_right(acting) == []
    assert store.load() == before


def test_an_idle_one_that_was_being_given_goes_back(host, store, know):
    know(state=PENDING, backend='sysfs')
    host.place(UUID, MTTY, 'mtty-2')
    acting = engine.Engine(host, store, rules(on_release=KEEP))
    assert put_right(acting) == [UUID]
    now = store.load()
    assert (list(live(host)), list(now.mdevs), dict(now.claims)) == ([UUID], [UUID], {})


def test_what_others_still_make_is_taken_back_the_next_time(acting, host, store, know):
    """The helper gets to it after who asked was killed, and was looked for."""
    know(state=PENDING, backend=None)
    assert acting.reconcile(NOWHERE, once_more=True) == ()
    host.place(UUID, MTTY, 'mtty-2')
    assert put_right(acting) == [UUID]
    assert (live(host), store.load()) == ({}, record.Claims())


def test_one_that_may_lack_its_attributes_is_nobodys_next(host, store, know):
    """Its consumer went while it was being made again."""
    know(backend=None)
    host.place(UUID, MTTY, 'mtty-2')
    acting = engine.Engine(host, store, rules(on_release=KEEP))
    request = allocation.Request(parent=MTTY, resource_class='VGPU')
    (given,) = acting.allocate(OTHER, [request])
    assert given.uuid != UUID
    assert put_right(acting) == [UUID]
    assert UUID not in live(host)


def test_one_that_a_guest_names_was_given_after_all(acting, host, store, know):
    know(state=PENDING)
    host.place(UUID, MTTY, 'mtty-2')
    assert put_right(acting, IN_A_GUEST) == []
    assert live(host) == {UUID: (MTTY, 'mtty-2')}
    assert store.load().claims[UUID].state is READY


@pytest.mark.parametrize(
    ('state', 'origin'),
    [
        pytest.param(PENDING, CREATED, id='pending'),
        pytest.param(PENDING, FOUND, id='pending and found'),
        pytest.param(None, CREATED, id='a leftover'),
        pytest.param(None, FOUND, id='a dead row'),
    ],
)
def test_when_libvirt_cannot_be_asked_nothing_is_touched(
    acting, host, store, know, state, origin
):
    know(state=state, origin=origin)
    before = store.load()
    host.calls.clear()
    assert put_right(acting, None) == []
    assert store.load() == before
    assert host.calls == []


@pytest.mark.parametrize('elsewhere', [NOWHERE, IN_A_GUEST])
def test_what_is_claimed_stays(acting, host, store, know, elsewhere):
    know(state=READY)
    host.place(UUID, MTTY, 'mtty-2')
    before = store.load()
    assert put_right(acting, elsewhere) == []
    assert (store.load(), live(host)) == (before, {UUID: (MTTY, 'mtty-2')})


@pytest.mark.parametrize(
    ('more', 'origin', 'elsewhere', 'goes'),
    [
        pytest.param({}, CREATED, NOWHERE, True, id='ours, to be removed'),
        pytest.param({}, CREATED, IN_A_GUEST, False, id='ours, but a guest names it'),
        pytest.param({'on_release': KEEP}, CREATED, NOWHERE, False, id='ours, kept'),
        pytest.param({}, FOUND, NOWHERE, False, id='found'),
        pytest.param({}, FOREIGN, NOWHERE, False, id="a service's"),
    ],
)
def test_what_is_left_over(host, store, know, more, origin, elsewhere, goes):
    know(origin=origin)
    host.place(UUID, MTTY, 'mtty-2')
    acting = engine.Engine(host, store, rules(**more))
    assert put_right(acting, elsewhere) == ([UUID] if goes else [])
    assert (UUID in live(host)) is not goes
    assert (UUID in store.load().mdevs) is not goes


def test_one_of_a_type_that_is_not_configured_any_more_goes(acting, host, store, know):
    know(mdev_type='mtty-1')
    host.place(UUID, MTTY, 'mtty-1')
    assert put_right(acting) == [UUID]
    assert live(host) == {}


def test_what_is_not_ours_is_never_looked_for(acting, host):
    host.place(STRANGER, MTTY, 'mtty-2')
    assert put_right(acting) == []
    assert live(host) == {STRANGER: (MTTY, 'mtty-2')}


def test_one_in_use_stays_and_the_others_go(acting, host, store, know):
    for uuid in (UUID, STRANGER):
        know(uuid=uuid)
        host.place(uuid, MTTY, 'mtty-2')
    host.attach(UUID)
    assert put_right(acting) == [STRANGER]
    assert list(store.load().mdevs) == [UUID]
    host.detach(UUID)
    assert put_right(acting) == [UUID]
    assert store.load() == record.Claims()


@pytest.mark.parametrize(
    ('is_live', 'has_parent', 'defined', 'forgotten'),
    [
        pytest.param(False, True, (), True, id='nowhere'),
        pytest.param(False, True, {UUID}, False, id='defined, so it may come'),
        pytest.param(True, True, (), False, id='live'),
        pytest.param(False, False, (), False, id='its parent may come'),
    ],
)
@pytest.mark.parametrize('origin', [FOUND, CREATED])
def test_what_is_dead_is_forgotten(
    host, store, know, origin, is_live, has_parent, defined, forgotten
):
    know(origin=origin)
    if is_live:
        host.place(UUID, MTTY, 'mtty-2')
    if not has_parent:
        host.lose_parent(MTTY)
    acting = engine.Engine(host, store, rules(on_release=KEEP))
    put_right(acting, engine.Elsewhere(guests=(), defined=defined))
    assert (UUID not in store.load().mdevs) is forgotten
    assert [c.verb for c in host.calls if c.verb == 'remove'] == []


def test_one_that_is_being_given_meanwhile_is_left_to_its_consumer(
    acting, host, store, know, monkeypatch
):
    """Pending when it was looked at, done when its lock was had."""
    know(state=PENDING)
    host.place(UUID, MTTY, 'mtty-2')
    snapshot = host.snapshot

    def look_and_finish(parents=None):
        monkeypatch.undo()
        acting.allocate(ME, [allocation.Request(parent=MTTY, resource_class='VGPU')])
        return snapshot(parents)

    monkeypatch.setattr(host, 'snapshot', look_and_finish)
    assert put_right(acting) == []
    assert store.load().claims[UUID].state is READY
    assert UUID in live(host)


def test_putting_right_twice_is_putting_right_once(acting, host, store, know):
    know(state=PENDING)
    host.place(UUID, MTTY, 'mtty-2')
    put_right(acting)
    assert put_right(acting) == []


# Whose an mdev is to remove


def adopt(acting, *uuids):
    return acting.set_origin(list(uuids) or None, CREATED)


def disown(acting, *uuids):
    return acting.set_origin(list(uuids) or None, FOUND)


def test_a_foreign_one_becomes_ours(acting, host, store):
    host.place(STRANGER, MTTY, 'mtty-2')
    (device,) = adopt(acting, STRANGER)
    assert (device.uuid, device.parent, device.origin) == (STRANGER, MTTY, CREATED)
    mdev = store.load().mdevs[STRANGER]
    assert (mdev.mdev_type, mdev.origin, mdev.backend) == ('mtty-2', CREATED, None)


def test_what_is_known_keeps_the_rest(acting, host, store, know):
    know(origin=FOUND, state=READY)
    before = store.load()
    adopt(acting, UUID)
    after = store.load()
    assert after.mdevs[UUID].origin is CREATED
    assert after.mdevs[UUID].attributes == before.mdevs[UUID].attributes
    assert after.claims == before.claims
    disown(acting, UUID)
    assert store.load() == before


def test_one_already_so_is_no_error_and_no_change(acting, host, know):
    know(origin=CREATED)
    host.place(UUID, MTTY, 'mtty-2')
    assert adopt(acting, UUID) == ()
    assert adopt(acting) == ()


def test_all_is_every_live_one(acting, host, store, know):
    know(origin=FOUND)
    for uuid in scenes.UUIDS[:4]:
        host.place(uuid, MTTY, 'mtty-1' if uuid != UUID else 'mtty-2')
    assert uuids(adopt(acting)) == list(scenes.UUIDS[:4])
    assert {m.origin for m in store.load().mdevs.values()} == {CREATED}
    assert uuids(disown(acting)) == list(scenes.UUIDS[:4])


def test_all_passes_over_what_cannot_be_read(acting, host, store, monkeypatch):
    host.place(UUID, MTTY, 'mtty-2')
    seen = host.snapshot()
    odd = fixture_mdev(STRANGER, None)
    look = type(seen)(parents=seen.parents, mdevs={**seen.mdevs, STRANGER: odd})
    monkeypatch.setattr(host, 'snapshot', lambda parents=None: look)
    assert uuids(adopt(acting)) == [UUID]
    with pytest.raises(exceptions.NotFound):
        adopt(acting, STRANGER)


def fixture_mdev(uuid, mdev_type):
    host = fixture.mtty()
    host.place(uuid, MTTY, 'mtty-1')
    mdev = host.snapshot().mdevs[uuid]
    return type(mdev)(uuid=uuid, parent=mdev.parent, mdev_type=mdev_type)


@pytest.mark.parametrize(
    ('asked', 'kind'),
    [
        pytest.param([UUID, STRANGER], exceptions.NotFound, id='one is unknown'),
        pytest.param([UUID, 'x'], exceptions.InvalidName, id='one is no uuid'),
        pytest.param([UUID, '../' + STRANGER], exceptions.InvalidName, id='a path'),
    ],
)
def test_one_bad_one_and_nothing_changes(acting, host, store, asked, kind):
    host.place(UUID, MTTY, 'mtty-2')
    acting.start()
    before = store.load()
    with pytest.raises(kind):
        adopt(acting, *asked)
    assert store.load() == before


def test_upper_case_and_twice(acting, host, store):
    host.place(UUID, MTTY, 'mtty-2')
    assert uuids(adopt(acting, UUID.upper(), UUID, UUID)) == [UUID]


def test_adopting_never_removes_what_a_guest_names(acting, host, store):
    host.place(STRANGER, MTTY, 'mtty-2')
    adopt(acting, STRANGER)
    named = engine.Elsewhere(guests={STRANGER}, defined=())
    assert put_right(acting, named) == []
    assert put_right(acting, None) == []
    assert live(host) == {STRANGER: (MTTY, 'mtty-2')}
    # The guest is gone: now it goes as what we made does.
    assert put_right(acting, NOWHERE) == [STRANGER]
    assert live(host) == {}


def test_what_a_guest_of_others_has_cannot_become_ours(host, store):
    """It would be handed out: the next guest would get this one's device."""
    acting = engine.Engine(host, store, rules(), lambda: {STRANGER})
    host.place(UUID, MTTY, 'mtty-2')
    host.place(STRANGER, MTTY, 'mtty-2')

    with pytest.raises(exceptions.HostError, match='guest'):
        adopt(acting, UUID, STRANGER)
    assert store.load() == record.Claims()
    assert uuids(disown(acting)) == [UUID]


def test_a_disowned_one_is_never_removed(acting, host, store):
    request = allocation.Request(parent=MTTY, resource_class='VGPU')
    (device,) = acting.allocate(ME, [request])
    disown(acting, device.uuid)
    acting.release(ME)
    put_right(acting)
    assert list(live(host)) == [device.uuid]


def test_two_at_once_adopt_each_once(host, store):
    for uuid in scenes.UUIDS[:6]:
        host.place(uuid, MTTY, 'mtty-2')
    changed = []

    def work():
        own = claims.ClaimStore(store.state_path, 'm' * 32)
        changed.extend(uuids(engine.Engine(host, own, rules()).set_origin(None, FOUND)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(changed) == list(scenes.UUIDS[:6])
