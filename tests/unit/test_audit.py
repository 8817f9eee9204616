# SPDX-License-Identifier: Apache-2.0
"""Each kind of finding, made by hand, with each witness absent in turn."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses

import pytest

from nova_generic_mdev import audit
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev import record
from tests.unit import audit_table
from tests.unit.scenes import UUIDS
from tests.unit.worlds import ACCELERATOR
from tests.unit.worlds import CLASS
from tests.unit.worlds import CLI
from tests.unit.worlds import FOREIGN
from tests.unit.worlds import FOUND
from tests.unit.worlds import MDPY
from tests.unit.worlds import ME
from tests.unit.worlds import MTTY
from tests.unit.worlds import OTHER
from tests.unit.worlds import PROVIDER
from tests.unit.worlds import ROOT
from tests.unit.worlds import ROOT_UUID
from tests.unit.worlds import YOU
from tests.unit.worlds import A
from tests.unit.worlds import B
from tests.unit.worlds import C
from tests.unit.worlds import World
from tests.unit.worlds import current
from tests.unit.worlds import rules

D = UUIDS[3]
K = audit.Kind
E, W, INFO = audit.Severity
PENDING = record.ClaimState.PENDING
WITNESSES = ('claims', 'sysfs', 'libvirt', 'placement')
Found = cabc.Set[tuple[str, str, str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A damage, and what is found of it.

    :param found: severity, kind and subject, when all are asked
    :param without: what is found instead, by the witness that is absent; by
        default the same
    """

    damage: cabc.Callable[[World], object]
    found: Found
    without: cabc.Mapping[str, Found] = dataclasses.field(default_factory=dict)


ROWS: dict[str, Row] = {}


def row(name: str, *found: tuple, **without: Found):
    """The situation that the function makes."""

    def add(damage):
        ROWS[name] = Row(damage=damage, found=frozenset(found), without=without)
        return damage

    return add


NOTHING: Found = frozenset()


def mdev(severity, kind, uuid=A):
    return severity, kind, f'mdev {uuid}'


def consumer(severity, kind, who=ME):
    return severity, kind, f'consumer {who}'


def provider(severity, kind, name=PROVIDER):
    return severity, kind, f'provider {name}'


def parent(severity, kind, name=MTTY):
    return severity, kind, f'parent {name}'


# Nothing differs


@row('all is well')
def nothing(world):
    pass


@row('what the command line claimed is outside Placement, and of no guest')
def by_hand(world):
    world.host.place(C, MDPY, 'mdpy-vga')
    world.know(C, parent=MDPY, mdev_type='mdpy-vga', consumer=OTHER, owner=CLI)
    world.republish()


@row('a guest that is being moved has what is claimed for the migration')
def migrated(world):
    world.claim(A, consumer=OTHER)
    world.hold(OTHER)
    del world.held[PROVIDER][ME]


@row('what was found and is idle')
def idle_found(world):
    world.host.place(C, MTTY, 'mtty-2')
    world.know(C, origin=FOUND)
    world.republish()


@row('what is kept for the next one')
def idle_kept(world):
    world.policy = rules(on_release=policy.OnRelease.KEEP)
    world.host.place(C, MTTY, 'mtty-2')
    world.know(C)
    world.republish()


@row('an accelerator service has made its own, which is known, and in a guest')
def accelerators(world):
    world.host.place(C, MTTY, 'mtty-1')
    world.know(C, origin=FOREIGN, mdev_type='mtty-1')
    world.guest('one', ME, A, C)
    world.republish()


@row('a foreign one that is not there: its service may make it again')
def foreign_gone(world):
    world.know(C, origin=FOREIGN)


@row('somebody has made one on a parent that does not concern us')
def elsewhere(world):
    world.policy = policy.Policy(rules=world.policy.rules[:1])
    world.tree.pop(f'{ROOT}_{MDPY}')
    world.host.place(C, MDPY, 'mdpy-hd')


