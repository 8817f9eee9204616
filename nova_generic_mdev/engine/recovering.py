# SPDX-License-Identifier: Apache-2.0
"""After a reboot: bring back what is claimed, as it was."""

from __future__ import annotations

from oslo_log import log as logging

from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import exceptions
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import model
from nova_generic_mdev import record
from nova_generic_mdev.engine import giving
from nova_generic_mdev.engine import locking
from nova_generic_mdev.engine import telling

LOG = logging.getLogger(__name__)


@model.value
class Recovery:
    """What came of a recovery.

    :param recovered: made again, with the uuid, parent and type that they had
    :param waiting: claimed, and their parents are not there yet
    :param failed: why not, by uuid
    """

    recovered: tuple[giving.Device, ...] = ()
    waiting: tuple[giving.Device, ...] = ()
    failed: tuple[tuple[giving.Device, exceptions.MdevError], ...] = ()

    @property
    def missing_parents(self) -> tuple[str, ...]:
        """The parents that are waited for, by name."""
        return tuple(sorted({device.parent for device in self.waiting}))


def recover(host: hostlib.Host, store: claimslib.ClaimStore) -> Recovery:
    """Make each claimed mdev that is not live, where its parent is there.

    One that was being made again when that was cut short is completed.  One that
    was never given may be in a guest's XML all the same, where nobody could tell:
    it is made last, and what becomes of its claim is decided where that is known.

    Whoever else brings them back, mdevctl say, may be faster: an mdev that
    appears meanwhile as it was is as good.  One that is there as something else
    is not: its consumer would get another device than it was promised.

    :raises ClaimsError: the record cannot be used
    :raises HostError: the host cannot be looked at
    """
    recovered, waiting, failed = [], [], []
    known = store.load()
    snapshot = host.snapshot({known.mdevs[uuid].parent for uuid in known.claims})
    # What was never given must not take the room of what was.
    for claim in sorted(known.claims.values(), key=_is_pending):
        uuid = claim.uuid
        mdev = known.mdevs[uuid]
        device = giving.device_of(mdev)
        is_given = not _is_pending(claim)
        is_begun = is_given and known.is_begun(uuid)
        if mdev.is_live(snapshot.mdevs) and not is_begun:
            continue
        if mdev.parent not in snapshot.parents:
            waiting.append(device)
            continue
        try:
            parent = snapshot.parents[mdev.parent]
            if _make_again(host, store, claim, parent, finish=is_given):
                recovered.append(device)
        except exceptions.MdevError as e:
            failed.append((device, e))
    return Recovery(
        recovered=tuple(recovered), waiting=tuple(waiting), failed=tuple(failed)
    )


def _is_pending(claim: record.Claim) -> bool:
    return claim.state is record.ClaimState.PENDING


def restore(
    host: hostlib.Host, store: claimslib.ClaimStore, consumer: str
) -> tuple[giving.Device, ...]:
    """See :meth:`.Engine.restore`."""
    known = store.load(record.Scope(consumer=consumer))
    mine = [(claim, known.mdevs[claim.uuid]) for claim in known.of(consumer)]
    snapshot = host.snapshot({mdev.parent for _, mdev in mine})
    restored: list[giving.Device] = []
    refused: list[exceptions.MdevError] = []
    for claim, mdev in mine:
        is_ready = claim.state is record.ClaimState.READY
        if mdev.is_live(snapshot.mdevs) and is_ready:
            continue
        try:
            parent = _parent_of(mdev, snapshot)
            if _make_again(host, store, claim, parent, finish=True):
                restored.append(giving.device_of(mdev))
        except (exceptions.HostError, exceptions.CapacityError) as e:
            refused.append(e)
    if refused:
        for more in refused[1:]:
            LOG.warning('consumer %s lacks one more: %s', consumer, more)
        raise refused[0]
    return giving.in_order(restored)


def _parent_of(mdev: record.MdevRecord, snapshot: model.HostSnapshot) -> model.Parent:
    parent = snapshot.parents.get(mdev.parent)
    if parent is None:
        raise exceptions.NotFound(
            f'mdev {mdev.uuid}',
            f'it cannot be made again: its parent {mdev.parent} is not there; '
            'see "nova-mdev parent list"',
        )
    return parent


def _make_again(
    host: hostlib.Host,
    store: claimslib.ClaimStore,
    claim: record.Claim,
    parent: model.Parent,
    *,
    finish: bool,
) -> bool:
    """Make it, unless it has come back, or been given back, meanwhile.

    :param finish: then it is its consumer's; else that is decided elsewhere
    """
    with (
        locking.consumers(store, claim.consumer),
        locking.device(store, parent.physical_device),
    ):
        now = store.load(record.Scope(consumer=claim.consumer))
        if now.claims.get(claim.uuid) != claim:
            return False
        mdev = now.mdevs[claim.uuid]
        is_there = mdev.is_live(host.snapshot([parent.name]).mdevs)
        if is_there and not (finish and now.is_begun(claim.uuid)):
            if finish and claim.state is record.ClaimState.PENDING:
                _finish(store, claim, mdev.backend)
            return False
        with store.transaction() as session:
            giving.begin_again(session, now, claim.uuid)
        made = host.create(mdev.uuid, mdev.parent, mdev.mdev_type, mdev.attributes)
        if finish:
            _finish(store, claim, giving.undone_by(mdev.backend, made))
    why = 'it was claimed, and not there' if not is_there else 'it was not whole'
    telling.decided('made again', mdev, claim.consumer, why)
    return True


def _finish(
    store: claimslib.ClaimStore, claim: record.Claim, backend: str | None
) -> None:
    with store.transaction() as session:
        session.set_backend(claim.uuid, backend)
        session.set_state(claim.uuid, record.ClaimState.READY)
