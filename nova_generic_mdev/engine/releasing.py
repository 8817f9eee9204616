# SPDX-License-Identifier: Apache-2.0
"""Takes everything from a consumer that is gone for good."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses

from oslo_log import log as logging

from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import exceptions
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record
from nova_generic_mdev.engine import giving
from nova_generic_mdev.engine import locking
from nova_generic_mdev.engine import telling

LOG = logging.getLogger(__name__)


def release(
    host: hostlib.Host,
    store: claimslib.ClaimStore,
    policy: policylib.Policy,
    consumer: str,
    unless: cabc.Callable[[], bool],
) -> tuple[giving.Device, ...]:
    """See :meth:`.Engine.release`."""
    released: list[giving.Device] = []
    refused: list[exceptions.HostError] = []
    with locking.consumers(store, consumer):
        if unless():
            return ()
        known = store.load(record.Scope(consumer=consumer))
        for claim in known.of(consumer):
            mdev = known.mdevs[claim.uuid]
            try:
                goes = _goes(mdev, claim, policy)
                _release(host, store, mdev, claim, remove=goes)
            except exceptions.HostError as e:
                refused.append(e)
            else:
                outcome = 'released and removed' if goes else 'released and kept'
                telling.decided(outcome, mdev, consumer, _why(mdev, claim, policy))
                released.append(giving.device_of(mdev))
    if refused:
        for more in refused[1:]:
            LOG.warning('consumer %s keeps one more: %s', consumer, more)
        raise refused[0]
    return giving.in_order(released)


def _goes(
    mdev: record.MdevRecord, claim: record.Claim, policy: policylib.Policy
) -> bool:
    """Whether it goes with its consumer: no flavor gets an accelerator's."""
    is_ours = mdev.origin is record.Origin.CREATED
    is_accelerator = claim.owner is record.Owner.ACCELERATOR
    return (is_ours and is_accelerator) or policy.goes(mdev)


def _why(mdev: record.MdevRecord, claim: record.Claim, policy: policylib.Policy) -> str:
    if claim.owner is record.Owner.ACCELERATOR:
        return 'it was of an accelerator request'
    return policy.why(mdev)


def _release(
    host: hostlib.Host,
    store: claimslib.ClaimStore,
    mdev: record.MdevRecord,
    claim: record.Claim,
    *,
    remove: bool,
) -> None:
    # The claim goes last: until the mdev is gone nobody else may have it.
    if remove:
        host.remove(mdev.uuid, mdev.backend, mdev.parent)
    with store.transaction() as session:
        if remove:
            forget(session, mdev, claim)
        else:
            session.drop_claim(mdev.uuid)


def forget(
    session: claimslib.Session, mdev: record.MdevRecord, claim: record.Claim | None
) -> None:
    """One that we made is gone; one that a service named stays known as foreign.

    The service may make it the next time, and then it is not ours to hand out.
    """
    if claim is None or claim.owner is not record.Owner.ACCELERATOR:
        session.drop_mdev(mdev.uuid)
        return
    session.drop_claim(mdev.uuid)
    session.put_mdev(
        dataclasses.replace(mdev, origin=record.Origin.FOREIGN, backend=None)
    )