@row('one that comes by live migration has no guest here yet')
def incoming(world):
    world.guests.pop('one')
    world.claim(A, migration=OTHER)


@row('an accelerator service has made its own again, as another type')
def foreign_again(world):
    accelerators(world)
    world.know(C, origin=FOREIGN, mdev_type='mtty-2')


@row("what is an accelerator service's does not drain, and its parent is not ours")
def parent_of_accelerators(world):
    elsewhere(world)
    world.host.place(D, MDPY, 'mdpy-hd')
    world.know(
        D, parent=MDPY, mdev_type='mdpy-hd', origin=FOREIGN,
        consumer=OTHER, owner=ACCELERATOR,
    )  # fmt: skip


@row('libvirt has not heard of the end of one that does not concern us')
def phantom_elsewhere(world):
    there = 'pci_0000_01_00_0'
    world.phantoms[C] = model.Mdev(uuid=C, parent=there, mdev_type='nvidia-1')


@row('one that comes by live migration is in its guest only when that has come')
def incoming_and_here(world):
    world.guest('one', ME)
    world.claim(A, migration=OTHER)


@row('nothing is wanted, and Placement does not know this host')
def nothing_wanted(world):
    for mutable in (world.records, world.claimed, world.guests, world.tree, world.held):
        mutable.clear()
    for uuid in (A, B):
        world.host.lose_mdev(uuid)
    world.policy = policy.Policy()


# Mdevs


@row(
    'a claimed mdev is not there',
    mdev(E, K.MISSING_MDEV),
    sysfs=NOTHING,
)
def missing(world):
    world.host.lose_mdev(A)


@row(
    'a guest names one that nobody knows',
    mdev(E, K.MISSING_MDEV, C),
    sysfs=NOTHING,
    libvirt=NOTHING,
)
def missing_of_a_guest(world):
    world.guest('one', ME, A, C)


@row(
    'a guest that is shut off names one that nobody knows',
    mdev(W, K.MISSING_MDEV, C),
    sysfs=NOTHING,
    libvirt=NOTHING,
)
def missing_of_a_guest_that_is_off(world):
    world.guest('one', ME, A, C, running=False)


@row(
    'one of ours that nobody has',
    mdev(W, K.ORPHAN_MDEV, C),
    claims=NOTHING,
    sysfs=NOTHING,
)
def orphan(world):
    world.host.place(C, MTTY, 'mtty-2')
    world.know(C)
    world.republish()


@row(
    'one that we neither made nor found',
    mdev(W, K.FOREIGN_MDEV, C),
    claims=NOTHING,
    sysfs=NOTHING,
)
def foreign(world):
    world.host.place(C, MTTY, 'mtty-2')
    world.republish()


@row(
    'it came back as another type',
    mdev(E, K.TYPE_MISMATCH),
    claims=NOTHING,
    sysfs=NOTHING,
)
def mismatch(world):
    world.host.lose_mdev(A)
    world.host.place(A, MTTY, 'mtty-1')
    world.republish()


@row(
    'it is defined as another type',
    mdev(E, K.TYPE_MISMATCH),
    claims=NOTHING,
    libvirt=NOTHING,
)
def mismatch_of_a_definition(world):
    world.define(A, mdev_type='mtty-1')


@row(
    'it is defined with other attributes than we gave it',
    mdev(E, K.TYPE_MISMATCH),
    claims=NOTHING,
    libvirt=NOTHING,
)
def mismatch_of_attributes(world):
    world.know(A, consumer=ME, backend='libvirt', attributes=(('a', '1'),))
    world.define(A, attributes=(('a', '2'),))


@row('one that was found is defined with attributes that we never knew')
def attributes_of_others(world):
    world.know(A, consumer=ME, origin=FOUND, backend=None)
    world.define(A, attributes=(('a', '2'),))


@row('a definition whose parent libvirt cannot name')
def parent_unnamed(world):
    world.define(A, parent='computer')


