# SPDX-License-Identifier: Apache-2.0
"""Cards whose virtual functions are the parents: what Placement is promised of them.

The driver says of each function that it could give one of any type, until the card
is full; the limit per device tells what it does not.
"""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nova_generic_mdev import allocation
from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import inventory
from nova_generic_mdev import policy
from nova_generic_mdev import record
from tests.unit import scenes
from tests.unit.scenes import A
from tests.unit.scenes import B

SMALL, LARGE = 'nvidia-558', 'nvidia-560'
TYPES = {A: SMALL, B: LARGE}


class Card:
    """A card, its record, and what Placement was last told; all of them values."""

    def __init__(self, vfs, capacity, classes=(A,), **more) -> None:
        self.host = fixture.sriov_card(vfs=vfs, capacity=capacity)
        #: how many of each class the card holds, as long as it holds no other
        self.sizes = {A: capacity, B: capacity // 2}
        self.policy = policy.Policy(
            rules=tuple(
                scenes.rule(TYPES[c], c, max_instances_per_device=self.sizes[c], **more)
                for c in classes
            )
        )
        self.claims = record.Claims()
        self.placed: inventory.Inventories = {}
        self.numbers = iter(range(10_000))
        self.update()

    @property
    def look(self):
        snapshot = self.host.snapshot()
        return policy.resolve(self.policy, snapshot.parents.values()), snapshot

    def update(self):
        """As Nova's periodic update does."""
        recorded = {
            parent: {c: one.total for c, one in classes.items()}
            for parent, classes in self.placed.items()
        }
        self.placed = inventory.compute(*self.look, self.claims, recorded=recorded)

    def totals(self):
        return {
            (p, c): i.total for p, told in self.placed.items() for c, i in told.items()
        }

    def held(self, parent, resource_class):
        return sum(
            self.claims.mdevs[uuid].parent == parent
            and claim.resource_class == resource_class
            for uuid, claim in self.claims.claims.items()
        )

    def free(self, parent, resource_class):
        """What the scheduler would still give of a function."""
        one = self.placed[parent].get(resource_class)
        return one.usable - self.held(parent, resource_class) if one else 0

    def promised(self, resource_class):
        return sum(max(0, self.free(p, resource_class)) for p in self.placed)

    def has(self, resource_class):
        """What the card can really still give, idle ones among it."""
        there = [self.claims.mdevs[uuid] for uuid in self.claims.claims]
        live = self.host.snapshot().mdevs.values()
        mine = TYPES[resource_class]
        if any(m.mdev_type != mine for m in live):
            return 0
        return self.sizes[resource_class] - len(there)

    def allocate(self, parent, resource_class):
        """Give one, as the engine does; raises as it does."""
        number = next(self.numbers)
        consumer = f'c0000000-0000-4000-8000-{number:012x}'
        asked = allocation.Request(parent=parent, resource_class=resource_class)
        (step,) = allocation.plan(consumer, [asked], *self.look, self.claims)
        uuid = step.uuid or f'00000000-0000-4000-8000-{number:012x}'
        if step.uuid is None:
            self.host.place(uuid, parent, step.mdev_type)
        known = record.MdevRecord(
            uuid=uuid, parent=parent, mdev_type=step.mdev_type,
            origin=record.Origin.CREATED, backend='sysfs',
        )  # fmt: skip
        claim = record.Claim(
            consumer=consumer, uuid=uuid, resource_class=resource_class
        )
        self.claims = record.Claims(
            mdevs={**self.claims.mdevs, uuid: known},
            claims={**self.claims.claims, uuid: claim},
        )

    def release(self, uuid):
        mdevs, claims = dict(self.claims.mdevs), dict(self.claims.claims)
        del claims[uuid]
        if self.policy.goes(mdevs[uuid]):
            self.host.remove(uuid)
            del mdevs[uuid]
        self.claims = dataclasses.replace(self.claims, mdevs=mdevs, claims=claims)


SIZES = st.tuples(st.integers(1, 8), st.sampled_from([2, 4, 6]))
MOVES = st.lists(
    st.tuples(
        st.sampled_from(['give', 'give', 'take', 'update']),
        st.integers(0, 20),
        st.sampled_from([A, B]),
    ),
    max_size=30,
)
RELEASE = st.sampled_from(policy.OnRelease)


def play(card, moves):
    """Do what can be done; yields after each move whether it was an update."""
    for verb, number, wanted in moves:
        resource_class = wanted if wanted in card.placed[min(card.placed)] else A
        if verb == 'give':
            ready = [p for p in sorted(card.placed) if card.free(p, resource_class) > 0]
            if ready:
                yield verb, (ready[number % len(ready)], resource_class)
        elif verb == 'take' and card.claims.claims:
            uuids = sorted(card.claims.claims)
            card.release(uuids[number % len(uuids)])
            yield verb, None
        elif verb == 'update':
            card.update()
            yield verb, None


@settings(deadline=None)
@given(size=SIZES, moves=MOVES, on_release=RELEASE)
def test_of_one_type_placement_never_has_more_than_the_card(size, moves, on_release):
    """Not even between two updates: all that it gives can be had, at any time."""
    card = Card(*size, on_release=on_release)
    totals = card.totals()
    for verb, what in play(card, moves):
        if verb == 'give':
            card.allocate(*what)
        assert card.promised(A) <= card.has(A)
        assert card.totals() == totals


@settings(deadline=None)
@given(size=SIZES, moves=MOVES)
def test_while_types_compete_an_update_is_exact_and_no_total_changes(size, moves):
    card = Card(*size, classes=(A, B))
    totals = card.totals()
    assert set(totals.values()) == {1}
    for verb, what in play(card, moves):
        if verb == 'give':
            other = {A: B, B: A}[what[1]]
            try:
                card.allocate(*what)
            except exceptions.CapacityError:
                # Placement has not yet heard of the other type, or of this function.
                live = {m.mdev_type for m in card.host.snapshot().mdevs.values()}
                assert TYPES[other] in live
        card.update()
        for resource_class in (A, B):
            assert card.promised(resource_class) <= card.has(resource_class)
        assert card.totals() == totals


@settings(deadline=None)
@given(size=SIZES)
def test_all_that_the_card_has_can_be_had(size):
    card = Card(*size)
    vfs, capacity = size
    while card.promised(A):
        card.allocate(next(p for p in card.placed if card.free(p, A) > 0), A)
        card.update()
    assert len(card.claims.claims) == min(vfs, capacity)


def test_without_the_limit_it_promises_one_of_each_function():
    """What the documentation says: the driver does not tell what the card holds."""
    card = Card(6, 4)
    card.policy = policy.Policy(rules=(scenes.rule(SMALL, A),))
    card.update()
    assert card.promised(A) == 6 > card.has(A)


@pytest.mark.parametrize('number', range(4))
def test_a_full_card_shows_all_others_reserved(number):
    card = Card(6, 4)
    for parent in sorted(card.placed)[:4]:
        card.allocate(parent, A)
    card.update()
    assert [i[A].reserved for _, i in sorted(card.placed.items())] == [0] * 4 + [1] * 2
    card.release(sorted(card.claims.claims)[number])
    card.update()
    assert card.promised(A) == 1
