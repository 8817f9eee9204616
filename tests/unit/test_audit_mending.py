# SPDX-License-Identifier: Apache-2.0
"""What mends a finding, and what is left alone."""

from __future__ import annotations

import pytest

from nova_generic_mdev import audit
from nova_generic_mdev import model
from nova_generic_mdev import policy
from nova_generic_mdev import record
from tests.unit import test_audit
from tests.unit.worlds import ACCELERATOR
from tests.unit.worlds import CLASS
from tests.unit.worlds import CLI
from tests.unit.worlds import FOREIGN
from tests.unit.worlds import FOUND
from tests.unit.worlds import ME
from tests.unit.worlds import MTTY
from tests.unit.worlds import OTHER
from tests.unit.worlds import PROVIDER
from tests.unit.worlds import YOU
from tests.unit.worlds import A
from tests.unit.worlds import B
from tests.unit.worlds import C
from tests.unit.worlds import World
from tests.unit.worlds import rules

PENDING = record.ClaimState.PENDING
REMOVING = (audit.Release, audit.Undefine, audit.Reconcile)


def plan(world, *without):
    told = world.witnesses(*without)
    return list(audit.plan(audit.audit(told), told))


MENDED = [
    pytest.param('missing', [audit.Restore(consumer=ME)], id='made again'),
    pytest.param('orphan', [audit.Reconcile(uuid=C)], id='removed'),
    pytest.param('pending', [audit.Reconcile(uuid=A)], id='finished, or taken back'),
    pytest.param('stale_record', [audit.Reconcile(uuid=C)], id='forgotten'),
    pytest.param(
        'definition',
        [audit.Undefine(uuid=C, parent=MTTY), audit.Reconcile(uuid=C)],
        id='undefined and forgotten',
    ),
    pytest.param('stale_claim', [audit.Release(consumer=ME)], id='released'),
    pytest.param(
        'unclaimed',
        [audit.Adopt(consumer=ME, classes=((A, CLASS),)), audit.Publish()],
        id='claimed for its guest, since Placement says so',
    ),
    pytest.param('unpublished', [audit.Publish()], id='a provider is made'),
    pytest.param('stale_provider', [audit.Publish()], id='a provider is deleted'),
    pytest.param('other_inventory', [audit.Publish()], id='an inventory is set'),
    pytest.param('fewer_traits', [audit.Publish()], id='traits are set'),
]


@pytest.mark.parametrize(('damage', 'steps'), MENDED)
def test_what_mends_it(damage, steps):
    world = World()
    getattr(test_audit, damage)(world)
    assert plan(world) == steps


@pytest.mark.parametrize('step', audit.Step.__args__)
def test_each_step_says_what_it_would_do(step):
    told = {str(step) for row in MENDED for step in row.values[1]}
    mine = [s for row in MENDED for s in row.values[1] if isinstance(s, step)]
    assert mine
    assert all(str(one) in told and '(' not in str(one) for one in mine)


MENDABLE = {str(row.values[0]) for row in MENDED}


@pytest.mark.parametrize(
    'name',
    [n for n, row in test_audit.ROWS.items() if row.damage.__name__ not in MENDABLE],
)
def test_the_other_situations_are_at_most_published_or_forgotten(name):
    world = World()
    damage = test_audit.ROWS[name].damage
    damage(world)
    told = world.witnesses()
    for one in audit.audit(told):
        for step in audit.steps(one, told):
            if isinstance(step, audit.Release):
                assert one.kind is audit.Kind.STALE_CLAIM
                continue
            assert isinstance(step, audit.Publish | audit.Reconcile)
            if isinstance(step, audit.Reconcile):
                # Another situation of a kind that is mended.
                assert one.kind in (audit.Kind.STALE_RECORD, audit.Kind.PENDING_CLAIM)


def test_the_documentation_says_what_is_mended():
    """A kind for which a fix is described is mended in some situation, and back."""
    mended = set()
    for row in test_audit.ROWS.values():
        world = World()
        row.damage(world)
        told = world.witnesses()
        mended |= {one.kind for one in audit.audit(told) if audit.steps(one, told)}
    assert mended == {k for k, meaning in audit.MEANINGS.items() if meaning.mended}


@pytest.mark.parametrize(
    'damage',
    [
        pytest.param('stale_and_held', id='somebody holds what would be dropped'),
        pytest.param('no_root', id="the host's own provider is Nova's to make"),
        pytest.param('foreign_provider', id='it is not ours'),
        pytest.param('no_parent_and_nothing_free', id='all that can be is done'),
    ],
)
def test_what_publishing_does_not_mend(damage):
    world = World()
    getattr(test_audit, damage)(world)
    assert plan(world) == []


# Never removed


def in_a_guest(world):
    test_audit.orphan(world)
    world.guest('one', ME, A, C)


def in_a_guest_that_is_off(world):
    test_audit.orphan(world)
    world.guest('one', ME, A, C, running=False)


def a_guest_cannot_be_read(world):
    test_audit.orphan(world)
    world.unread['three'] = 'broken'


def its_definition_is_in_a_guest(world):
    test_audit.definition(world)
    world.guest('one', ME, A, C)


def was_found(world):
    world.know(C, origin=FOUND)
    world.define(C)


def is_foreign(world):
    world.know(C, origin=FOREIGN)
    world.define(C)


def is_nobodys_we_know(world):
    test_audit.definition_of_others(world)
    test_audit.foreign(world)