@row(
    'two guests name one mdev',
    mdev(E, K.DOUBLE_ASSIGNMENT),
    libvirt=NOTHING,
)
def double(world):
    world.guest('two', YOU, A, B)


@row(
    "a guest names another one's",
    mdev(E, K.DOUBLE_ASSIGNMENT),
    claims=NOTHING,
    libvirt=NOTHING,
)
def stolen(world):
    world.guest('one', ME)
    world.guest('two', YOU, A, B)


@row(
    "a guest names one of ours that is nobody's",
    mdev(E, K.GUEST_WITHOUT_CLAIM),
    consumer(E, K.ALLOCATION_WITHOUT_DEVICE),
    provider(W, K.INVENTORY_DIFFERS),
    claims=NOTHING,
    sysfs={consumer(E, K.ALLOCATION_WITHOUT_DEVICE)},
    libvirt={
        mdev(W, K.ORPHAN_MDEV),
        consumer(W, K.UNKNOWN_CONSUMER),
        provider(W, K.INVENTORY_DIFFERS),
    },
    placement={mdev(E, K.GUEST_WITHOUT_CLAIM)},
)
def unclaimed(world):
    del world.claimed[A]


@row(
    'a guest does not name what is claimed for it',
    mdev(E, K.GUEST_WITHOUT_DEVICE),
    claims=NOTHING,
    libvirt=NOTHING,
)
def without_device(world):
    world.guest('one', ME)


@row(
    'one that is shut off does not name it, and will when it starts',
    mdev(W, K.GUEST_WITHOUT_DEVICE),
    claims=NOTHING,
    libvirt=NOTHING,
)
def without_device_off(world):
    world.guest('one', ME, running=False)


@row(
    'a claim was begun and not finished',
    mdev(W, K.PENDING_CLAIM),
    claims=NOTHING,
)
def pending(world):
    world.claim(A, state=PENDING)


@row(
    'a claim was begun and not finished, and its guest does not name it yet',
    mdev(W, K.PENDING_CLAIM),
    claims=NOTHING,
)
def pending_without_a_guest(world):
    pending(world)
    world.guest('one', ME)


@row(
    'nobody can tell whether one is defined',
    (W, K.UNREADABLE, f'path {names.mdev_node_device(C, "mtty")}'),
    libvirt=NOTHING,
)
def perhaps_defined(world):
    world.know(C, origin=FOUND)
    fault = model.Fault(where=names.mdev_node_device(C, 'mtty'), reason='broken')
    world.libvirt_faults.append(fault)


@row(
    'the record knows one that is nowhere',
    mdev(W, K.STALE_RECORD, C),
    claims=NOTHING,
    sysfs=NOTHING,
    libvirt=NOTHING,
)
def stale_record(world):
    world.know(C, origin=FOUND)


@row(
    'one of ours that is nowhere, and its parent neither',
    mdev(W, K.STALE_RECORD, C),
    claims=NOTHING,
    sysfs=NOTHING,
    libvirt=NOTHING,
)
def stale_record_of_an_absent_parent(world):
    world.know(C, parent='pci_0000_01_00_0')


@row('one that was found may come with its parent')
def found_on_an_absent_parent(world):
    world.know(C, origin=FOUND, parent='pci_0000_01_00_0')


@row(
    'ours is defined, and not there',
    mdev(W, K.DEFINITION_WITHOUT_DEVICE, C),
    claims=NOTHING,
    sysfs=NOTHING,
    libvirt=NOTHING,
)
def definition(world):
    world.know(C)
    world.define(C)


@row(
    'somebody defined one on a parent of ours',
    mdev(W, K.DEFINITION_WITHOUT_DEVICE, C),
    claims=NOTHING,
    sysfs=NOTHING,
    libvirt=NOTHING,
)
def definition_of_others(world):
    world.define(C)


@row('somebody defined one on a parent that does not concern us')
def definition_elsewhere(world):
    world.define(C, parent='pci_0000_01_00_0')


