# SPDX-License-Identifier: Apache-2.0
"""Mdevs that an accelerator service asks us to attach, each by its uuid.

The service (Cyborg) says which mdev it means; it may have made it, or leave that
to us, as Nova 34 does.  Either way it is never handed out for a flavor.
"""

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


@model.value
class Ask:
    """An mdev that an accelerator request names."""

    uuid: str
    parent: str
    mdev_type: str

    def __post_init__(self) -> None:
        object.__setattr__(self, 'uuid', names.uuid(self.uuid))
        names.mdev_type(self.mdev_type)


def accelerate(
    host: hostlib.Host,
    store: claimslib.ClaimStore,
    consumer: str,
    asks: cabc.Collection[Ask],
) -> tuple[giving.Device, ...]:
    """See :meth:`.Engine.accelerate`."""
    uuids = frozenset(ask.uuid for ask in asks)
    parents = {ask.parent for ask in asks}
    with (
        locking.consumers(store, consumer, *uuids),
        locking.devices(host, store, parents),
    ):
        known = store.load(record.Scope(consumer=consumer, mdevs=uuids))
        # One that is new may be on any parent.  It must not be found out by trying:
        # to undo that would remove it from whoever has it.
        snapshot = host.snapshot(parents if uuids <= known.claims.keys() else None)
        gifts = [_gift(ask, consumer, known, snapshot) for ask in _each_once(asks)]
        given = giving.Giving(host, store, gifts, known)
        return given.carry_out(consumer, record.Owner.ACCELERATOR)


def _each_once(asks: cabc.Iterable[Ask]) -> cabc.Iterable[Ask]:
    wanted: dict[str, Ask] = {}
    for ask in asks:
        if wanted.setdefault(ask.uuid, ask) != ask:
            raise _unlike(ask, wanted[ask.uuid], 'another request names it')
    return [wanted[uuid] for uuid in sorted(wanted)]


def _gift(
    ask: Ask, consumer: str, known: record.Claims, snapshot: model.HostSnapshot
) -> giving.Gift:
    """What is to be done for one request.

    :raises Draining: its parent is to run empty
    :raises HostError: it cannot be this consumer's, or is not what was asked
    """
    live, claim = snapshot.mdevs.get(ask.uuid), known.claims.get(ask.uuid)
    before = known.mdevs.get(ask.uuid)
    if claim is None and ask.parent in known.drained:
        raise exceptions.Draining(ask.parent, ask.mdev_type, 1, parent_drains=True)
    if claim is not None:
        _check_claim(ask, claim, known.mdevs[ask.uuid], consumer)
    if live is None:
        _check_parent(ask, snapshot)
    elif not _is_as_asked(ask, live, is_known=claim is not None):
        raise _unlike(ask, live, 'it is there')
    is_begun = claim is not None and known.is_begun(ask.uuid)
    return giving.Gift(
        known=before if before and claim else _record(ask, before, live),
        resource_class='',
        make=live is None or is_begun,
        held=claim is not None,
        why='an accelerator request names it',
    )


def _check_claim(
    ask: Ask, claim: record.Claim, mdev: record.MdevRecord, consumer: str
) -> None:
    if (ask.parent, ask.mdev_type) != (mdev.parent, mdev.mdev_type):
        raise _unlike(ask, mdev, 'it was given')
    if claim.consumer != consumer or claim.owner is not record.Owner.ACCELERATOR:
        raise exceptions.HostError(
            f'mdev {claim.uuid}',
            f'an accelerator request of {consumer} names it, and it was given to '
            f'{claim.consumer} ({claim.owner}); see "nova-mdev device list"',
        )


def _check_parent(ask: Ask, snapshot: model.HostSnapshot) -> None:
    parent = snapshot.parents.get(ask.parent)
    if parent is None or ask.mdev_type not in parent.types:
        told = 'has no such type' if parent else 'is not there'
        raise exceptions.NotFound(
            f'mdev {ask.uuid}',
            f'an accelerator request wants it as {ask.mdev_type} of {ask.parent}, '
            f'which {told}; see "nova-mdev parent list"',
        )


def _is_as_asked(ask: Ask, live: model.Mdev, *, is_known: bool) -> bool:
    # The kernel may fail to tell the type of one that was checked before.
    types = {ask.mdev_type, None} if is_known else {ask.mdev_type}
    return live.parent == ask.parent and live.mdev_type in types


def _record(
    ask: Ask, before: record.MdevRecord | None, live: model.Mdev | None
) -> record.MdevRecord:
    """What is there is the service's; what is not is ours to make, and to remove."""
    origin = record.Origin.CREATED if live is None else record.Origin.FOREIGN
    return record.MdevRecord(
        uuid=ask.uuid,
        parent=ask.parent,
        mdev_type=ask.mdev_type,
        origin=origin,
        attributes=before.attributes if before and live else (),
        # A definition that is left from before goes with it.
        backend=before.backend if before else None,
    )


def _unlike(
    ask: Ask, other: Ask | record.MdevRecord | model.Mdev, how: str
) -> exceptions.HostError:
    return exceptions.HostError(
        f'mdev {ask.uuid}',
        f'an accelerator request wants it as {ask.mdev_type} of {ask.parent}, and '
        f'{how} as {other.mdev_type or "an unknown type"} of {other.parent}; '
        "look at the accelerator service's devices",
    )