def somebody_defined_its_uuid_on_another_parent(world):
    test_audit.definition(world)
    world.duplicates.append(
        model.Definition(uuid=C, parent='pci_0000_01_00_0', mdev_type='mtty-2')
    )


def an_orphan_of_which_somebody_has_another_definition(world):
    test_audit.orphan(world)
    world.define(C)
    world.duplicates.append(
        model.Definition(uuid=C, parent='pci_0000_01_00_0', mdev_type='mtty-2')
    )


def is_kept(world):
    world.policy = rules(on_release=policy.OnRelease.KEEP)
    test_audit.definition(world)


def an_accelerators_claim_is_pending(world):
    world.claim(A, owner=ACCELERATOR, resource_class='', state=PENDING)
    del world.held[PROVIDER][ME]


def an_accelerators_claim_has_no_guest(world):
    world.claim(A, owner=ACCELERATOR, resource_class='')
    world.lose('one', ME)


def a_claim_of_the_command_line(world):
    world.claim(A, owner=CLI)
    world.lose('one', ME)


def a_stale_claim_beside_an_accelerators(world):
    world.host.place(C, MTTY, 'mtty-2')
    world.know(C, consumer=ME, owner=ACCELERATOR)
    world.lose('one', ME)


def a_live_migration_brings_it(world):
    world.claim(A, migration=OTHER)
    world.lose('one', ME)


def another_guest_names_it(world):
    world.lose('one', ME)
    world.guest('two', YOU, A, B)


def somebody_else_holds_as_much(world):
    world.lose('one', ME)
    world.hold(OTHER)


@pytest.mark.parametrize(
    'damage',
    [
        in_a_guest,
        in_a_guest_that_is_off,
        a_guest_cannot_be_read,
        its_definition_is_in_a_guest,
        was_found,
        is_foreign,
        is_nobodys_we_know,
        somebody_defined_its_uuid_on_another_parent,
        an_orphan_of_which_somebody_has_another_definition,
        is_kept,
        an_accelerators_claim_is_pending,
        an_accelerators_claim_has_no_guest,
        a_claim_of_the_command_line,
        a_stale_claim_beside_an_accelerators,
        a_live_migration_brings_it,
        another_guest_names_it,
        somebody_else_holds_as_much,
    ],
    ids=lambda damage: damage.__name__.replace('_', ' '),
)
def test_what_is_never_removed(damage):
    world = World()
    damage(world)
    assert not [step for step in plan(world) if isinstance(step, REMOVING)]


@pytest.mark.parametrize('witness', ['claims', 'sysfs', 'libvirt', 'placement'])
@pytest.mark.parametrize('damage', [row.values[0] for row in MENDED])
def test_nothing_is_removed_unless_all_were_asked_who_may_need_it(damage, witness):
    world = World()
    getattr(test_audit, damage)(world)
    removing = [s for s in plan(world, witness) if isinstance(s, REMOVING)]
    if witness != 'placement':
        assert not removing
    else:
        # Whose a claim is, only Placement knows.
        assert not [s for s in removing if isinstance(s, audit.Release)]


# Adoption


def lacks_two(world):
    world.hold(ME, 2)


def has_one_more_that_is_not_ours(world):
    world.host.place(C, MTTY, 'mtty-2')
    world.guest('one', ME, A, C)


def has_one_more_of_a_service(world):
    has_one_more_that_is_not_ours(world)
    world.know(C, origin=FOREIGN)
    world.hold(ME, 2)


def holds_another_class(world):
    world.hold(ME, 1, 'CUSTOM_X')


def two_guests_name_it(world):
    world.guest('two', YOU, A, B)


@pytest.mark.parametrize(
    'more',
    [
        lacks_two,
        has_one_more_that_is_not_ours,
        has_one_more_of_a_service,
        holds_another_class,
        two_guests_name_it,
    ],
    ids=lambda more: more.__name__.replace('_', ' '),
)
def test_what_a_guest_has_is_its_own_only_where_placement_says_just_that(more):
    world = World()
    test_audit.unclaimed(world)
    more(world)
    assert not [step for step in plan(world) if isinstance(step, audit.Adopt)]


# Order


def test_each_step_is_taken_once_and_publishing_comes_last():
    world = World()
    test_audit.fewer_traits(world)
    test_audit.other_inventory(world)
    test_audit.missing(world)
    test_audit.orphan(world)
    test_audit.other_inventory(world)
    steps = plan(world)
    assert steps == [
        audit.Reconcile(uuid=C), audit.Restore(consumer=ME), audit.Publish(),
    ]  # fmt: skip


def test_what_is_to_be_released_is_not_made_again():
    world = World()
    test_audit.stale_claim(world)
    test_audit.missing(world)
    assert plan(world) == [audit.Release(consumer=ME)]


def test_what_was_never_finished_is_taken_back_and_not_released():
    world = World()
    test_audit.stale_claim(world)
    world.claim(A, state=PENDING)
    assert plan(world) == [audit.Reconcile(uuid=A)]


def test_a_consumer_is_asked_about_again_before_its_release():
    world = World()
    test_audit.stale_claim(world)
    assert audit.may_be_released(ME, world.witnesses())
    world.hold(ME)
    assert not audit.may_be_released(ME, world.witnesses())
    del world.held[PROVIDER][ME]
    for witness in ('claims', 'sysfs', 'libvirt', 'placement'):
        assert not audit.may_be_released(ME, world.witnesses(witness))
