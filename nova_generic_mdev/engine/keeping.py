# SPDX-License-Identifier: Apache-2.0
"""Whose the mdevs of a guest are, told by what happens to the guest."""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import exceptions
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import record
from nova_generic_mdev.engine import giving
from nova_generic_mdev.engine import locking

_PLACEMENT = frozenset({record.Owner.PLACEMENT})
_ANY = frozenset(record.Owner)


def devices_of(
    known: record.Claims, consumer: str, owners: cabc.Container[record.Owner] = _ANY
) -> tuple[giving.Device, ...]:
    """What a consumer has, as far as these owners gave it."""
    mine = (c for c in known.of(consumer) if c.owner in owners)
    return giving.in_order(giving.device_of(known.mdevs[c.uuid]) for c in mine)


def rekey(
    store: claimslib.ClaimStore,
    consumer: str,
    to: str,
    unless: cabc.Callable[[], bool],
) -> tuple[giving.Device, ...]:
    """See :meth:`.Engine.rekey`."""
    with locking.consumers(store, consumer, to):
        if unless():
            return ()
        with store.transaction() as session:
            moved = session.load(record.Scope(consumer=consumer))
            for claim in moved.of(consumer):
                if claim.owner in _PLACEMENT:
                    session.set_consumer(claim.uuid, to)
            now = session.load(record.Scope(consumer=to))
    return devices_of(now, to, _PLACEMENT)


def arrive(store: claimslib.ClaimStore, consumer: str) -> None:
    """See :meth:`.Engine.arrive`."""
    with locking.consumers(store, consumer), store.transaction() as session:
        for claim in session.load(record.Scope(consumer=consumer)).of(consumer):
            session.set_arrived(claim.uuid)


def adopt(
    host: hostlib.Host,
    store: claimslib.ClaimStore,
    consumer: str,
    classes: cabc.Mapping[str, str],
    seen: model.HostSnapshot | None,
    unless: cabc.Callable[[], bool],
) -> tuple[giving.Device, ...]:
    """See :meth:`.Engine.adopt`."""
    classes = {names.uuid(uuid): wanted for uuid, wanted in classes.items()}
    scope = record.Scope(consumer=consumer, mdevs=frozenset(classes))
    with locking.consumers(store, consumer, *classes):
        if unless():
            return ()
        known = store.load(scope)
        mine = {claim.uuid for claim in known.of(consumer)}
        if not classes.keys() <= mine:
            snapshot = seen or host.snapshot()
            where = (known.mdevs.get(u) or snapshot.mdevs.get(u) for u in classes)
            parents = {mdev.parent for mdev in where if mdev is not None}
            # Whoever gives an idle one is done with it, or does not begin.
            with locking.devices(host, store, parents), store.transaction() as session:
                known = session.load(scope)
                _claim(session, known, snapshot, consumer, classes)
                known = session.load(scope)
    return giving.in_order(giving.device_of(known.mdevs[uuid]) for uuid in classes)


def _claim(
    session: claimslib.Session,
    known: record.Claims,
    snapshot: model.HostSnapshot,
    consumer: str,
    classes: cabc.Mapping[str, str],
) -> None:
    for uuid, resource_class in classes.items():
        claim = known.claims.get(uuid)
        if claim is None:
            mdev = _known_or_found(uuid, known, snapshot)
            session.put_mdev(mdev)
            session.add_claim(_claim_of(mdev, consumer, resource_class))
        elif claim.consumer != consumer:
            raise exceptions.HostError(
                f'mdev {uuid}',
                f'it is in the guest of {consumer}, and it is claimed by '
                f'{claim.consumer}; see "nova-mdev device list"',
            )


def _known_or_found(
    uuid: str, known: record.Claims, snapshot: model.HostSnapshot
) -> record.MdevRecord:
    """How it is recorded from now on: what is there goes before what was known."""
    before, live = known.mdevs.get(uuid), snapshot.mdevs.get(uuid)
    if before is not None and (live is None or before.is_live(snapshot.mdevs)):
        return before
    if live is None or live.mdev_type is None:
        told = 'the kernel does not tell its type' if live else 'there is none'
        raise exceptions.NotFound(
            f'mdev {uuid}', f'{told}, and the record does not know it'
        )
    is_foreign = before is not None and before.origin is record.Origin.FOREIGN
    return record.MdevRecord(
        uuid=uuid,
        parent=live.parent,
        mdev_type=live.mdev_type,
        origin=record.Origin.FOREIGN if is_foreign else record.Origin.FOUND,
    )


def _claim_of(
    mdev: record.MdevRecord, consumer: str, resource_class: str
) -> record.Claim:
    # What another service made was not given for an allocation.
    is_foreign = mdev.origin is record.Origin.FOREIGN
    return record.Claim(
        consumer=consumer,
        uuid=mdev.uuid,
        resource_class='' if is_foreign else resource_class,
        owner=record.Owner.ACCELERATOR if is_foreign else record.Owner.PLACEMENT,
    )
