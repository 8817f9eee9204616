# SPDX-License-Identifier: Apache-2.0
"""Whatever is given and taken, an audit finds nothing; whatever breaks, it finds."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile

import pytest
from hypothesis import HealthCheck
from hypothesis import assume
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nova_generic_mdev import audit
from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev import record
from tests.unit import benches
from tests.unit import scenes
from tests.unit import worlds

HOSTS = (
    fixture.mtty,
    fixture.pci_gpus,
    fixture.gvt,
    fixture.sriov_card,
    lambda: fixture.together(fixture.mtty(), fixture.mdpy()),
    fixture.s390,
)
PLACEMENT, CLI, _ = record.Owner
STRANGERS = scenes.UUIDS[50:]


class Host:
    """A host that an engine gives from; what is told of it follows, as in life."""

    def __init__(self, directory: str, host: fixture.FakeHost, keep: bool) -> None:
        on_release = policy.OnRelease.KEEP if keep else policy.OnRelease.REMOVE
        parents = host.snapshot().parents.values()
        types = sorted({t for parent in parents for t in parent.types})
        rules = [benches.rule(t, on_release=on_release) for t in types]
        self.bench = benches.Bench(directory, host, rules)
        self.host, self.policy = host, self.bench.policy
        self.guests: dict[str, model.Guest] = {}
        self.held: dict[str, dict[str, dict[str, int]]] = {}
        self.tree: dict[str, object] = {}
        self.publish()

    @property
    def claims(self) -> record.Claims:
        return self.bench.record

    def publish(self) -> None:
        snapshot = self.host.snapshot()
        self.tree = worlds.published(self.policy, snapshot, self.claims, self.tree)

    def follow(self, consumer: str) -> None:
        """Its guest has what is claimed for it, and Placement says so."""
        claims = self.claims
        mine = claims.of(consumer)
        self.forget(consumer)
        if mine:
            self.guests[consumer] = model.Guest(
                name=f'guest {consumer}', uuid=consumer, running=True,
                mdevs=tuple(claim.uuid for claim in mine),
            )  # fmt: skip
        for claim in mine:
            if claim.owner is PLACEMENT:
                self.hold(consumer, claims.mdevs[claim.uuid], claim.resource_class)
        self.publish()

    def forget(self, consumer: str) -> None:
        self.guests.pop(consumer, None)
        for held in self.held.values():
            held.pop(consumer, None)

    def hold(self, consumer: str, mdev: record.MdevRecord, resource_class: str) -> None:
        provider = names.provider(worlds.ROOT, mdev.parent)
        held = self.held.setdefault(provider, {}).setdefault(consumer, {})
        held[resource_class] = held.get(resource_class, 0) + 1

    def witnesses(self) -> audit.Witnesses:
        snapshot = self.host.snapshot()
        return audit.Witnesses(
            policy=self.policy,
            claims=self.claims,
            sysfs=dataclasses.replace(snapshot, definitions={}),
            libvirt=worlds.libvirt_of(snapshot, *self.guests.values()),
            placement=audit.Placement(root=worlds.ROOT, tree=self.tree, held=self.held),
        )

    def take(self, step: audit.Step) -> None:
        """As the command does."""
        acting = self.bench.engine
        with contextlib.suppress(exceptions.CapacityError, exceptions.HostError):
            match step:
                case audit.Adopt():
                    acting.adopt(step.consumer, dict(step.classes))
                case audit.Release():
                    acting.release(step.consumer)
                case audit.Undefine():
                    self.host.definitions.pop(step.uuid, None)
                case audit.Reconcile():
                    acting.reconcile(self.elsewhere, {step.uuid})
                case audit.Restore():
                    acting.restore(step.consumer)
                case audit.Publish():
                    self.publish()

    @property
    def elsewhere(self) -> engine.Elsewhere:
        named = {uuid for guest in self.guests.values() for uuid in guest.mdevs}
        return engine.Elsewhere(guests=named, defined=self.host.definitions)

    def write(self):
        return self.bench.store.transaction()


@st.composite
def lives(draw):
    """What was asked of a host so far: whose, of what, how many; 0: its end."""
    asked = st.tuples(
        st.integers(0, 3), st.integers(0, 20), st.integers(0, 2), st.booleans()
    )
    return draw(st.lists(asked, min_size=1, max_size=6))


def live(host: Host, asked) -> None:
    offers = [
        (parent.name, mdev_type)
        for parent in host.host.snapshot().parents.values()
        for mdev_type in parent.types
    ]
    for who, what, amount, by_placement in asked:
        consumer = scenes.CONSUMERS[who]
        owner = PLACEMENT if by_placement else CLI
        parent, mdev_type = offers[what % len(offers)]
        if not amount:
            host.bench.engine.release(consumer)
        elif not host.claims.of(consumer):
            wanted = benches.request(parent, benches.class_of(mdev_type), amount)
            with contextlib.suppress(exceptions.CapacityError):
                host.bench.engine.allocate(consumer, [wanted], owner)
        host.follow(consumer)


# Damages: each changes what one of the witnesses has, and says whether it could


def any_claim(host, data, owner=None):
    claims = [c for c in host.claims.claims.values() if owner in (None, c.owner)]
    assume(claims)
    return data.draw(st.sampled_from(claims))


def an_mdev_is_lost(host, data):
    host.host.lose_mdev(any_claim(host, data).uuid)


def somebody_made_one(host, data):
    room = [
        (parent.name, kind.id)
        for parent in host.host.snapshot().parents.values()
        for kind in parent.types.values()
        if kind.available_instances
    ]
    assume(room)
    host.host.place(STRANGERS[0], *data.draw(st.sampled_from(room)))


def a_claim_is_lost(host, data):
    claim = any_claim(host, data)
    with host.write() as session:
        session.drop_claim(claim.uuid)


def a_claim_is_not_finished(host, data):
    claim = any_claim(host, data)
    with host.write() as session:
        session.set_state(claim.uuid, record.ClaimState.PENDING)


def a_server_went_unseen(host, data):
    host.forget(any_claim(host, data, PLACEMENT).consumer)


def an_allocation_is_lost(host, data):
    consumer = any_claim(host, data, PLACEMENT).consumer
    for held in host.held.values():
        held.pop(consumer, None)


def an_allocation_is_too_large(host, data):
    claim = any_claim(host, data, PLACEMENT)
    mdev = host.claims.mdevs[claim.uuid]
    host.hold(claim.consumer, mdev, claim.resource_class)


def an_allocation_is_a_strangers(host, data):
    claim = any_claim(host, data)
    mdev = host.claims.mdevs[claim.uuid]
    host.hold(scenes.CONSUMERS[9], mdev, claim.resource_class)


def two_guests_have_one(host, data):
    uuid = any_claim(host, data).uuid
    host.guests['more'] = model.Guest(
        name='more', uuid=scenes.CONSUMERS[9], running=False, mdevs=(uuid,)
    )


def a_guest_lost_its_device(host, data):
    claim = any_claim(host, data)
    guest = host.guests[claim.consumer]
    left = tuple(uuid for uuid in guest.mdevs if uuid != claim.uuid)
    host.guests[claim.consumer] = dataclasses.replace(guest, mdevs=left)


def one_came_back_as_another_type(host, data):
    claim = any_claim(host, data)
    mdev = host.claims.mdevs[claim.uuid]
    host.host.lose_mdev(claim.uuid)
    others = [
        kind.id
        for kind in host.host.snapshot().parents[mdev.parent].types.values()
        if kind.available_instances and kind.id != mdev.mdev_type
    ]
    assume(others)
    host.host.place(claim.uuid, mdev.parent, others[0])


def one_of_ours_was_left(host, data):
    host.bench.policy = host.policy
    somebody_made_one(host, data)
    mdev = host.host.snapshot().mdevs[STRANGERS[0]]
    assume(host.policy.removes(mdev.mdev_type))
    know(host, mdev)


def a_definition_was_left(host, data):
    parents = host.host.snapshot().parents.values()
    parent = data.draw(st.sampled_from(list(parents)))
    mdev_type = data.draw(st.sampled_from(list(parent.types)))
    mdev = model.Mdev(uuid=STRANGERS[0], parent=parent.name, mdev_type=mdev_type)
    if data.draw(st.booleans()):
        know(host, mdev)
    host.host.definitions[mdev.uuid] = model.Definition(
        uuid=mdev.uuid, parent=parent.name, mdev_type=mdev_type, autostart=True
    )


def know(host, mdev):
    with host.write() as session:
        session.add_mdev(
            record.MdevRecord(
                uuid=mdev.uuid, parent=mdev.parent, mdev_type=mdev.mdev_type,
                origin=record.Origin.CREATED,
            )
        )  # fmt: skip


def a_row_was_left(host, data):
    a_definition_was_left(host, data)
    host.host.definitions.clear()
    assume(STRANGERS[0] in host.claims.mdevs)


def any_provider(host, data):
    children = [name for name in host.tree if name != worlds.ROOT]
    assume(children)
    return data.draw(st.sampled_from(children))


def a_provider_is_lost(host, data):
    del host.tree[any_provider(host, data)]


def an_inventory_is_another(host, data):
    name = any_provider(host, data)
    told = {c: dict(one) for c, one in host.tree[name].inventories.items()}
    for one in told.values():
        one['total'] += 1
        one['max_unit'] += 1
    host.tree[name] = dataclasses.replace(host.tree[name], inventories=told)


def a_trait_is_lost(host, data):
    name = any_provider(host, data)
    now = host.tree[name]
    trait = data.draw(st.sampled_from(sorted(now.traits)))
    host.tree[name] = dataclasses.replace(now, traits=now.traits - {trait})


def a_parent_is_lost(host, data):
    name = data.draw(st.sampled_from(sorted(host.host.snapshot().parents)))
    host.host.lose_parent(name)


DAMAGES = (
    an_mdev_is_lost,
    somebody_made_one,
    a_claim_is_lost,
    a_claim_is_not_finished,
    a_server_went_unseen,
    an_allocation_is_lost,
    an_allocation_is_too_large,
    an_allocation_is_a_strangers,
    two_guests_have_one,
    a_guest_lost_its_device,
    one_came_back_as_another_type,
    one_of_ours_was_left,
    a_definition_was_left,
    a_row_was_left,
    a_provider_is_lost,
    an_inventory_is_another,
    a_trait_is_lost,
    a_parent_is_lost,
)


@contextlib.contextmanager
def a_host(make, asked, keep):
    with tempfile.TemporaryDirectory() as directory:
        host = Host(directory, make(), keep)
        live(host, asked)
        yield host


def differing(host):
    told = host.witnesses()
    return told, [
        one for one in audit.audit(told) if one.severity is not audit.Severity.INFO
    ]


def keys(found):
    return {(one.kind, one.subject) for one in found}


@settings(max_examples=60)
@given(make=st.sampled_from(HOSTS), asked=lives(), keep=st.booleans())
def test_where_all_agree_nothing_is_found(make, asked, keep):
    with a_host(make, asked, keep) as host:
        assert audit.audit(host.witnesses()) == ()


@pytest.mark.parametrize('damage', DAMAGES, ids=lambda d: d.__name__)
@settings(max_examples=25, suppress_health_check=[HealthCheck.filter_too_much])
@given(make=st.sampled_from(HOSTS), asked=lives(), keep=st.booleans(), data=st.data())
def test_a_damage_is_found_and_what_can_be_mended_is(damage, make, asked, keep, data):
    with a_host(make, asked, keep) as host:
        damage(host, data)
        told, found = differing(host)
        assert found
        before = host.host.snapshot().mdevs
        for step in audit.plan(found, told):
            host.take(step)
        _, left = differing(host)
        mended = keys(one for one in found if audit.steps(one, told))
        assert not mended & keys(left)
        assert not missed_by_anybody(host, told, before)


def missed_by_anybody(host, told, before):
    """Mdevs that were there, and went, though they were not ours or have users."""
    gone = before.keys() - host.host.snapshot().mdevs.keys()
    named = {uuid for guest in host.guests.values() for uuid in guest.mdevs}
    records = told.claims.mdevs
    created = record.Origin.CREATED
    others = {u for u in gone if u not in records or records[u].origin is not created}
    return gone & named | others


def lose_the_mdev(host, claim):
    host.host.lose_mdev(claim.uuid)


def lose_the_server(host, claim):
    host.forget(claim.consumer)


def lose_the_claim(host, claim):
    with host.write() as session:
        session.drop_claim(claim.uuid)


@pytest.mark.parametrize(
    ('damage', 'kind'),
    [
        pytest.param(lose_the_mdev, audit.Kind.MISSING_MDEV, id='an mdev'),
        pytest.param(lose_the_server, audit.Kind.STALE_CLAIM, id='a server'),
        pytest.param(lose_the_claim, audit.Kind.GUEST_WITHOUT_CLAIM, id='a claim'),
    ],
)
def test_the_property_is_not_empty(damage, kind):
    """It would hold of an audit that mends nothing."""
    with a_host(fixture.mtty, [(0, 1, 2, True)], keep=False) as host:
        claim, _ = host.claims.claims.values()
        damage(host, claim)
        told, found = differing(host)
        assert all(audit.steps(one, told) for one in found if one.kind is kind)
        assert kind in {one.kind for one in found}
