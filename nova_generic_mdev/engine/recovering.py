# SPDX-License-Identifier: Apache-2.0
"""After a reboot or a crash: bring back what is claimed, undo what was cut off."""

from __future__ import annotations

import collections.abc as cabc

from oslo_log import log as logging

from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import exceptions
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import model
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record
from nova_generic_mdev.engine import giving

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

    Whoever else brings them back, mdevctl say, may be faster: an mdev that
    appears meanwhile as it was is as good.

    :raises ClaimsError: the record cannot be used
    :raises HostError: the host cannot be looked at
    """
    recovered, waiting, failed = [], [], []
    known = store.load()
    snapshot = host.snapshot({known.mdevs[uuid].parent for uuid in known.claims})
    for uuid in known.claims:
        mdev = known.mdevs[uuid]
        device = giving.device_of(mdev)
        if uuid in snapshot.mdevs:
            continue
        if mdev.parent not in snapshot.parents:
            waiting.append(device)
            continue
        try:
            if _make_again(
                host, store, known.claims[uuid], mdev, snapshot.parents[mdev.parent]
            ):
                recovered.append(device)
        except exceptions.MdevError as e:
            LOG.warning('mdev %s of %s is not back: %s', uuid, mdev.parent, e)
            failed.append((device, e))
    return Recovery(
        recovered=tuple(recovered), waiting=tuple(waiting), failed=tuple(failed)
    )


def _make_again(
    host: hostlib.Host,
    store: claimslib.ClaimStore,
    claim: record.Claim,
    mdev: record.MdevRecord,
    parent: model.Parent,
) -> bool:
    """Make it, unless its consumer has given it back meanwhile."""
    with (
        store.locks.held([giving.consumer_lock(claim.consumer)]),
        store.locks.held([f'device-{parent.physical_device}']),
    ):
        if not _is_still(store, mdev.uuid, claim):
            return False
        backend = host.create(mdev.uuid, mdev.parent, mdev.mdev_type, mdev.attributes)
        with store.transaction() as session:
            session.set_backend(mdev.uuid, backend)
    return True


def reconcile(
    host: hostlib.Host,
    store: claimslib.ClaimStore,
    policy: policylib.Policy,
    guests: cabc.Container[str] | None,
) -> tuple[giving.Device, ...]:
    """Take back what a crash left: claims whose effect was never finished, and
    mdevs of ours that nobody has and that are not to be kept.

    :param guests: mdevs that are named in a guest's XML, which are left alone;
        None where nobody could tell: then nothing that may be in one is touched
    :returns: what was taken back
    :raises ClaimsError: the record cannot be used
    """
    known = store.load()
    taken = []
    for uuid, mdev in known.mdevs.items():
        claim = known.claims.get(uuid)
        if claim is not None and claim.state is record.ClaimState.READY:
            continue
        if claim is None and not _is_leftover(mdev, policy):
            continue
        if guests is None or uuid in guests:
            continue
        lock = giving.consumer_lock(claim.consumer if claim else uuid)
        with store.locks.held([lock]):
            if _is_still(store, uuid, claim) and _take_back(host, store, mdev):
                taken.append(giving.device_of(mdev))
    return tuple(taken)


def _is_leftover(mdev: record.MdevRecord, policy: policylib.Policy) -> bool:
    return mdev.origin is record.Origin.CREATED and policy.removes(mdev.mdev_type)


def _is_still(
    store: claimslib.ClaimStore, uuid: str, claim: record.Claim | None
) -> bool:
    """Whether nobody finished or took it while we waited for the lock."""
    now = store.load()
    return uuid in now.mdevs and now.claims.get(uuid) == claim


def _take_back(
    host: hostlib.Host, store: claimslib.ClaimStore, mdev: record.MdevRecord
) -> bool:
    try:
        if mdev.origin is record.Origin.CREATED:
            host.remove(mdev.uuid, mdev.backend)
    except exceptions.MdevError as e:
        LOG.warning('mdev %s stays for now: %s', mdev.uuid, e)
        return False
    with store.transaction() as session:
        if mdev.origin is record.Origin.CREATED:
            session.drop_mdev(mdev.uuid)
        else:
            session.drop_claim(mdev.uuid)
    return True