@row(
    'libvirt has two definitions of one uuid',
    mdev(W, K.DUPLICATE_UUID),
    libvirt=NOTHING,
)
def duplicate(world):
    world.define(A)
    world.duplicates.append(
        model.Definition(uuid=A, parent='pci_0000_01_00_0', mdev_type='mtty-2')
    )


@row(
    'libvirt has one live on two parents',
    mdev(W, K.DUPLICATE_UUID),
    libvirt=NOTHING,
)
def duplicate_live(world):
    world.duplicates.append(
        model.Mdev(uuid=A, parent='pci_0000_01_00_0', mdev_type='mtty-2')
    )


@row(
    'libvirt has not heard of one',
    mdev(W, K.LIBVIRT_DIFFERS),
    sysfs=NOTHING,
    libvirt=NOTHING,
)
def unheard(world):
    world.unheard.add(A)


@row(
    'libvirt has not heard of the end of one',
    mdev(W, K.LIBVIRT_DIFFERS, C),
    sysfs=NOTHING,
    libvirt=NOTHING,
)
def phantom(world):
    world.phantoms[C] = model.Mdev(uuid=C, parent=MTTY, mdev_type='mtty-2')


@row(
    'libvirt has it as another type',
    mdev(W, K.LIBVIRT_DIFFERS),
    sysfs=NOTHING,
    libvirt=NOTHING,
)
def phantom_of_another_type(world):
    world.phantoms[A] = model.Mdev(uuid=A, parent=MTTY, mdev_type='mtty-1')


@row(
    'libvirt cannot read the node device of one, and says so',
    (W, K.UNREADABLE, f'path {names.mdev_node_device(A, "mtty")}'),
    libvirt=NOTHING,
)
def unread_node(world):
    world.unheard.add(A)
    fault = model.Fault(where=names.mdev_node_device(A, 'mtty'), reason='broken')
    world.libvirt_faults.append(fault)


# Consumers


@row(
    'the allocation of a server here is gone',
    consumer(E, K.DEVICE_WITHOUT_ALLOCATION),
    claims=NOTHING,
    placement=NOTHING,
)
def unallocated(world):
    del world.held[PROVIDER][ME]


@row(
    'a server here holds more than it has',
    consumer(E, K.ALLOCATION_WITHOUT_DEVICE),
    claims=NOTHING,
    placement=NOTHING,
)
def lacking(world):
    world.hold(ME, 2)


@row(
    'an allocation of a consumer that nobody here knows',
    consumer(W, K.UNKNOWN_CONSUMER, OTHER),
    claims=NOTHING,
    placement=NOTHING,
)
def stranger(world):
    world.hold(OTHER)


@row(
    'an allocation of a guest here without any claim',
    consumer(E, K.ALLOCATION_WITHOUT_DEVICE, OTHER),
    claims=NOTHING,
    libvirt={consumer(W, K.UNKNOWN_CONSUMER, OTHER)},
    placement=NOTHING,
)
def guest_with_an_allocation(world):
    world.guest('three', OTHER)
    world.hold(OTHER)


@row(
    'a server went and its claim did not',
    consumer(W, K.STALE_CLAIM),
    claims=NOTHING,
    libvirt={consumer(E, K.DEVICE_WITHOUT_ALLOCATION)},
    placement=NOTHING,
)
def stale_claim(world):
    world.lose('one', ME)


@row(
    'a server went, and a guest cannot be read, which may have what it had',
    consumer(E, K.DEVICE_WITHOUT_ALLOCATION),
    (E, K.UNREADABLE_GUEST, 'guest three'),
    claims={(E, K.UNREADABLE_GUEST, 'guest three')},
    libvirt={consumer(E, K.DEVICE_WITHOUT_ALLOCATION)},
    placement={(E, K.UNREADABLE_GUEST, 'guest three')},
)
def perhaps_stale(world):
    world.lose('one', ME)
    world.unread['three'] = 'broken'


