# SPDX-License-Identifier: Apache-2.0
"""What upkeep does to a host, and what it asks for that."""

from __future__ import annotations

import collections
import contextlib
import logging
import types

import pytest

from nova_generic_mdev import engine
from nova_generic_mdev import record
from nova_generic_mdev.adapters.nova.upkeep import consumers
from tests.unit import scenes
from tests.unit.adapters import surroundings

ONE, TWO = surroundings.ONE, surroundings.TWO
ME, OTHER, M = scenes.CONSUMERS[:3]
ELSEWHERE = consumers.Server(node='another-node')
FOREIGN = record.Origin.FOREIGN


def server(uuid=ME):
    return types.SimpleNamespace(uuid=uuid)


@pytest.fixture
def compute(tmp_path):
    return surroundings.Compute(tmp_path / 'state')


@pytest.fixture
def settled(compute):
    """A compute service that runs already."""
    compute.upkeep.start()
    compute.cloud.asked.clear()
    return compute


def warned(caplog):
    return [r.message for r in caplog.records if r.levelno >= logging.WARNING]


# The sweep


def test_where_every_consumer_has_its_guest_no_service_is_asked(settled):
    for consumer in (ME, OTHER):
        settled.cloud.guests_xml[consumer] = settled.give(consumer)
    settled.upkeep.periodic()
    assert settled.cloud.asked == [('libvirt',)]


def test_where_nothing_is_claimed_nobody_is_asked_at_all(settled):
    settled.upkeep.periodic()
    assert settled.cloud.asked == []


def test_a_server_that_is_gone_is_released(settled):
    settled.give(ME, 2)
    settled.upkeep.periodic()
    assert (settled.claimed(), settled.live) == ({}, set())


def test_a_server_that_is_gone_is_released_at_start(compute):
    compute.engine.start()
    compute.give(ME)
    compute.restart()
    compute.upkeep.start()
    assert (compute.claimed(), compute.live) == ({}, set())


def test_placement_is_not_asked_about_a_resize_that_waits(settled):
    settled.give(M)
    settled.cloud.nova = {
        M: consumers.Move(server=ME, status='finished'),
        ME: ELSEWHERE,
    }
    settled.upkeep.periodic()
    assert settled.cloud.services_asked() == {'nova'}
    assert set(settled.claimed().values()) == {M}


def test_what_a_failed_resize_left_is_the_servers_again(settled):
    (uuid,) = settled.give(M)
    settled.cloud.guests_xml[ME] = (uuid,)
    settled.cloud.nova = {
        M: consumers.Move(server=ME, status='error'),
        ME: consumers.Server(node=surroundings.HERE),
    }
    settled.allocate(ME)
    settled.upkeep.periodic()
    assert settled.claimed() == {uuid: ME}


def test_an_incoming_server_is_released_when_its_migration_failed(settled):
    settled.give(ME, migration=M)
    running = consumers.Move(server=ME, status='running', kind=consumers.LIVE)
    settled.cloud.nova = {M: running, ME: ELSEWHERE}
    settled.upkeep.periodic()
    assert set(settled.claimed().values()) == {ME}
    settled.cloud.nova[M] = consumers.Move(server=ME, status='failed')
    settled.upkeep.periodic()
    assert settled.claimed() == {}


@pytest.mark.parametrize('whom', ['libvirt', 'nova', 'placement', 'guests'])
def test_who_is_away_takes_nothing_from_anybody(settled, caplog, whom):
    settled.give(ME)
    settled.cloud.away = {whom}
    for _ in range(3):
        settled.upkeep.periodic()
    assert set(settled.claimed().values()) == {ME}
    (said,) = warned(caplog)
    assert f'{whom} does not tell' in said
    settled.cloud.away = set()
    settled.upkeep.periodic()
    assert settled.claimed() == {}
    settled.cloud.away = {whom}
    settled.give(OTHER)
    settled.upkeep.periodic()
    assert len(warned(caplog)) == 2


def test_what_is_still_used_is_released_later(settled, caplog):
    (uuid,) = settled.give(ME)
    settled.host.attach(uuid)
    settled.upkeep.periodic()
    settled.upkeep.periodic()
    assert settled.claimed() == {uuid: ME}
    assert len(warned(caplog)) == 1
    settled.host.detach(uuid)
    settled.upkeep.periodic()
    assert settled.claimed() == {}


def test_an_operation_under_way_keeps_its_claims(settled):
    settled.give(ME)
    with settled.operations.under_way('spawn', server()):
        settled.upkeep.periodic()
    assert set(settled.claimed().values()) == {ME}
    assert settled.cloud.asked == []


