# SPDX-License-Identifier: Apache-2.0
"""Gives mdevs to consumers, and takes them back.

==========  ===============================================================
lock        held by
==========  ===============================================================
consumer    whoever gives to or takes from one consumer, first of all
device      whoever gives of a physical device, from the look at it until
            its mdevs are made; nobody who removes, which can take long
mdev type   the same, for a type of which the host may have only so many
record      every transaction, and nothing else inside of it
==========  ===============================================================
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib

from oslo_log import log as logging

from nova_generic_mdev import allocation
from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import exceptions
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import names
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record
from nova_generic_mdev.engine import adopting
from nova_generic_mdev.engine import giving
from nova_generic_mdev.engine import reconciling
from nova_generic_mdev.engine import recovering

LOG = logging.getLogger(__name__)


class Engine:
    """Gives and takes the mdevs of one host.

    :param guests: asked at the first start and at an adoption, and in no
        allocation: the mdevs that are named in a guest's XML, or None where
        nobody can tell
    """

    def __init__(
        self,
        host: hostlib.Host,
        store: claimslib.ClaimStore,
        policy: policylib.Policy,
        guests: cabc.Callable[[], cabc.Collection[str] | None] = lambda: None,
    ) -> None:
        self._host = host
        self._store = store
        self._policy = policy
        self._guests = guests

    def start(self) -> None:
        """Make the record at the first start: what is there was ``found``.

        What a guest has that nobody told us of is its own: it stays foreign.

        :raises ClaimsError: the record cannot be made
        """
        if not self._store.exists():
            found = record.all_found(self._host.snapshot(), self._guests() or ())
            self._store.create(found)

    def allocate(
        self,
        consumer: str,
        requests: cabc.Collection[allocation.Request],
        owner: record.Owner = record.Owner.PLACEMENT,
    ) -> tuple[giving.Device, ...]:
        """Give a consumer all that it was promised, or nothing.

        Idempotent: what it has already is kept, what is missing is added.

        :raises RequestError: it cannot be served here
        :raises CapacityError: there is no room, or the kernel refused
        :raises ClaimsError: the record cannot be written
        :raises HostError: the host did not do as its kernel documents
        """
        consumer = names.uuid(consumer)
        limited = self._limited(requests)
        self.start()
        with self._consumer_locked(consumer), self._devices_locked(requests, limited):
            known = self._store.load(_scope(consumer, requests, limited))
            snapshot = self._host.snapshot(_to_look_at(requests, limited, known))
            steps = allocation.plan(
                consumer,
                requests,
                policylib.resolve(self._policy, snapshot.parents.values()),
                snapshot,
                known,
                reuse_found=self._policy.reuse_found,
            )
            given = giving.Giving(self._host, self._store, steps, known)
            return given.carry_out(consumer, owner)

    def _limited(
        self, requests: cabc.Iterable[allocation.Request]
    ) -> tuple[policylib.TypeRule, ...]:
        """The rules with a limit that may serve these requests."""
        asked = {request.resource_class for request in requests}
        return tuple(
            rule
            for rule in self._policy.rules
            if rule.limit is not None and rule.resource_class in asked
        )

    def _consumer_locked(
        self, consumer: str
    ) -> contextlib.AbstractContextManager[None]:
        return self._store.locks.held([giving.consumer_lock(consumer)])

    @contextlib.contextmanager
    def _devices_locked(
        self,
        requests: cabc.Collection[allocation.Request],
        limited: cabc.Iterable[policylib.TypeRule],
    ) -> cabc.Iterator[None]:
        """Hold the physical devices asked for, and the types with a host's limit."""
        look = self._host.snapshot({request.parent for request in requests})
        devices = {parent.physical_device for parent in look.parents.values()}
        wanted = {f'device-{device}' for device in devices}
        wanted |= {f'type-{r.mdev_type}' for r in limited if r.max_instances}
        with self._store.locks.held(wanted):
            yield

    def release(self, consumer: str) -> tuple[giving.Device, ...]:
        """Take everything from a consumer; what we created goes by its rule.

        What cannot be removed stays claimed; the others are released all the
        same.

        :returns: what was released
        :raises InUse: an mdev that something still uses
        :raises HostError: an mdev that the kernel would not remove
        :raises ClaimsError: the record cannot be written
        """
        consumer = names.uuid(consumer)
        if not self._store.exists():
            return ()
        released: list[giving.Device] = []
        refused: list[exceptions.HostError] = []
        with self._consumer_locked(consumer):
            known = self._store.load(record.Scope(consumer=consumer))
            for claim in known.of(consumer):
                try:
                    released.append(self._release(known.mdevs[claim.uuid]))
                except exceptions.HostError as e:
                    refused.append(e)
        if refused:
            for more in refused[1:]:
                LOG.warning('consumer %s keeps one more: %s', consumer, more)
            raise refused[0]
        return giving.in_order(released)

    def _release(self, known: record.MdevRecord) -> giving.Device:
        # The claim goes last: until the mdev is gone nobody else may have it.
        is_ours = known.origin is record.Origin.CREATED
        removed = is_ours and self._policy.removes(known.mdev_type)
        if removed:
            self._host.remove(known.uuid, known.backend)
        with self._store.transaction() as session:
            if removed:
                session.drop_mdev(known.uuid)
            else:
                session.drop_claim(known.uuid)
        return giving.device_of(known)

    def recover(self) -> recovering.Recovery:
        """Bring back each claimed mdev that is not live; see :func:`.recover`."""
        return recovering.recover(self._host, self._store)

    def reconcile(
        self, elsewhere: reconciling.Elsewhere | None
    ) -> tuple[giving.Device, ...]:
        """Take back what a crash left; see :func:`.reconcile`."""
        return reconciling.reconcile(self._host, self._store, self._policy, elsewhere)

    def set_origin(
        self, uuids: cabc.Collection[str] | None, origin: record.Origin
    ) -> tuple[giving.Device, ...]:
        """Say whether we made some mdevs, or all; see :func:`.set_origin`."""
        self.start()
        guests = self._guests() or ()
        return adopting.set_origin(self._host, self._store, uuids, origin, guests)


def _scope(
    consumer: str,
    requests: cabc.Iterable[allocation.Request],
    limited: cabc.Iterable[policylib.TypeRule],
) -> record.Scope:
    """The part of the record that an allocation is decided on."""
    return record.Scope(
        consumer=consumer,
        parents=frozenset(request.parent for request in requests),
        mdev_types=frozenset(rule.mdev_type for rule in limited),
    )


def _to_look_at(
    requests: cabc.Iterable[allocation.Request],
    limited: cabc.Iterable[policylib.TypeRule],
    known: record.Claims,
) -> set[str]:
    """The parents asked for, and those that tell how much of a limit is left.

    What is claimed counts wherever it is; what is not claimed counts if it is
    still there; and a limit per device needs to know the device of each.
    """
    per_device = {r.mdev_type: bool(r.max_instances_per_device) for r in limited}
    counted = {
        mdev.parent
        for mdev in known.mdevs.values()
        if mdev.mdev_type in per_device
        and (per_device[mdev.mdev_type] or mdev.uuid not in known.claims)
    }
    return counted | {request.parent for request in requests}
