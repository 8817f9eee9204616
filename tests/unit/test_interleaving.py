# SPDX-License-Identifier: Apache-2.0
"""Whatever happens in whatever order: whose each mdev is, and that it is no other's.

What the machine believes is kept beside the engine, from what the engine said;
the record and the host have to agree with it after every step.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import errno
import pathlib
import random
import tempfile
import uuid as uuidlib
from unittest import mock

import hypothesis
from hypothesis import stateful
from hypothesis import strategies as st

from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import policy
from nova_generic_mdev import record
from tests.unit import benches
from tests.unit import scenes

MTTY, ONE, TWO = benches.MTTY, benches.ONE, benches.TWO
TYPES = {'mtty-1': ONE, 'mtty-2': TWO}
PLACEMENT, ACCELERATOR = record.Owner.PLACEMENT, record.Owner.ACCELERATOR
# What others name and make; ours are in no order, and the same in each try.
STRANGERS = scenes.UUIDS[:2]
FOUND = scenes.UUIDS[4:6]
NOWHERE = engine.Elsewhere(guests=(), defined=())

CONSUMERS = scenes.CONSUMERS[:2]
consumers = st.sampled_from(CONSUMERS)
strangers = st.sampled_from(STRANGERS)
# Mostly the one that is kept on release, so that they are often of one type.
types = st.sampled_from(['mtty-1', 'mtty-1', 'mtty-2'])
amounts = st.fixed_dictionaries({c: st.integers(0, 2) for c in (ONE, TWO)})


class Life(stateful.RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._end = contextlib.ExitStack()
        folder = self._end.enter_context(tempfile.TemporaryDirectory())
        self._end.enter_context(mock.patch.object(uuidlib, 'uuid4', uuids_of(1)))
        host = fixture.mtty(ports=8)
        for uuid in FOUND:
            host.place(uuid, MTTY, 'mtty-1')
        rules = [
            benches.rule('mtty-1', on_release=policy.OnRelease.KEEP),
            benches.rule('mtty-2'),
        ]
        self.bench = benches.Bench(pathlib.Path(folder), host, rules)
        self.engine, self.host = self.bench.engine, self.bench.host
        # They come while we run, and so nobody knows of them.
        for uuid in STRANGERS:
            host.place(uuid, MTTY, 'mtty-1')
        # What we believe: whose each is, and what no flavor may get.
        self.has: dict[str, tuple[str, record.Owner]] = {}
        self.foreign: set[str] = set()
        self.tried: set[str] = set()
        # What was not there when it could not be given again.
        self.begun: set[str] = set()
        self.removed = 0

    def teardown(self) -> None:
        self._end.close()

    def of(self, consumer, *owners):
        return {
            u
            for u, (c, owner) in self.has.items()
            if c == consumer and (not owners or owner in owners)
        }

    @contextlib.contextmanager
    def all_or_nothing(self, *kinds):
        """What is refused has left the record as it was; what is held may be begun."""
        before, there = self.bench.record, self.host.snapshot().mdevs
        lost = {u for u in self.has if not before.mdevs[u].is_live(there)}
        try:
            yield
        except kinds:
            now = self.bench.record
            # What would have made it again is not known where that was refused.
            assert without_backend(now, lost) == without_backend(before, lost)
            assert owners(now) == owners(before)
            self.begun |= lost

    # What is asked of the engine

    @stateful.rule(consumer=consumers, more=amounts, migration=st.none() | consumers)
    def allocate(self, consumer, more, migration):
        """It asks for what it has from Placement, and for more."""
        wanted = collections.Counter(more)
        claims = self.bench.record.of(consumer)
        wanted.update(c.resource_class for c in claims if c.owner is PLACEMENT)
        requests = [
            benches.request(resource_class=resource_class, amount=amount)
            for resource_class, amount in wanted.items()
            if amount
        ]
        with self.all_or_nothing(exceptions.CapacityError, exceptions.HostError):
            given = self.engine.allocate(consumer, requests, migration=migration)
            uuids = {device.uuid for device in given}
            held = self.of(consumer, PLACEMENT)
            assert len(given) == len(uuids) == wanted.total()
            assert held <= uuids
            # What is new to it was nobody's, and ours to give.
            assert not (uuids - held) & self.has.keys()
            assert not (uuids - held) & self.foreign
            self.has.update(dict.fromkeys(uuids, (consumer, PLACEMENT)))

    @stateful.rule(consumer=consumers, named=st.dictionaries(strangers, types))
    def accelerate(self, consumer, named):
        asks = [engine.Ask(uuid=u, parent=MTTY, mdev_type=t) for u, t in named.items()]
        with self.all_or_nothing(exceptions.CapacityError, exceptions.HostError):
            given = self.engine.accelerate(consumer, asks)
            assert {d.uuid: d.mdev_type for d in given} == named
            mine = (consumer, ACCELERATOR)
            assert all(self.has.get(uuid, mine) == mine for uuid in named)
            self.foreign |= named.keys()
            self.has.update(dict.fromkeys(named, mine))

    @stateful.rule(consumer=consumers)
    def release(self, consumer):
        given = self.engine.release(consumer)
        assert {device.uuid for device in given} == self.of(consumer)
        for device in given:
            del self.has[device.uuid]

    @stateful.rule(consumer=consumers, to=consumers)
    def rekey(self, consumer, to):
        given = self.engine.rekey(consumer, to)
        for uuid in self.of(consumer, PLACEMENT):
            self.has[uuid] = (to, PLACEMENT)
        assert {device.uuid for device in given} == self.of(to, PLACEMENT)

    @stateful.rule(
        consumer=consumers, uuids=st.sets(st.sampled_from([*STRANGERS, *FOUND]))
    )
    def adopt(self, consumer, uuids):
        origins = {u: m.origin for u, m in self.bench.record.mdevs.items()}
        with self.all_or_nothing(exceptions.HostError):
            self.engine.adopt(consumer, dict.fromkeys(uuids, ONE))
            assert all(self.has.get(u, (consumer,))[0] == consumer for u in uuids)
            for uuid in uuids - self.has.keys():
                is_foreign = origins.get(uuid) is record.Origin.FOREIGN
                owner = ACCELERATOR if is_foreign else PLACEMENT
                self.has[uuid] = (consumer, owner)

    @stateful.rule(consumer=consumers)
    def arrive(self, consumer):
        self.engine.arrive(consumer)
        assert not any(c.migration for c in self.bench.record.of(consumer))

    @stateful.rule(consumer=consumers)
    def restore(self, consumer):
        now, there = self.bench.record, self.host.snapshot().mdevs
        missing = {
            claim.uuid
            for claim in now.of(consumer)
            if now.is_begun(claim.uuid) or not now.mdevs[claim.uuid].is_live(there)
        }
        try:
            given = self.engine.restore(consumer)
            assert {device.uuid for device in given} == missing
        except (exceptions.CapacityError, exceptions.HostError):
            # Those that could be made are there; the claims are checked below.
            assert missing
            self.begun |= missing

    @stateful.rule()
    def reconcile(self):
        """Nobody can tell what guests name where it may be begun: see pending()."""
        begun = {u for u, c in self.bench.record.claims.items() if c.state == 'pending'}
        self.engine.reconcile(NOWHERE)
        for uuid in begun:
            del self.has[uuid]

    # What happens to the host

    @stateful.rule(uuid=strangers, mdev_type=types)
    def a_stranger_comes(self, uuid, mdev_type):
        # One that takes the place of a claimed one that vanished is as good as it.
        is_its_own = uuid not in self.bench.live | self.has.keys()
        with contextlib.suppress(exceptions.MdevError):
            self.host.place(uuid, MTTY, mdev_type)
            if is_its_own:
                self.tried.discard(uuid)

    @stateful.precondition(lambda self: self.bench.live)
    @stateful.rule(data=st.data())
    def one_vanishes(self, data):
        self.host.lose_mdev(data.draw(st.sampled_from(sorted(self.bench.live))))

    @stateful.rule()
    def the_next_create_is_refused(self):
        self.host.fail_create(self.bench.acts().count('create') + 1, errno.ENOSPC)

    # What holds after each of it

    @stateful.invariant()
    def the_record_says_what_we_believe(self):
        assert owners(self.bench.record) == self.has
        for consumer in CONSUMERS:
            told = self.engine.claimed(consumer)
            assert {device.uuid for device in told} == self.of(consumer)

    @stateful.invariant()
    def nothing_is_begun_but_what_could_not_be_made_again(self):
        for uuid, claim in self.bench.record.claims.items():
            assert claim.state is record.ClaimState.READY or uuid in self.begun

    @stateful.invariant()
    def what_a_service_named_is_known_as_its_own(self):
        known = self.bench.record
        for uuid in self.foreign:
            is_ours = known.mdevs[uuid].origin is not record.Origin.FOREIGN
            assert not is_ours or known.claims[uuid].owner is ACCELERATOR

    @stateful.invariant()
    def only_what_we_made_is_removed(self):
        acts = [call for call in self.host.calls if call.verb != 'snapshot']
        for call in acts[self.removed :]:
            if call.verb == 'create':
                self.tried.add(call.uuid)
            else:
                assert call.uuid in self.tried
        self.removed = len(acts)


def uuids_of(seed):
    numbers = random.Random(seed)  # noqa: S311
    return lambda: uuidlib.UUID(int=numbers.getrandbits(128), version=4)


def without_backend(known, lost):
    return {
        uuid: dataclasses.replace(mdev, backend=None) if uuid in lost else mdev
        for uuid, mdev in known.mdevs.items()
    }


def owners(known):
    return {uuid: (c.consumer, c.owner) for uuid, c in known.claims.items()}


TestLife = Life.TestCase
TestLife.settings = hypothesis.settings(max_examples=40, stateful_step_count=30)
