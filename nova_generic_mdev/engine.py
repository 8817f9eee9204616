# SPDX-License-Identifier: Apache-2.0
"""The one orchestrator: lock, look, decide, claim, act; undo what failed.

Whoever gives devices to guests — the command line, the Nova driver — calls
:class:`Engine`, and nothing else changes the host or the record.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import uuid as uuidlib

from oslo_concurrency import lockutils
from oslo_log import log as logging

from nova_generic_mdev import allocation
from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import exceptions
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record

LOG = logging.getLogger(__name__)


@model.value
class Device:
    """An mdev that a consumer has: what goes into its guest's XML."""

    uuid: str
    parent: str
    mdev_type: str
    origin: record.Origin


class Engine:
    """Gives and takes the mdevs of one host."""

    def __init__(
        self,
        host: hostlib.Host,
        store: claimslib.ClaimStore,
        policy: policylib.Policy,
    ) -> None:
        self._host = host
        self._store = store
        self._policy = policy

    def start(self) -> None:
        """Make the record at the first start: what is there was ``found``."""
        if not self._store.exists():
            self._store.create(record.all_found(self._host.snapshot()))

    def allocate(
        self,
        consumer: str,
        requests: cabc.Collection[allocation.Request],
        owner: record.Owner = record.Owner.PLACEMENT,
    ) -> tuple[Device, ...]:
        """Give a consumer all that it was promised, or nothing.

        Idempotent: what it has already is kept, what is missing is added.

        :raises RequestError: it cannot be served here
        :raises CapacityError: there is no room, or the kernel refused
        :raises ClaimsError: the record cannot be written
        :raises HostError: the host did not do as its kernel documents
        """
        consumer = names.uuid(consumer)
        self.start()
        parents = {request.parent for request in requests}
        with self._devices_locked(parents):
            return self._allocate(consumer, requests, parents, owner)

    def _allocate(
        self,
        consumer: str,
        requests: cabc.Collection[allocation.Request],
        parents: set[str],
        owner: record.Owner,
    ) -> tuple[Device, ...]:
        with contextlib.ExitStack() as undo:
            with self._store.transaction() as session:
                known = session.load()
            held = {known.mdevs[c.uuid].parent for c in known.of(consumer)}
            snapshot = self._look(parents | held)
            steps = allocation.plan(
                consumer,
                requests,
                policylib.resolve(self._policy, snapshot.parents.values()),
                snapshot,
                known,
                reuse_found=self._policy.reuse_found,
            )
            devices = [self._device(step, known) for step in steps]
            self._claim(consumer, owner, steps, devices, undo)
            self._act(steps, devices)
            undo.pop_all()
        return tuple(devices)

    def _look(self, parents: set[str]) -> model.HostSnapshot:
        """The parents asked for; all of them where a limit is per device."""
        limited = any(r.max_instances_per_device for r in self._policy.rules)
        return self._host.snapshot(None if limited else parents)

    @contextlib.contextmanager
    def _devices_locked(self, parents: set[str]) -> cabc.Iterator[None]:
        """Hold the physical devices of these parents, and types with a limit."""
        look = self._host.snapshot(parents)
        wanted = {parent.physical_device for parent in look.parents.values()}
        wanted |= {r.group for r in self._policy.rules if r.max_instances}
        with contextlib.ExitStack() as locks:
            # In one order everywhere: two allocations cannot wait for each other.
            for name in sorted(wanted):
                locks.enter_context(
                    lockutils.lock(
                        name, 'device-', external=True, lock_path=self._store.state_path
                    )
                )
            yield

    def _device(self, step: allocation.Step, known: record.Claims) -> Device:
        uuid = step.uuid or str(uuidlib.uuid4())
        before = known.mdevs.get(uuid)
        return Device(
            uuid=uuid,
            parent=step.parent,
            mdev_type=step.mdev_type,
            origin=before.origin if before else record.Origin.CREATED,
        )

    def _claim(
        self,
        consumer: str,
        owner: record.Owner,
        steps: cabc.Sequence[allocation.Step],
        devices: cabc.Sequence[Device],
        undo: contextlib.ExitStack,
    ) -> None:
        """Write what is new, before any effect, in one transaction."""
        new = [
            (step, device)
            for step, device in zip(steps, devices, strict=True)
            if not step.held
        ]
        with self._store.transaction() as session:
            for step, device in new:
                if isinstance(step, allocation.Create):
                    session.add_mdev(self._record(step, device))
                session.add_claim(_claim_of(consumer, owner, step, device))
        undo.callback(self._undo, new)

    def _record(self, step: allocation.Create, device: Device) -> record.MdevRecord:
        return record.MdevRecord(
            uuid=device.uuid,
            parent=device.parent,
            mdev_type=device.mdev_type,
            origin=record.Origin.CREATED,
            attributes=step.attributes,
            backend=self._host.backend,
        )

    def _undo(self, new: cabc.Sequence[tuple[allocation.Step, Device]]) -> None:
        """Take back what was claimed, and what came of it so far."""
        stuck = {d.uuid for step, d in new if _makes(step) and not self._gone(d.uuid)}
        with self._store.transaction() as session:
            for step, device in new:
                if _makes(step) and device.uuid not in stuck:
                    session.drop_mdev(device.uuid)
                else:
                    session.drop_claim(device.uuid)

    def _gone(self, uuid: str) -> bool:
        try:
            self._host.remove(uuid)
        except exceptions.MdevError:
            # Its row stays, so that it is known as ours and can be removed later.
            LOG.exception('mdev %s could not be removed while undoing', uuid)
            return False
        return True

    def _act(
        self, steps: cabc.Sequence[allocation.Step], devices: cabc.Sequence[Device]
    ) -> None:
        for step, device in zip(steps, devices, strict=True):
            if isinstance(step, allocation.Create):
                self._host.create(
                    device.uuid, step.parent, step.mdev_type, step.attributes
                )
        with self._store.transaction() as session:
            for device in devices:
                session.set_ready(device.uuid)

    def release(self, consumer: str) -> tuple[Device, ...]:
        """Take everything from a consumer; what we created goes by its rule.

        What is in use stays claimed; the others are released all the same.

        :returns: what was released
        :raises InUse: the first mdev that something still uses
        """
        consumer = names.uuid(consumer)
        known = self._store.load()
        released, refused = [], []
        for claim in known.of(consumer):
            try:
                released.append(self._release(known.mdevs[claim.uuid]))
            except exceptions.InUse as e:
                LOG.warning('mdev %s stays with %s: %s', claim.uuid, consumer, e)
                refused.append(e)
        if refused:
            raise refused[0]
        return tuple(released)

    def _release(self, known: record.MdevRecord) -> Device:
        # The claim goes last: until the mdev is gone nobody else may have it.
        removed = self._is_removed(known)
        if removed:
            self._host.remove(known.uuid)
        with self._store.transaction() as session:
            if removed:
                session.drop_mdev(known.uuid)
            else:
                session.drop_claim(known.uuid)
        return Device(
            uuid=known.uuid,
            parent=known.parent,
            mdev_type=known.mdev_type,
            origin=known.origin,
        )

    def _is_removed(self, known: record.MdevRecord) -> bool:
        if known.origin is record.Origin.FOUND:
            return False
        keep = policylib.OnRelease.KEEP
        rules = {rule.mdev_type: rule.on_release for rule in self._policy.rules}
        return rules.get(known.mdev_type) is not keep


def _makes(step: allocation.Step) -> bool:
    return isinstance(step, allocation.Create)


def _claim_of(
    consumer: str, owner: record.Owner, step: allocation.Step, device: Device
) -> record.Claim:
    state = record.ClaimState
    is_new = isinstance(step, allocation.Create)
    return record.Claim(
        consumer=consumer,
        uuid=device.uuid,
        resource_class=step.resource_class,
        owner=owner,
        state=state.PENDING if is_new else state.READY,
    )