@pytest.mark.parametrize('whom', ['libvirt', 'nova', 'placement', 'guests'])
def test_an_operation_that_came_and_went_meanwhile_keeps_its_claims(settled, whom):
    """What was asked before it began says nothing of how it is now."""

    def boot(asked):
        if asked == whom:
            with settled.operations.under_way('spawn', server()):
                settled.give(ME)

    settled.give(ME)
    settled.cloud.meanwhile = boot
    settled.upkeep.periodic()
    assert set(settled.claimed().values()) == {ME}
    settled.cloud.meanwhile = lambda asked: None
    settled.upkeep.periodic()
    assert settled.claimed() == {}


def test_an_operation_that_begins_at_the_last_moment_keeps_its_claims(settled):
    """When all is decided, and before the consumer is locked."""
    with contextlib.ExitStack() as stack:

        def release(consumer, unless):
            stack.enter_context(settled.operations.under_way('spawn', server()))
            return engine.Engine.release(settled.engine, consumer, unless)

        settled.give(ME)
        settled.engine.release = release
        settled.upkeep.periodic()
        assert set(settled.claimed().values()) == {ME}


def test_an_operation_that_begins_at_the_last_moment_keeps_who_has_them(settled):
    with contextlib.ExitStack() as stack:

        def rekey(consumer, to, unless):
            stack.enter_context(settled.operations.under_way('spawn', server()))
            return engine.Engine.rekey(settled.engine, consumer, to, unless)

        settled.give(OTHER)
        settled.cloud.guests_xml[ME] = tuple(settled.claimed())
        settled.cloud.nova = {ME: consumers.Server(node=surroundings.HERE)}
        settled.allocate(ME)
        settled.engine.rekey = rekey
        settled.upkeep.periodic()
        assert set(settled.claimed().values()) == {OTHER}
    del settled.engine.rekey
    settled.upkeep.periodic()
    assert set(settled.claimed().values()) == {ME}


def test_another_server_that_waits_for_its_own_keeps_nothing(settled):
    settled.give(ME)
    settled.allocate(OTHER)
    settled.upkeep.periodic()
    assert set(settled.claimed().values()) == {ME}
    settled.cloud.nova = {OTHER: consumers.Server(node=surroundings.HERE)}
    settled.upkeep.periodic()
    assert settled.claimed() == {}


def test_what_is_allocated_elsewhere_on_this_host_keeps_a_claim(settled):
    """On the root provider, say, where Nova once had it."""
    settled.give(ME)
    settled.cloud.held[ME] = collections.Counter({(surroundings.HERE, ONE): 1})
    settled.upkeep.periodic()
    assert set(settled.claimed().values()) == {ME}


def test_an_operation_on_the_server_keeps_what_its_migration_holds(settled):
    settled.give(M)
    settled.cloud.nova = {M: consumers.Move(server=ME, status='reverted')}
    with settled.operations.under_way('revert', server()):
        settled.upkeep.periodic()
    assert set(settled.claimed().values()) == {M}


def test_what_a_guest_names_is_kept_and_said_once(settled, caplog):
    (uuid,) = settled.give(ME)
    settled.cloud.guests_xml[OTHER] = (uuid,)
    settled.upkeep.periodic()
    settled.upkeep.periodic()
    assert settled.claimed() == {uuid: ME}
    assert [OTHER in text for text in warned(caplog)] == [True]


def test_what_was_settled_and_is_odd_again_is_said_again(settled, caplog):
    (uuid,) = settled.give(ME)
    settled.cloud.guests_xml[OTHER] = (uuid,)
    settled.upkeep.periodic()
    settled.cloud.guests_xml[ME] = (uuid,)
    settled.upkeep.periodic()
    del settled.cloud.guests_xml[ME]
    settled.upkeep.periodic()
    assert len(warned(caplog)) == 2


def test_a_guest_that_cannot_be_read_is_named_and_keeps_what_it_may_have(
    settled, caplog
):
    settled.give(ME)
    settled.cloud.guests_xml[OTHER] = None
    settled.upkeep.periodic()
    assert set(settled.claimed().values()) == {ME}
    assert any(f'guest {OTHER} is broken' in text for text in warned(caplog))


# What a crash left


def test_what_was_begun_and_not_done_is_taken_back(settled):
    (uuid,) = settled.give(ME)
    settled.cloud.guests_xml[ME] = ()
    with settled.store.transaction() as session:
        session.set_state(uuid, record.ClaimState.PENDING)
    with settled.operations.under_way('spawn', server()):
        settled.upkeep.periodic()
    assert settled.claimed() == {uuid: ME}
    settled.upkeep.periodic()
    assert (settled.claimed(), settled.live) == ({}, set())


