# SPDX-License-Identifier: Apache-2.0
"""After a crash: take back what was begun, remove what is left, forget the dead."""

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
from nova_generic_mdev.engine import locking
from nova_generic_mdev.engine import releasing

LOG = logging.getLogger(__name__)


@model.value
class Elsewhere:
    """What libvirt tells of mdevs, where it could be asked.

    :param guests: those that are named in a guest's XML, running or not
    :param defined: those that are persistently defined
    """

    guests: cabc.Container[str]
    defined: cabc.Container[str]


def reconcile(
    host: hostlib.Host,
    store: claimslib.ClaimStore,
    policy: policylib.Policy,
    elsewhere: Elsewhere | None,
    only: cabc.Container[str] | None = None,
) -> tuple[giving.Device, ...]:
    """Put right what a crash, or a reboot, left behind.

    * A claim whose effect was never finished is taken back; one that a guest's
      XML names was finished after all.
    * An mdev of ours that nobody has goes, unless it is to be kept.
    * One that nobody has, and that is neither there nor defined, is forgotten.

    What fails is left for the next time.

    :param elsewhere: None where nobody could tell: then any mdev may be in a
        guest's XML, and nothing is done
    :param only: these mdevs, by uuid; None: all
    :returns: what was taken back
    :raises ClaimsError: the record cannot be used
    :raises HostError: the host cannot be looked at
    """
    if elsewhere is None:
        return ()
    known = store.load()
    parents = {m.parent for u, m in known.mdevs.items() if u not in known.claims}
    snapshot = host.snapshot(parents)
    taken = []
    for uuid, mdev in known.mdevs.items():
        if only is not None and uuid not in only:
            continue
        claim = known.claims.get(uuid)
        case = _Case(host, store, mdev, claim)
        act = _what_to_do(case, policy, snapshot, elsewhere)
        if act is not None and case.settle(act):
            taken.append(giving.device_of(mdev))
    return tuple(taken)


def _what_to_do(
    case: _Case,
    policy: policylib.Policy,
    snapshot: model.HostSnapshot,
    elsewhere: Elsewhere,
) -> cabc.Callable[[_Case], bool] | None:
    mdev = case.mdev
    if case.claim is not None and case.claim.state is record.ClaimState.READY:
        return None
    if mdev.uuid in elsewhere.guests:
        return None if case.claim is None else _Case.finish
    if case.claim is not None:
        return _Case.take_back
    if mdev.origin is record.Origin.FOREIGN:
        # For good: it must not come back as one that nobody knows.
        return None
    if mdev.origin is record.Origin.CREATED and policy.removes(mdev.mdev_type):
        return _Case.take_back
    # A parent that is away may come, with the mdevs that are defined on it.
    is_there = mdev.uuid in snapshot.mdevs or mdev.parent not in snapshot.parents
    return None if is_there or mdev.uuid in elsewhere.defined else _Case.forget


class _Case:
    """One mdev that may have to be put right.

    :param claim: as it was when this was decided
    """

    def __init__(
        self,
        host: hostlib.Host,
        store: claimslib.ClaimStore,
        mdev: record.MdevRecord,
        claim: record.Claim | None,
    ) -> None:
        self._host = host
        self._store = store
        self.mdev = mdev
        self.claim = claim

    def settle(self, act: cabc.Callable[[_Case], bool]) -> bool:
        """Do it, unless somebody finished or took the mdev meanwhile."""
        holder = self.claim.consumer if self.claim else self.mdev.uuid
        try:
            with locking.consumers(self._store, holder):
                now = self._store.load()
                mine = (now.mdevs.get(self.mdev.uuid), now.claims.get(self.mdev.uuid))
                return mine == (self.mdev, self.claim) and act(self)
        except exceptions.MdevError as e:
            LOG.warning('mdev %s stays as it is for now: %s', self.mdev.uuid, e)
            return False

    def finish(self) -> bool:
        """Its guest has it: whoever claimed it was ended just after the effect."""
        with self._store.transaction() as session:
            session.set_state(self.mdev.uuid, record.ClaimState.READY)
        return False

    def take_back(self) -> bool:
        """Remove it if we made it; else only its claim goes."""
        is_ours = self.mdev.origin is record.Origin.CREATED
        if is_ours:
            self._host.remove(self.mdev.uuid, self.mdev.backend)
        with self._store.transaction() as session:
            if is_ours:
                releasing.forget(session, self.mdev, self.claim)
            else:
                session.drop_claim(self.mdev.uuid)
        return True

    def forget(self) -> bool:
        """It is nowhere any more."""
        LOG.debug('mdev %s is forgotten: it is gone', self.mdev.uuid)
        with self._store.transaction() as session:
            session.drop_mdev(self.mdev.uuid)
        return False