@row(
    'Placement gave to the migration what is claimed for the instance',
    consumer(W, K.CONSUMER_DIFFERS),
    claims=NOTHING,
    placement=NOTHING,
)
def moving(world):
    world.hold(OTHER)
    del world.held[PROVIDER][ME]


@row(
    'a server went, and nobody here can tell whether a migration holds it instead',
    consumer(W, K.CONSUMER_DIFFERS),
    claims=NOTHING,
    placement=NOTHING,
)
def moving_away(world):
    world.lose('one', ME)
    world.hold(OTHER)


@row(
    'a server went, and another one here lacks as much, which is no heir',
    consumer(W, K.STALE_CLAIM),
    consumer(E, K.ALLOCATION_WITHOUT_DEVICE, OTHER),
    claims=NOTHING,
    libvirt={consumer(W, K.CONSUMER_DIFFERS)},
    placement=NOTHING,
)
def gone_beside_one_that_lacks(world):
    world.lose('one', ME)
    guest_with_an_allocation(world)


# Providers


@row(
    'a parent has no provider',
    provider(W, K.MISSING_PROVIDER, f'{ROOT}_{MDPY}'),
    claims=NOTHING,
    sysfs=NOTHING,
    placement=NOTHING,
)
def unpublished(world):
    del world.tree[f'{ROOT}_{MDPY}']


@row(
    'Placement does not know this host',
    provider(W, K.MISSING_PROVIDER, ROOT),
    consumer(E, K.DEVICE_WITHOUT_ALLOCATION, ME),
    consumer(E, K.DEVICE_WITHOUT_ALLOCATION, YOU),
    claims=NOTHING,
    sysfs={
        consumer(E, K.DEVICE_WITHOUT_ALLOCATION, ME),
        consumer(E, K.DEVICE_WITHOUT_ALLOCATION, YOU),
    },
    placement=NOTHING,
)
def no_root(world):
    world.tree.clear()
    world.held.clear()


STALE = f'{ROOT}_pci_0000_01_00_0'


@row(
    'a provider of ours that nobody asks for',
    provider(W, K.STALE_PROVIDER, STALE),
    claims=NOTHING,
    sysfs=NOTHING,
    placement=NOTHING,
)
def stale_provider(world):
    world.tree[STALE] = current(
        STALE, 'aaaaaaaa-0000-4000-8000-0000000000ff', ROOT_UUID,
        {'VGPU': {'total': 1}}, {names.type_trait('nvidia-1')},
    )  # fmt: skip


@row(
    'one that nobody asks for, all of it reserved, since somebody holds it',
    provider(W, K.STALE_PROVIDER, STALE),
    consumer(W, K.UNKNOWN_CONSUMER, OTHER),
    claims=NOTHING,
    sysfs={consumer(W, K.UNKNOWN_CONSUMER, OTHER)},
    placement=NOTHING,
)
def stale_and_held(world):
    world.tree[STALE] = current(
        STALE, 'aaaaaaaa-0000-4000-8000-0000000000ff', ROOT_UUID,
        {'VGPU': {'total': 1, 'reserved': 1, 'max_unit': 1}},
        {names.type_trait('nvidia-1')},
    )  # fmt: skip
    world.held[STALE] = {OTHER: {'VGPU': 1}}


@row(
    'something else has the name of one of ours',
    provider(E, K.FOREIGN_PROVIDER),
    claims=NOTHING,
    sysfs=NOTHING,
    placement=NOTHING,
)
def foreign_provider(world):
    world.change(traits=frozenset())


@row(
    'one of ours is at another place in the tree',
    provider(E, K.FOREIGN_PROVIDER),
    claims=NOTHING,
    sysfs=NOTHING,
    placement=NOTHING,
)
def misplaced_provider(world):
    world.change(parent='aaaaaaaa-0000-4000-8000-0000000000ff')


