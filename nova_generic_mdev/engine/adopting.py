# SPDX-License-Identifier: Apache-2.0
"""Whose an mdev is to remove: the operator may change what we assumed."""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import exceptions
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import record
from nova_generic_mdev.engine import giving


def set_origin(
    host: hostlib.Host,
    store: claimslib.ClaimStore,
    uuids: cabc.Collection[str] | None,
    origin: record.Origin,
    guests: cabc.Container[str] = (),
) -> tuple[giving.Device, ...]:
    """Say of mdevs that we created them, or that we only found them.

    An mdev that was foreign is recorded and is ours to hand out from now on;
    so not one that a guest has already.  An accelerator's has to be named.

    :param uuids: which; None is every live one of which this can be said
    :param guests: the mdevs that are named in a guest's XML
    :returns: those that changed
    :raises NotFound: one of them is neither live nor recorded; nothing changed
    :raises HostError: a guest has one of them; nothing changed
    :raises InvalidName: one of them is no uuid; nothing changed
    :raises ClaimsError: the record cannot be used
    """
    snapshot = host.snapshot()
    with store.transaction() as session:
        known = session.load()
        taken = {u for u in snapshot.mdevs if u in guests and u not in known.mdevs}
        chosen = _all(snapshot, known, taken) if uuids is None else _named(uuids, taken)
        mdevs = [_record(uuid, snapshot, known, origin) for uuid in chosen]
        changed = [mdev for mdev in mdevs if known.mdevs.get(mdev.uuid) != mdev]
        for mdev in changed:
            if mdev.uuid in known.mdevs:
                session.set_origin(mdev.uuid, origin)
            else:
                session.add_mdev(mdev)
    return tuple(giving.device_of(mdev) for mdev in changed)


def _all(
    snapshot: model.HostSnapshot, known: record.Claims, taken: cabc.Set[str]
) -> list[str]:
    # What the kernel does not tell the type of is not ours to choose.
    typed = [u for u, mdev in snapshot.mdevs.items() if mdev.mdev_type is not None]
    services = {
        uuid
        for uuid, mdev in known.mdevs.items()
        if mdev.origin is record.Origin.FOREIGN
    }
    return [uuid for uuid in typed if uuid not in taken | services]


def _named(uuids: cabc.Iterable[str], taken: cabc.Set[str]) -> list[str]:
    chosen = sorted({names.uuid(uuid) for uuid in uuids})
    for uuid in sorted(taken & set(chosen)):
        raise exceptions.HostError(
            f'mdev {uuid}',
            'a guest has it that no consumer of ours is; name it again when that '
            'guest is gone',
        )
    return chosen


def _record(
    uuid: str,
    snapshot: model.HostSnapshot,
    known: record.Claims,
    origin: record.Origin,
) -> record.MdevRecord:
    there = known.mdevs.get(uuid) or snapshot.mdevs.get(uuid)
    if there is None or there.mdev_type is None:
        raise exceptions.NotFound(
            f'mdev {uuid}',
            'there is none that we can read; see "nova-mdev device list"',
        )
    before = known.mdevs.get(uuid)
    return record.MdevRecord(
        uuid=uuid,
        parent=there.parent,
        mdev_type=there.mdev_type,
        origin=origin,
        attributes=before.attributes if before else (),
        backend=before.backend if before else None,
    )
