# SPDX-License-Identifier: Apache-2.0
"""Adoption: ask whose the unclaimed mdevs of guests are, and claim them.

A guest that cannot be judged is in doubt, and is looked at again.  Until then
nobody else gets its mdevs: what is not in the record is not ours to hand out, and
what is in it, idle (Nova's own driver may have taken it while it ran here), counts
as foreign.
"""

from __future__ import annotations

import collections.abc as cabc
import dataclasses

from oslo_log import log as logging

from nova_generic_mdev import exceptions
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record
from nova_generic_mdev.adapters.nova.upkeep import adopting
from nova_generic_mdev.adapters.nova.upkeep import consumers
from nova_generic_mdev.adapters.nova.upkeep import matching
from nova_generic_mdev.adapters.nova.upkeep import needs

LOG = logging.getLogger(__name__)
_FOREIGN = record.Origin.FOREIGN


class Adoption:
    """Adopts the mdevs of the guests of one host."""

    def __init__(self, around: needs.Around) -> None:
        self._around = around
        self._devices = around.devices
        self._sources = around.sources
        #: the guests that have to be looked at again; None: all
        self.doubtful: frozenset[str] | None = frozenset()
        # What was recorded of mdevs that count as foreign for now, by uuid.
        self._parked: dict[str, record.Origin] = {}

    def run(self, guests: adopting.Guests) -> None:
        """Claim what guests have, where it can be told whose it is.

        :param guests: all of them, or those in doubt
        :raises ClaimsError: the record cannot be used
        :raises HostError: the host cannot be looked at
        """
        with self._around.operations.watched() as touched:
            self.doubtful = frozenset(self._look_at(guests, touched))

    def run_for(self, guests: adopting.Guests) -> None:
        """The same for some guests that whoever calls has an operation on.

        :raises ClaimsError: the record cannot be used
        :raises HostError: the host cannot be looked at
        """
        doubtful = self._look_at(guests, frozenset())
        if self.doubtful is not None:
            self.doubtful = self.doubtful - guests.mdevs.keys() | doubtful

    def _look_at(self, guests: adopting.Guests, busy: cabc.Set[str]) -> set[str]:
        for guest, reason in guests.unread.items():
            self._around.once.say(f'XML of {guest}', reason)
        return self._judge(guests, busy) | guests.unread.keys()

    def _judge(self, guests: adopting.Guests, busy: cabc.Set[str]) -> set[str]:
        """Judge each guest; returns those in doubt."""
        claims = self._devices.store.load()
        orphans = adopting.orphans(guests.mdevs, claims, self._parked.keys())
        if not orphans:
            return set()
        snapshot = self._devices.host.snapshot()
        resolved = policylib.resolve(self._devices.policy, snapshot.parents.values())
        host = matching.Host(snapshot=snapshot, claims=claims, rules=resolved.rules)
        try:
            promised = self._promised(orphans, host)
        except consumers.Unsure as e:
            self._around.once.say('adoption', f'mdevs of guests are not adopted: {e}')
            self._park([u for mdevs in orphans.values() for u in mdevs], claims)
            return set(orphans)
        self._around.once.settled('adoption')
        return {
            g for g in orphans if not self._settle(g, orphans[g], host, promised, busy)
        }

    def _promised(
        self, orphans: cabc.Mapping[str, tuple[str, ...]], host: matching.Host
    ) -> adopting.Promised:
        """What Placement and Nova tell of all these guests together."""
        everything = [uuid for mdevs in orphans.values() for uuid in mdevs]
        parents = adopting.parents_of(everything, host)
        classes = self._around.classes(host.claims)
        root = self._sources.node
        held = self._sources.placement(parents, classes).held_on({root, *parents})
        known = self._sources.known(held.keys() - orphans.keys())
        return adopting.Promised(held=held, known=known, root=root)

    def _settle(
        self,
        guest: str,
        mdevs: tuple[str, ...],
        host: matching.Host,
        promised: adopting.Promised,
        busy: cabc.Set[str],
    ) -> bool:
        """Do what can be done for one guest; whether that was all."""
        try:
            adopted = adopting.decide(
                guest, mdevs, host, self._with_accelerators(guest, promised)
            )
            for consumer, classes in adopted.classes.items():
                self._adopt(guest, consumer, classes, host, busy)
        except (consumers.Unsure, exceptions.MdevError) as e:
            adopted = adopting.Adoption(classes={}, doubt=str(e))
        if adopted.missing:
            LOG.info('guest %s has mdevs that are not here: %s', guest, adopted.missing)
        self._leave(guest, adopted.foreign, host.claims)
        if adopted.doubt is None:
            self._around.once.settled(guest)
            return guest not in busy
        done = {u for classes in adopted.classes.values() for u in classes}
        left = [u for u in mdevs if u not in {*done, *adopted.foreign}]
        self._around.once.say(
            guest, f'mdevs {left} of guest {guest} are not adopted: {adopted.doubt}'
        )
        self._park(left, host.claims)
        return False

    def _with_accelerators(
        self, guest: str, promised: adopting.Promised
    ) -> adopting.Promised:
        if not adopting.is_promised(guest, promised):
            return promised
        accelerators = self._sources.accelerators(guest)
        return dataclasses.replace(promised, accelerators=accelerators)

    def _adopt(
        self,
        guest: str,
        consumer: str,
        classes: cabc.Mapping[str, str],
        host: matching.Host,
        busy: cabc.Set[str],
    ) -> None:
        if guest in busy:
            return
        engine = self._devices.engine
        for uuid in classes.keys() & self._parked.keys():
            engine.set_origin([uuid], self._parked.pop(uuid))
        given = engine.adopt(consumer, classes, host.snapshot, lambda: guest in busy)
        if not given:
            self._park(classes, self._devices.store.load())
        for device in given:
            told = f'{device.uuid} ({device.mdev_type} on {device.parent})'
            why = f'guest {guest} has it, and Placement says that it holds one'
            LOG.info('mdev %s, of consumer %s, adopted: %s', told, consumer, why)

    def _leave(
        self, guest: str, uuids: cabc.Iterable[str], claims: record.Claims
    ) -> None:
        """What a guest has that is not its server's by Placement is not ours."""
        for uuid in uuids:
            LOG.info(
                'mdev %s of guest %s is not from Placement: left alone', uuid, guest
            )
        self._mark(uuids, claims)
        for uuid in uuids:
            self._parked.pop(uuid, None)

    def _park(self, uuids: cabc.Iterable[str], claims: record.Claims) -> None:
        """What is in doubt nobody else gets meanwhile."""
        for uuid in self._mark(uuids, claims):
            self._parked[uuid] = claims.mdevs[uuid].origin

    def _mark(self, uuids: cabc.Iterable[str], claims: record.Claims) -> list[str]:
        """Those that were recorded as ours to hand out, which they are no more."""
        idle = claims.mdevs.keys() - claims.claims.keys()
        ours = [
            uuid
            for uuid in uuids
            if uuid in idle and claims.mdevs[uuid].origin is not _FOREIGN
        ]
        if ours:
            self._devices.engine.set_origin(ours, _FOREIGN)
        return ours
