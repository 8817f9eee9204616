# SPDX-License-Identifier: Apache-2.0
"""Whose the mdevs are that a guest has and nobody claimed: decided, not done.

Such a guest is older than our record: Nova's own driver made it.  Its mdevs
become claims, as far as Placement says that its server has them: of the class
that Placement says, on that parent, and no more of them than that.  What a guest
has beyond that came from elsewhere, from an accelerator service mostly, and is
nobody's to hand out.

Without Placement nothing is adopted.  The rules alone would do for most guests,
but a wrong claim is worse than a late one: the guest has its mdev anyway.

Where the guest's mdevs are more than Placement says, those come first that the
guest's XML names first: Nova's driver writes a flavor's before an accelerator's,
and libvirt keeps the order.

This module needs no Nova.
"""

from __future__ import annotations

import collections.abc as cabc
import dataclasses

from nova_generic_mdev import model
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record
from nova_generic_mdev.adapters.nova import consumers


@model.value
class Guests:
    """The mdevs that guests have by their XML, running or not.

    :param mdevs: in the order of the XML, by the guest's uuid
    :param unread: why the XML of a guest could not be read, by its uuid
    """

    mdevs: cabc.Mapping[str, tuple[str, ...]]
    unread: cabc.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def users(self) -> cabc.Mapping[str, str] | None:
        """The guest that has each mdev; None: one that was not read may have any."""
        if self.unread:
            return None
        return {u: guest for guest, mdevs in self.mdevs.items() for u in mdevs}


@model.value
class Host:
    """What the host, the record and the configuration tell of mdevs.

    :param rules: on each parent
    """

    snapshot: model.HostSnapshot
    claims: record.Claims
    rules: cabc.Mapping[str, tuple[policylib.TypeRule, ...]]


@model.value
class Promised:
    """What Placement and Nova tell of one guest's server.

    :param held: what the server and its migrations hold here, by consumer
    :param known: these, as Nova knows them
    :param accelerators: mdevs that its accelerator requests name
    """

    held: consumers.Held
    known: consumers.Known
    accelerators: frozenset[str] = frozenset()


@model.value
class Adoption:
    """What becomes of one guest's unclaimed mdevs.

    :param classes: the resource class of each that becomes a claim, by consumer
        and mdev
    :param foreign: those that are not its server's by Placement
    :param missing: those that are not on the host
    :param doubt: why some can be told neither way for now
    """

    classes: cabc.Mapping[str, cabc.Mapping[str, str]]
    foreign: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    doubt: str | None = None


def orphans(
    guests: cabc.Mapping[str, tuple[str, ...]],
    claims: record.Claims,
    doubtful: cabc.Container[str] = (),
) -> dict[str, tuple[str, ...]]:
    """By guest, the mdevs in its XML that nobody claimed and that may be its own.

    :param doubtful: mdevs that count as foreign only as long as nobody can tell
    """
    found = {
        guest: tuple(u for u in mdevs if u in doubtful or _is_orphan(u, claims))
        for guest, mdevs in sorted(guests.items())
    }
    return {guest: mdevs for guest, mdevs in found.items() if mdevs}


def _is_orphan(uuid: str, claims: record.Claims) -> bool:
    known = claims.mdevs.get(uuid)
    is_foreign = known is not None and known.origin is record.Origin.FOREIGN
    return uuid not in claims.claims and not is_foreign


def is_promised(guest: str, promised: Promised) -> bool:
    """Whether a guest's server has anything at all on the parents in question."""
    return any(
        consumers.server_of(consumer, promised.known) == guest
        for consumer in promised.held
    )


def parents_of(mdevs: cabc.Iterable[str], host: Host) -> frozenset[str]:
    """The parents that these mdevs are on."""
    there = (_where(uuid, host) for uuid in mdevs)
    return frozenset(mdev.parent for mdev in there if mdev is not None)


