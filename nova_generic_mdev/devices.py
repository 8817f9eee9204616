# SPDX-License-Identifier: Apache-2.0
"""Every mdev that is live, a consumer's or defined, and the state it is in."""

from __future__ import annotations

import collections.abc as cabc
import enum
import typing as ty

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import record


class Told(ty.Protocol):
    """An mdev, as the host or the record tells of it."""

    @property
    def uuid(self) -> str: ...  # noqa: D102
    @property
    def parent(self) -> str: ...  # noqa: D102
    @property
    def mdev_type(self) -> str | None: ...  # noqa: D102


class State(enum.StrEnum):
    """What can be said of an mdev, the first that fits.

    * ``foreign``: live, nobody's, and not ours to hand out: it came from elsewhere,
      though it may have the uuid of one that we know as something else;
    * ``in-use``: live, in the XML of a guest that runs;
    * ``claimed``: live, and a consumer's or a defined guest's;
    * ``free``: live and nobody's;
    * ``missing``: a consumer's, and not live;
    * ``inactive``: defined, and neither live nor a consumer's.
    """

    FOREIGN = 'foreign'
    IN_USE = 'in-use'
    CLAIMED = 'claimed'
    FREE = 'free'
    MISSING = 'missing'
    INACTIVE = 'inactive'


@model.value
class Row:
    """One mdev; ``origin`` and ``consumer`` are empty where there is none."""

    uuid: str
    parent: str
    mdev_type: str
    origin: str
    consumer: str
    state: State


def rows(
    snapshot: model.HostSnapshot,
    claims: record.Claims,
    guests: cabc.Mapping[str, bool] | None = None,
) -> tuple[Row, ...]:
    """One row for each mdev, in the order of the parents' names and uuids.

    :param guests: for each mdev in a guest's XML, whether that guest runs; None
        where libvirt was not asked
    """
    running = guests or {}
    uuids = {*snapshot.mdevs, *claims.claims, *snapshot.definitions}
    found = (_row(uuid, snapshot, claims, running) for uuid in uuids)
    return tuple(sorted(found, key=lambda row: (row.parent, row.uuid)))


def _row(
    uuid: str,
    snapshot: model.HostSnapshot,
    claims: record.Claims,
    running: cabc.Mapping[str, bool],
) -> Row:
    known = claims.mdevs.get(uuid)
    claim = claims.claims.get(uuid)
    where = snapshot.mdevs.get(uuid) or known or snapshot.definitions[uuid]
    return Row(
        uuid=uuid,
        parent=where.parent,
        mdev_type=where.mdev_type or '',
        origin=known.origin.value if known else '',
        consumer=claim.consumer if claim else '',
        state=_state(uuid, snapshot, claims, running),
    )


def _state(
    uuid: str,
    snapshot: model.HostSnapshot,
    claims: record.Claims,
    running: cabc.Mapping[str, bool],
) -> State:
    claimed = uuid in claims.claims
    if uuid not in snapshot.mdevs:
        return State.MISSING if claimed else State.INACTIVE
    known = claims.mdevs.get(uuid)
    if known is None or not known.is_live(snapshot.mdevs):
        return State.FOREIGN
    if running.get(uuid):
        return State.IN_USE
    if claimed or uuid in running:
        return State.CLAIMED
    is_foreign = known.origin is record.Origin.FOREIGN
    return State.FOREIGN if is_foreign else State.FREE


def device_api(snapshot: model.HostSnapshot, mdev: Told) -> str:
    """The ``device_api`` of an mdev's type, live or not: what a guest's XML needs.

    :raises NotFound: the parent does not tell, or is not there
    """
    parent = snapshot.parents.get(mdev.parent)
    kind = parent.types.get(mdev.mdev_type or '') if parent is not None else None
    if kind is not None and kind.device_api is not None:
        return kind.device_api
    untold = f'the device_api of {mdev.mdev_type}' if mdev.mdev_type else 'its type'
    where = mdev.parent if parent is not None else f'{mdev.parent}, which is not there,'
    raise exceptions.NotFound(
        f'mdev {mdev.uuid}',
        f"{where} does not tell {untold}, which the guest's XML needs; "
        "look at that device's driver",
    )