@row(
    'Placement has another inventory',
    provider(W, K.INVENTORY_DIFFERS),
    claims=NOTHING,
    sysfs=NOTHING,
    placement=NOTHING,
)
def other_inventory(world):
    told = {**world.tree[PROVIDER].inventories[CLASS], 'reserved': 5}
    world.change(inventories={CLASS: told})


@row(
    'a class more than is wanted',
    provider(W, K.INVENTORY_DIFFERS),
    claims=NOTHING,
    sysfs=NOTHING,
    placement=NOTHING,
)
def another_class(world):
    told = {**world.tree[PROVIDER].inventories, 'CUSTOM_X': {'total': 1}}
    world.change(inventories=told)


@row(
    'a class more than is wanted, all of it reserved, since somebody holds it',
    consumer(W, K.UNKNOWN_CONSUMER, OTHER),
    claims=NOTHING,
    placement=NOTHING,
)
def another_class_that_is_held(world):
    more = {'total': 1, 'reserved': 1, 'max_unit': 1}
    world.change(inventories={**world.tree[PROVIDER].inventories, 'CUSTOM_X': more})
    world.hold(OTHER, 1, 'CUSTOM_X')


@row(
    'a provider lacks a trait',
    provider(W, K.TRAITS_DIFFER),
    claims=NOTHING,
    sysfs=NOTHING,
    placement=NOTHING,
)
def fewer_traits(world):
    world.change(traits=world.tree[PROVIDER].traits - {'OWNER_NOVA'})


@row(
    'a provider has a trait that we gave it once',
    provider(W, K.TRAITS_DIFFER),
    claims=NOTHING,
    sysfs=NOTHING,
    placement=NOTHING,
)
def more_traits(world):
    world.published = {MTTY: frozenset({'CUSTOM_OLD'})}
    world.change(traits=world.tree[PROVIDER].traits | {'CUSTOM_OLD'})


@row("an operator's own trait")
def own_trait(world):
    world.change(traits=world.tree[PROVIDER].traits | {'CUSTOM_RACK_7'})


@row('a trait that this Placement does not know')
def unknown_trait(world):
    world.unknown = frozenset({'OWNER_NOVA'})
    for name in (PROVIDER, f'{ROOT}_{MDPY}'):
        traits = world.tree[name].traits - world.unknown
        world.change(name, traits=traits)


# The host


@row(
    'a parent is gone, and what was claimed on it',
    parent(E, K.MISSING_PARENT),
    claims={
        parent(W, K.MISSING_PARENT),
        mdev(E, K.MISSING_MDEV, A),
        mdev(E, K.MISSING_MDEV, B),
    },
    sysfs=NOTHING,
)
def no_parent(world):
    world.host.lose_parent(MTTY)
    world.republish()


@row(
    'a parent is gone that Placement may still want something of',
    parent(W, K.MISSING_PARENT, MDPY),
    provider(W, K.INVENTORY_DIFFERS, f'{ROOT}_{MDPY}'),
    claims={parent(W, K.MISSING_PARENT, MDPY)},
    sysfs=NOTHING,
    placement=NOTHING,
)
def no_parent_and_no_claim(world):
    world.host.lose_parent(MDPY)


LONG = f'dev_{"x" * 250}'
LONGS = names.provider(ROOT, LONG)


@row(
    'a parent is gone whose name is too long for its provider, which we published',
    parent(W, K.MISSING_PARENT, LONG),
    provider(W, K.INVENTORY_DIFFERS, LONGS),
    claims={parent(W, K.MISSING_PARENT, LONG)},
    sysfs=NOTHING,
    placement=NOTHING,
)
def no_parent_of_a_long_name(world):
    rule = policy.TypeRule(mdev_type='x-1', device_addresses=('x' * 250,))
    world.policy = policy.Policy(rules=(*world.policy.rules, rule))
    world.published = {LONG: frozenset()}
    world.tree[LONGS] = current(
        LONGS, 'aaaaaaaa-0000-4000-8000-0000000000ff', ROOT_UUID,
        {'VGPU': {'total': 1}}, {names.type_trait('x-1')},
    )  # fmt: skip


