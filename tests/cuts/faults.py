# SPDX-License-Identifier: Apache-2.0
"""Mistakes, made on purpose, that cutting must not overlook."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import dataclasses

from nova_generic_mdev import claims
from nova_generic_mdev import record
from nova_generic_mdev.engine import giving
from nova_generic_mdev.engine import keeping
from nova_generic_mdev.engine import locking
from nova_generic_mdev.engine import reconciling
from nova_generic_mdev.engine import releasing


@dataclasses.dataclass(frozen=True)
class Fault:
    """A mistake in the engine.

    :param make: makes it, in this process, for good
    :param story: one of :mod:`.stories` that shows it
    """

    make: cabc.Callable[[], None]
    story: str


def _claim_late() -> None:
    def carry_out(self, consumer, owner, migration=None):
        with contextlib.ExitStack() as undo:
            for gift in self._gifts:
                if gift.make:
                    self._create(gift, undo)
            self._claim(consumer, owner, migration)
            self._finish()
            undo.pop_all()
        return giving.in_order(giving.device_of(gift.known) for gift in self._gifts)

    giving.Giving.carry_out = carry_out


def _ready_at_once() -> None:
    add = claims.Session.add_claim

    def add_claim(self, claim):
        add(self, dataclasses.replace(claim, state=record.ClaimState.READY))

    claims.Session.add_claim = add_claim


def _idle_is_ready() -> None:
    add = claims.Session.add_claim

    def add_claim(self, claim):
        if self.load().mdevs[claim.uuid].was_made:
            claim = dataclasses.replace(claim, state=record.ClaimState.READY)
        add(self, claim)

    claims.Session.add_claim = add_claim


def _claims_not_undone() -> None:
    giving.Giving._unclaim = lambda _self, _owner: None


def _mdevs_not_undone() -> None:
    giving.Giving._remove = lambda self, known: self._tried.remove(known.uuid)


def _row_first() -> None:
    def release(host, store, mdev, claim, *, remove):
        with store.transaction() as session:
            if remove:
                releasing.forget(session, mdev, claim)
            else:
                session.drop_claim(mdev.uuid)
        if remove:
            host.remove(mdev.uuid, mdev.backend)

    releasing._release = release


def _not_marked() -> None:
    giving.begin_again = lambda _session, _before, _uuid: None


def _one_by_one() -> None:
    def rekey(store, consumer, to, _unless):
        with locking.consumers(store, consumer, to):
            for claim in store.load().of(consumer):
                with store.transaction() as session:
                    session.set_consumer(claim.uuid, to)
        return keeping.devices_of(store.load(), to)

    keeping.rekey = rekey


def _forgotten_too_early() -> None:
    reconciling._Case.begin_to_take_back = reconciling._Case.take_back


FAULTS = {
    'the claim is written after the effect': Fault(_claim_late, 'allocate'),
    'a claim is ready before the effect': Fault(_ready_at_once, 'allocate'),
    'what is idle is not given with the rest': Fault(
        _idle_is_ready, 'allocate what is idle, and more'
    ),
    'the claims of what was refused stay': Fault(
        _claims_not_undone, 'allocate too much'
    ),
    'the mdevs of what was refused stay': Fault(_mdevs_not_undone, 'allocate too much'),
    'the row is dropped before the mdev': Fault(_row_first, 'release'),
    'what is made again is not marked': Fault(_not_marked, 'restore'),
    'claims are given on one by one': Fault(_one_by_one, 'rekey'),
    'who was killed is not waited for': Fault(_forgotten_too_early, 'allocate'),
}