def test_what_nobody_claims_of_ours_is_removed(settled):
    (uuid,) = settled.give(ME)
    with settled.store.transaction() as session:
        session.drop_claim(uuid)
    settled.upkeep.periodic()
    assert settled.live == set()


def test_with_keep_what_nobody_claims_is_no_reason_to_read_guests(tmp_path):
    compute = surroundings.Compute(tmp_path / 'state', on_release='keep')
    compute.upkeep.start()
    (uuid,) = compute.give(ME)
    compute.upkeep.periodic()
    compute.cloud.asked.clear()
    compute.upkeep.periodic()
    assert (compute.claimed(), compute.live) == ({}, {uuid})
    assert compute.cloud.asked == []


# Adoption


def test_servers_of_the_in_tree_driver_are_adopted(compute):
    for number, (consumer, wanted) in enumerate([(ME, ONE), (OTHER, TWO)]):
        uuid = compute.place(number, wanted)
        compute.cloud.guests_xml[consumer] = (uuid,)
        compute.allocate(consumer, resource_class=wanted)
    compute.restart()
    compute.upkeep.start()
    mine, others = scenes.UUIDS[:2]
    assert compute.claimed() == {mine: ME, others: OTHER}
    known = compute.record
    assert known.mdevs[mine].origin is record.Origin.FOUND
    assert known.claims[others].resource_class == TWO
    reads = [what for what in compute.cloud.asked if what[0] == 'guests']
    assert reads == [('guests', None)]


def test_once_adopted_nothing_is_asked_again(compute):
    compute.cloud.guests_xml[ME] = (compute.place(0),)
    compute.allocate(ME)
    compute.restart()
    compute.upkeep.start()
    compute.restart()
    compute.upkeep.start()
    assert compute.cloud.services_asked() == set()
    assert compute.claimed() == {scenes.UUIDS[0]: ME}


def test_an_accelerators_mdev_is_nobodys(compute):
    """Nova's own driver puts it in the guest like a flavor's."""
    flavors, accelerators = compute.place(0), compute.place(1)
    compute.cloud.guests_xml[ME] = (accelerators, flavors)
    compute.cloud.arqs[ME] = [accelerators]
    compute.allocate(ME)
    compute.restart()
    compute.upkeep.start()
    assert compute.claimed() == {flavors: ME}
    assert accelerators not in compute.record.mdevs
    assert accelerators not in compute.give(OTHER, 22)


def test_cyborg_is_not_asked_about_guests_that_placement_has_nothing_for(compute):
    compute.cloud.guests_xml[ME] = (compute.place(0),)
    compute.restart()
    compute.upkeep.start()
    assert compute.claimed() == {}
    assert 'cyborg' not in compute.cloud.services_asked()


@pytest.mark.parametrize('whom', ['nova', 'placement', 'cyborg'])
def test_what_is_in_doubt_at_start_is_adopted_later(compute, caplog, whom):
    uuid = compute.place(0)
    compute.cloud.guests_xml = {ME: (uuid,), OTHER: ()}
    compute.allocate(ME)
    compute.allocate(M)
    compute.cloud.away = {whom}
    compute.restart()
    compute.upkeep.start()
    compute.upkeep.periodic()
    assert compute.claimed() == {}
    assert len(warned(caplog)) == 1
    assert compute.cloud.asked.count(('guests', {ME})) == 1
    assert uuid not in compute.give(OTHER, 3)
    compute.cloud.away = set()
    compute.upkeep.periodic()
    assert compute.claimed()[uuid] == ME
    assert record.Origin.FOUND is compute.record.mdevs[uuid].origin


@pytest.fixture
def returned(compute):
    """A host that has a record, and was Nova's own driver's for a while.

    That gave an idle mdev of ours to a guest.
    """
    compute.engine.start()
    (uuid,) = compute.give(OTHER)
    with compute.store.transaction() as session:
        session.drop_claim(uuid)
    compute.cloud.guests_xml[ME] = (uuid,)
    return compute, uuid


def test_what_was_taken_while_we_were_away_is_adopted_as_ours(returned):
    compute, uuid = returned
    compute.allocate(ME)
    compute.restart()
    compute.upkeep.start()
    assert compute.claimed() == {uuid: ME}
    assert compute.record.mdevs[uuid].origin is record.Origin.CREATED