@row(
    'a parent is there and cannot be read',
    (W, K.UNREADABLE, 'path /sys/mtty'),
    claims={(W, K.UNREADABLE, 'path /sys/mtty')},
    sysfs=NOTHING,
)
def unread_parent(world):
    world.host.lose_parent(MTTY)
    fault = model.Fault(where='/sys/mtty', reason='Permission denied', parent=MTTY)
    world.faults.append(fault)
    world.republish()


@row(
    'a parent is gone, and Placement knows that nothing is free there',
    parent(W, K.MISSING_PARENT, MDPY),
    sysfs=NOTHING,
    placement=NOTHING,
)
def no_parent_and_nothing_free(world):
    world.host.lose_parent(MDPY)
    name = f'{ROOT}_{MDPY}'
    told = {c: {**i, 'reserved': i['total']} for c, i in inventories(world, name)}
    world.change(name, inventories=told)


def inventories(world, name):
    return world.tree[name].inventories.items()


@row(
    'a parent is there and cannot be read, nor can what libvirt tells be checked',
    (W, K.UNREADABLE, 'path /sys/mtty'),
    sysfs=NOTHING,
)
def unread_parent_with_more(world):
    unread_parent(world)
    world.know(C)
    world.phantoms[A] = model.Mdev(uuid=A, parent=MTTY, mdev_type='mtty-2')


@row(
    'something of a parent that does not concern us cannot be read',
    (INFO, K.UNREADABLE, 'path /sys/x'),
    sysfs=NOTHING,
)
def unread_and_nothing_to_us(world):
    elsewhere(world)
    world.faults.append(model.Fault(where='/sys/x', reason='no', parent=MDPY))


@row(
    'a guest cannot be read',
    (E, K.UNREADABLE_GUEST, 'guest three'),
    libvirt=NOTHING,
)
def unread_guest(world):
    world.unread['three'] = 'broken'


@row(
    'a type drains',
    parent(INFO, K.DRAINING),
    claims=NOTHING,
    sysfs=NOTHING,
)
def draining(world):
    world.policy = rules(drain=True)
    world.republish()


@row('a parent is drained', parent(INFO, K.DRAINING), claims=NOTHING)
def drained(world):
    world.drained.add(MTTY)
    world.republish()


@row(
    'a parent is drained on which nothing is in use',
    (INFO, K.DRAINING, f'parent {MDPY}'),
    claims=NOTHING,
)
def drained_and_empty(world):
    world.drained.add(MDPY)
    world.republish()


@row(
    'a type is not configured any more, and still in use',
    parent(INFO, K.DRAINING),
    claims=NOTHING,
    sysfs=NOTHING,
)
def not_configured(world):
    world.policy = policy.Policy(rules=world.policy.rules[1:])
    world.republish()


def found(world, *without):
    return {(one.severity, one.kind, str(one.subject)) for one in world.audit(*without)}


@pytest.mark.parametrize('name', ROWS)
def test_what_is_found(name):
    world = World()
    ROWS[name].damage(world)
    assert found(world) == ROWS[name].found


@pytest.mark.parametrize('witness', WITNESSES)
@pytest.mark.parametrize('name', ROWS)
def test_what_is_found_without_one_of_them(name, witness):
    world = World()
    ROWS[name].damage(world)
    expected = ROWS[name].without.get(witness, ROWS[name].found)
    assert found(world, witness) == expected


def test_each_kind_is_made_by_some_row():
    made = {kind for row in ROWS.values() for _, kind, _ in row.found}
    assert made == set(audit.Kind)


