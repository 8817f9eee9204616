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
) -> tuple[giving.Device, ...]:
    """Say of mdevs that we created them, or that we only found them.

    An mdev that was foreign is recorded and is ours to hand out from now on.

    :param uuids: which; None is every live one
    :returns: those that changed
    :raises NotFound: one of them is neither live nor recorded; nothing changed
    :raises InvalidName: one of them is no uuid; nothing changed
    :raises ClaimsError: the record cannot be used
    """
    snapshot = host.snapshot()
    with store.transaction() as session:
        known = session.load()
        mdevs = [
            _record(uuid, snapshot, known, origin) for uuid in _chosen(uuids, snapshot)
        ]
        changed = [mdev for mdev in mdevs if known.mdevs.get(mdev.uuid) != mdev]
        for mdev in changed:
            if mdev.uuid in known.mdevs:
                session.set_origin(mdev.uuid, origin)
            else:
                session.add_mdev(mdev)
    return tuple(giving.device_of(mdev) for mdev in changed)


def _chosen(
    uuids: cabc.Collection[str] | None, snapshot: model.HostSnapshot
) -> list[str]:
    if uuids is not None:
        return sorted({names.uuid(uuid) for uuid in uuids})
    # What the kernel does not tell the type of is not ours to choose.
    return [u for u, mdev in snapshot.mdevs.items() if mdev.mdev_type is not None]


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
