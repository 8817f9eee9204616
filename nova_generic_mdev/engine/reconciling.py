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
from nova_generic_mdev.engine import telling

LOG = logging.getLogger(__name__)
_CUT_SHORT = 'its giving was cut short'


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
    *,
    once_more: bool = False,
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
    :param once_more: this is done again soon, and till then a claim that was begun
        stays.  Who was killed may have asked the helper or libvirt for the mdev,
        and they make it when it was looked for already
    :returns: what was taken back
    :raises ClaimsError: the record cannot be used
    :raises HostError: the host cannot be looked at
    """
    if elsewhere is None:
        return ()
    known = store.load()
    snapshot = host.snapshot({mdev.parent for mdev in _in_doubt(known)})
    taken = []
    for uuid, mdev in known.mdevs.items():
        if only is not None and uuid not in only:
            continue
        claim = known.claims.get(uuid)
        case = _Case(host, store, mdev, claim)
        act = _what_to_do(case, policy, snapshot, elsewhere)
        if once_more and act is _Case.take_back:
            act = _Case.begin_to_take_back
        if act is not None and case.settle(act):
            taken.append(giving.device_of(mdev))
    return tuple(taken)


def _in_doubt(known: record.Claims) -> cabc.Iterator[record.MdevRecord]:
    for uuid, mdev in known.mdevs.items():
        claim = known.claims.get(uuid)
        if claim is None or claim.state is record.ClaimState.PENDING:
            yield mdev


def _what_to_do(
    case: _Case,
    policy: policylib.Policy,
    snapshot: model.HostSnapshot,
    elsewhere: Elsewhere,
) -> cabc.Callable[[_Case], bool] | None:
    mdev, claim = case.mdev, case.claim
    if claim is not None and claim.state is not record.ClaimState.PENDING:
        return None
    if mdev.uuid in elsewhere.guests:
        return None if claim is None else _Case.finish
    if mdev.origin is record.Origin.FOREIGN:
        # Known for good: it must not come back as one that nobody knows.
        return None if claim is None else _Case.give_back
    if policy.goes(mdev) or (claim is not None and not mdev.was_made):
        return _Case.take_back
    # A parent that is away may come, with the mdevs that are defined on it.
    is_there = mdev.uuid in snapshot.mdevs or mdev.parent not in snapshot.parents
    if not is_there and mdev.uuid not in elsewhere.defined:
        return _Case.forget
    return None if claim is None else _Case.give_back


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
        self._tell('given after all', 'a guest names it')
        return False

    def take_back(self) -> bool:
        """We made it: remove it, and its claim."""
        self._host.remove(self.mdev.uuid, self.mdev.backend, self.mdev.parent)
        with self._store.transaction() as session:
            releasing.forget(session, self.mdev, self.claim)
        why = 'it is ours, and left over' if self.claim is None else _CUT_SHORT
        self._tell('removed', why)
        return True

    def begin_to_take_back(self) -> bool:
        """Remove it; it is its consumer's until that is done again."""
        if self.claim is None:
            return self.take_back()
        self._host.remove(self.mdev.uuid, self.mdev.backend, self.mdev.parent)
        return False

    def give_back(self) -> bool:
        """It was there before: only its claim goes."""
        with self._store.transaction() as session:
            session.drop_claim(self.mdev.uuid)
        self._tell('released and kept', _CUT_SHORT)
        return True

    def forget(self) -> bool:
        """It is nowhere any more."""
        with self._store.transaction() as session:
            session.drop_mdev(self.mdev.uuid)
        self._tell('forgotten', 'it is neither there nor defined')
        return self.claim is not None

    def _tell(self, outcome: str, why: str) -> None:
        consumer = self.claim.consumer if self.claim is not None else None
        telling.decided(outcome, self.mdev, consumer, why)