@pytest.mark.parametrize('name', ROWS)
def test_what_is_said_fits_a_table(name):
    world = World()
    ROWS[name].damage(world)
    for one in world.audit():
        told = (one.claims, one.sysfs, one.libvirt, one.placement, one.remedy)
        assert all(text.isprintable() for text in told)
        assert one.remedy
        assert '{' not in one.remedy


def test_errors_come_first():
    world = World()
    stranger(world)
    draining(world)
    missing(world)
    severities = [one.severity for one in world.audit()]
    assert severities == sorted(severities, key=[E, W, INFO].index)
    assert set(severities) == {E, W, INFO}


def said(world, kind, *without):
    (one,) = (one for one in world.audit(*without) if one.kind is kind)
    return one


def test_each_witness_is_quoted():
    world = World()
    missing(world)
    world.define(A)
    one = said(world, K.MISSING_MDEV)
    assert one.claims == f'mtty-2 on {MTTY}, created, of {ME} (placement)'
    assert one.sysfs == 'not there'
    assert one.libvirt == f'defined: mtty-2 on {MTTY}; in guest one (running)'
    assert one.placement == f'1 {CLASS} on {MTTY}'
    assert 'device recover' in one.remedy


@pytest.mark.parametrize('witness', ['libvirt', 'placement'])
def test_one_that_was_not_asked_says_nothing(witness):
    world = World()
    missing(world)
    one = said(world, K.MISSING_MDEV, witness)
    assert getattr(one, witness) == '?'


def test_what_is_live_and_pending_is_quoted():
    world = World()
    pending(world)
    world.claim(A, migration=OTHER)
    one = said(world, K.PENDING_CLAIM)
    assert f'pending, brought by migration {OTHER}' in one.claims
    assert one.libvirt == f'live: mtty-2 on {MTTY}; in guest one (running)'


def test_a_consumer_is_quoted():
    world = World()
    stale_claim(world)
    one = said(world, K.STALE_CLAIM)
    assert (one.claims, one.sysfs, one.libvirt, one.placement) == (
        f'1 {CLASS} on {MTTY}', '', 'no guest', 'nothing',
    )  # fmt: skip
    assert ME in one.remedy


def test_the_one_that_holds_it_instead_is_named():
    world = World()
    moving(world)
    assert said(world, K.CONSUMER_DIFFERS).placement == f'{OTHER}: 1 {CLASS} on {MTTY}'


def test_both_inventories_are_quoted():
    world = World()
    other_inventory(world)
    one = said(world, K.INVENTORY_DIFFERS)
    assert one.placement == f'{CLASS} total=12 reserved=5'
    assert one.sysfs == f'{CLASS} total=12 reserved=0'


def test_what_is_left_of_a_drained_type_is_told():
    world = World()
    draining(world)
    assert said(world, K.DRAINING).claims == '2 of mtty-2 in use'


@pytest.mark.parametrize(
    ('damage', 'told'),
    [
        (drained, 'drained, 2 of mtty-2 in use'),
        (drained_and_empty, 'drained, nothing in use'),
    ],
)
def test_what_is_left_of_a_drained_parent_is_told(damage, told):
    world = World()
    damage(world)
    one = said(world, K.DRAINING)
    assert one.claims == told
    assert f'"nova-mdev parent undrain {one.subject.name}"' in one.remedy


def test_it_does_not_depend_on_the_order_in_which_things_are_listed():
    one, other = World(), World()
    for world in (one, other):
        stale_claim(world)
        stranger(world)
        orphan(world)
    other.guests = dict(reversed(other.guests.items()))
    other.held[PROVIDER] = dict(reversed(other.held[PROVIDER].items()))
    other.tree = dict(reversed(other.tree.items()))
    assert one.audit() == other.audit()


# The documentation


def test_each_kind_has_its_meaning():
    assert list(audit.MEANINGS) == list(audit.Kind)


def test_the_documentation_shows_each_kind():
    """Else: python -m tests.unit.audit_table"""
    assert audit_table.PATH.read_text(encoding='utf-8') == audit_table.rst()