def decide(
    guest: str, mdevs: cabc.Sequence[str], host: Host, promised: Promised
) -> Adoption:
    """What becomes of a guest's orphans; all parents of theirs were asked about.

    :param mdevs: in the order of the guest's XML
    """
    missing = tuple(uuid for uuid in mdevs if _where(uuid, host) is None)
    foreign = [u for u in mdevs if u in promised.accelerators and u not in missing]
    left = [u for u in mdevs if u not in missing and u not in foreign]
    classes: dict[str, dict[str, str]] = {}
    doubts = []
    for parent in sorted(parents_of(left, host)):
        here = [u for u in left if _parent(u, host) == parent]
        try:
            holder, amounts = _holder(guest, parent, host.claims, promised)
            taken = _matched(here, amounts, parent, host)
        except _Doubt as e:
            doubts.append(str(e))
            continue
        if taken:
            classes.setdefault(holder, {}).update(taken)
        foreign += [uuid for uuid in here if uuid not in taken]
    return Adoption(
        classes=classes,
        foreign=tuple(foreign),
        missing=missing,
        doubt='; '.join(doubts) or None,
    )


class _Doubt(Exception):
    """Nobody can tell for now."""


# By class, what is still to be found on one parent.
_Amounts = dict[str, int]


def _holder(
    guest: str, parent: str, claims: record.Claims, promised: Promised
) -> tuple[str, _Amounts]:
    """The consumer that a guest's mdevs on a parent are of, and what it lacks."""
    family = {
        consumer: promised.known.get(consumer)
        for consumer in promised.held
        if consumers.server_of(consumer, promised.known) == guest
        and any(where == parent for where, _ in +promised.held[consumer])
    }
    holders = sorted(family)
    if guest in family:
        moves = [who for who in family.values() if isinstance(who, consumers.Move)]
        # A resize on this host: the guest is the new one only when that is done.
        if any(move.status != consumers.FINISHED for move in moves):
            raise _Doubt(f'its server is being resized here: {", ".join(holders)} hold')
        holders = [guest]
    if len(holders) > 1:
        raise _Doubt(f'several migrations hold it: {", ".join(holders)}')
    if not holders:
        return guest, {}
    holder, who = holders[0], family[holders[0]]
    amounts = promised.held[holder].copy()
    if isinstance(who, consumers.Move) and who.kind == consumers.LIVE:
        # While a guest is migrated live, what it has here stays under its name.
        holder = guest
    amounts.subtract(consumers.claimed(holder, claims))
    return holder, {c: n for (where, c), n in (+amounts).items() if where == parent}


def _matched(
    mdevs: cabc.Sequence[str], lacks: _Amounts, parent: str, host: Host
) -> dict[str, str]:
    """The class of each mdev of one parent that is within what Placement says.

    First by the rule of its type; the configuration may have changed since, so
    then by number, where that leaves no choice.
    """
    left = dict(lacks)
    found: dict[str, str] = {}
    given = {rule.mdev_type: rule.resource_class for rule in host.rules.get(parent, ())}
    unruled = []
    for uuid in mdevs:
        by_rule = given.get(_type(uuid, host) or '')
        if by_rule not in lacks:
            unruled.append(uuid)
        elif left[by_rule] > 0:
            left[by_rule] -= 1
            found[uuid] = by_rule
    wanted = {c: n for c, n in left.items() if n > 0}
    if not unruled or not wanted:
        return found
    (resource_class, amount), *others = wanted.items()
    if others or len(unruled) > amount:
        raise _Doubt(
            f'Placement says that it has {wanted} on {parent}, and which of '
            f'{", ".join(unruled)} that is no rule tells; enable their types'
        )
    return found | dict.fromkeys(unruled, resource_class)


def _where(uuid: str, host: Host) -> model.Mdev | record.MdevRecord | None:
    return host.snapshot.mdevs.get(uuid) or host.claims.mdevs.get(uuid)


def _parent(uuid: str, host: Host) -> str | None:
    there = _where(uuid, host)
    return there.parent if there is not None else None


def _type(uuid: str, host: Host) -> str | None:
    there = _where(uuid, host)
    return there.mdev_type if there is not None else None