@pytest.mark.parametrize('whom', ['placement', 'cyborg'])
def test_while_that_is_in_doubt_nobody_else_gets_it(returned, whom):
    compute, uuid = returned
    compute.allocate(ME)
    compute.cloud.away = {whom}
    compute.restart()
    compute.upkeep.start()
    compute.upkeep.periodic()
    assert compute.record.mdevs[uuid].origin is FOREIGN
    compute.cloud.away = set()
    compute.upkeep.periodic()
    assert compute.claimed() == {uuid: ME}
    assert compute.record.mdevs[uuid].origin is record.Origin.CREATED


def test_what_was_taken_without_an_allocation_is_never_handed_out(returned):
    compute, uuid = returned
    compute.restart()
    compute.upkeep.start()
    assert compute.claimed() == {}
    assert compute.record.mdevs[uuid].origin is FOREIGN
    assert uuid in compute.live


def test_an_operation_settles_its_own_guest_first(compute):
    uuid, others = compute.place(0), compute.place(1)
    compute.cloud.guests_xml = {ME: (uuid,), OTHER: (others,)}
    compute.allocate(ME)
    compute.allocate(OTHER)
    compute.cloud.away = {'placement'}
    compute.restart()
    compute.upkeep.start()
    compute.cloud.away = set()
    with compute.operations.under_way('hard reboot', server()):
        compute.upkeep.settle(server())
        assert compute.claimed() == {uuid: ME}
        compute.cloud.asked.clear()
        compute.upkeep.settle(server())
        assert compute.cloud.asked == []
    compute.upkeep.periodic()
    assert compute.claimed() == {uuid: ME, others: OTHER}


def test_a_guest_with_an_operation_under_way_waits(compute):
    compute.cloud.guests_xml[ME] = (compute.place(0),)
    compute.allocate(ME)
    compute.cloud.away = {'placement'}
    compute.restart()
    compute.upkeep.start()
    compute.cloud.away = set()
    with compute.operations.under_way('hard reboot', server()):
        compute.upkeep.periodic()
        assert compute.claimed() == {}
    compute.upkeep.periodic()
    assert compute.claimed() == {scenes.UUIDS[0]: ME}


def test_what_is_in_doubt_stays_foreign_while_an_operation_is_under_way(returned):
    compute, _ = returned
    compute.allocate(ME)
    compute.cloud.away = {'placement'}
    compute.restart()
    compute.upkeep.start()
    compute.cloud.away = set()
    changed = []
    compute.engine.set_origin = lambda *args: changed.append(args)
    with compute.operations.under_way('reboot', server()):
        compute.upkeep.periodic()
    assert changed == []


def test_an_operation_that_begins_before_the_adoption_goes_first(returned):
    compute, uuid = returned
    compute.allocate(ME)
    compute.cloud.away = {'placement'}
    compute.restart()
    compute.upkeep.start()
    compute.cloud.away = set()
    with contextlib.ExitStack() as stack:

        def adopt(*args):
            stack.enter_context(compute.operations.under_way('reboot', server()))
            return engine.Engine.adopt(compute.engine, *args)

        compute.engine.adopt = adopt
        compute.upkeep.periodic()
        assert compute.claimed() == {}
        assert compute.record.mdevs[uuid].origin is FOREIGN
    del compute.engine.adopt
    compute.upkeep.periodic()
    assert compute.claimed() == {uuid: ME}


def test_a_guest_that_cannot_be_read_does_not_keep_the_others(compute, caplog):
    compute.cloud.guests_xml = {ME: (compute.place(0),), OTHER: None}
    compute.allocate(ME)
    compute.restart()
    compute.upkeep.start()
    assert compute.claimed() == {scenes.UUIDS[0]: ME}
    assert any(f'guest {OTHER} is broken' in text for text in warned(caplog))
    compute.cloud.guests_xml[OTHER] = (compute.place(1),)
    compute.allocate(OTHER)
    compute.upkeep.periodic()
    assert compute.claimed()[scenes.UUIDS[1]] == OTHER


def test_libvirt_away_at_start_is_no_reason_not_to_start(compute, caplog):
    compute.cloud.guests_xml[ME] = (compute.place(0),)
    compute.allocate(ME)
    compute.restart()
    compute.cloud.away = {'guests', 'libvirt'}
    compute.upkeep.start()
    compute.upkeep.settle(server())
    assert warned(caplog)
    compute.cloud.away = set()
    compute.upkeep.settle(server())
    assert compute.claimed() == {scenes.UUIDS[0]: ME}
    compute.cloud.asked.clear()
    compute.upkeep.periodic()
    assert ('guests', None) in compute.cloud.asked
