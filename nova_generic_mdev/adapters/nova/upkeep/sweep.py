# SPDX-License-Identifier: Apache-2.0
"""One sweep: ask about the claims that look odd, and do what :mod:`~.sweeping` says.

Asking goes from what is cheap to what is not, and ends where nothing is odd any
more: the record, libvirt's list of guests, Nova, Placement, the guests' XML.
"""

from __future__ import annotations

import collections
import collections.abc as cabc

from oslo_log import log as logging

from nova_generic_mdev import exceptions
from nova_generic_mdev import record
from nova_generic_mdev.adapters.nova.upkeep import consumers
from nova_generic_mdev.adapters.nova.upkeep import needs
from nova_generic_mdev.adapters.nova.upkeep import sweeping

LOG = logging.getLogger(__name__)


class Sweep:
    """Sweeps the claims of one host."""

    def __init__(self, around: needs.Around) -> None:
        self._around = around
        self._devices = around.devices
        self._sources = around.sources
        self._odd: frozenset[str] = frozenset()

    def run(self) -> None:
        """Mend what nobody told us of.

        :raises Unsure: somebody does not tell what has to be known; nothing is done
        :raises ClaimsError: the record cannot be used
        """
        with self._around.operations.watched() as touched:
            claims = self._devices.store.load()
            found = sweeping.suspects(claims, frozenset(), touched)
            if found:
                found = sweeping.suspects(claims, self._sources.domains(), touched)
            self._settle(frozenset(found))
            if found:
                evidence = self._evidence(found, claims, touched)
                for step in sweeping.decide(found, claims, evidence):
                    self._carry_out(step, evidence.known, touched)

    def _evidence(
        self, found: cabc.Sequence[str], claims: record.Claims, touched: cabc.Set[str]
    ) -> sweeping.Evidence:
        bringing = {m for c in found for m in sweeping.markers(c, claims)}
        known = dict(self._sources.known({*found, *bringing}))
        node = self._sources.node
        asked = [
            consumer
            for consumer in found
            if sweeping.excuse(consumer, claims, known, touched, node) is None
        ]
        held = self._held(asked, claims)
        gone = [consumer for consumer in asked if not +held[consumer]]
        users = None
        if gone:
            strangers = sweeping.strangers(gone, claims, held)
            known.update(self._sources.known(strangers - known.keys()))
            users = self._users()
        return sweeping.Evidence(
            busy=touched, node=node, known=known, held=held, guests=users
        )

    def _held(
        self, asked: cabc.Collection[str], claims: record.Claims
    ) -> dict[str, consumers.Amounts]:
        """What these hold here, and others where these have claims."""
        if not asked:
            return {}
        parents = {mdev.parent for mdev in claims.mdevs.values()}
        placement = self._sources.placement(parents, self._around.classes(claims))
        theirs = {where for c in asked for where, _ in consumers.claimed(c, claims)}
        held = dict(placement.held_on(theirs))
        for consumer in asked:
            # On any provider of this host: the claim may be of another parent.
            held[consumer] = collections.Counter(placement.held_by(consumer))
        return held

    def _users(self) -> cabc.Mapping[str, str] | None:
        guests = self._sources.guests()
        for guest, reason in guests.unread.items():
            self._around.once.say(f'XML of {guest}', reason)
        return guests.users

    def _carry_out(
        self, step: sweeping.Step, known: consumers.Known, touched: cabc.Set[str]
    ) -> None:
        if isinstance(step, sweeping.Keep):
            self._say(step)
            return

        def is_touched() -> bool:
            mine = {step.consumer, consumers.server_of(step.consumer, known)}
            if isinstance(step, sweeping.Rekey):
                mine.add(consumers.server_of(step.to, known))
            return not mine.isdisjoint(touched)

        try:
            if isinstance(step, sweeping.Release):
                done = self._devices.engine.release(step.consumer, is_touched)
                told = (
                    f'are swept: consumer {step.consumer} has no guest here, and '
                    'holds nothing in Placement'
                )
            else:
                self._devices.engine.rekey(step.consumer, step.to, is_touched)
                done = self._devices.engine.claimed(step.to)
                told = f'are of {step.to} now, no longer of {step.consumer}'
        except exceptions.MdevError as e:
            self._around.once.say(
                step.consumer, f'{step.consumer} keeps its mdevs: {e}'
            )
            return
        if done:
            LOG.info('mdevs %s %s', ', '.join(device.uuid for device in done), told)

    def _say(self, step: sweeping.Keep) -> None:
        text = f'the mdevs of {step.consumer}, which has no guest here, are kept: '
        level = logging.WARNING if step.odd else logging.DEBUG
        self._around.once.say(step.consumer, text + step.reason, level)

    def _settle(self, odd: frozenset[str]) -> None:
        for consumer in self._odd - odd:
            self._around.once.settled(consumer)
        self._odd = odd
