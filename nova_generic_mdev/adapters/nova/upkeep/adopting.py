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
"""

from __future__ import annotations

import collections
import collections.abc as cabc
import dataclasses

from nova_generic_mdev import model
from nova_generic_mdev import record
from nova_generic_mdev.adapters.nova.upkeep import consumers
from nova_generic_mdev.adapters.nova.upkeep import matching


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
class Promised:
    """What Placement and Nova tell of one guest's server.

    :param held: what the server and its migrations hold here, by consumer
    :param known: these, as Nova knows them
    :param root: the host's own provider: Nova before Stein had a server's devices
        there, and moves them after our start
    :param accelerators: mdevs that its accelerator requests name
    """

    held: consumers.Held
    known: consumers.Known
    root: str = ''
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


def parents_of(mdevs: cabc.Iterable[str], host: matching.Host) -> frozenset[str]:
    """The parents that these mdevs are on."""
    there = (matching.where(uuid, host) for uuid in mdevs)
    return frozenset(mdev.parent for mdev in there if mdev is not None)


def decide(
    guest: str, mdevs: cabc.Sequence[str], host: matching.Host, promised: Promised
) -> Adoption:
    """What becomes of a guest's orphans; all parents of theirs were asked about.

    :param mdevs: in the order of the guest's XML
    """
    missing = tuple(uuid for uuid in mdevs if matching.where(uuid, host) is None)
    foreign = [u for u in mdevs if u in promised.accelerators and u not in missing]
    left = [u for u in mdevs if u not in missing and u not in foreign]
    classes: dict[str, dict[str, str]] = {}
    doubts = []
    for parent in sorted(parents_of(left, host)):
        here = [u for u in left if matching.parent_of(u, host) == parent]
        try:
            holder, amounts = _lacks(guest, parent, host.claims, promised)
            if not amounts and promised.root:
                holder, amounts = _lacks_on_root(guest, host.claims, promised, classes)
            taken = matching.matched(here, amounts, parent, host)
        except matching.Doubt as e:
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


def _lacks(
    guest: str, where: str, claims: record.Claims, promised: Promised
) -> tuple[str, matching.Amounts]:
    """The consumer that a guest's mdevs are of, and what it lacks on a provider."""
    family = {
        consumer: promised.known.get(consumer)
        for consumer in promised.held
        if consumers.server_of(consumer, promised.known) == guest
        and any(there == where for there, _ in +promised.held[consumer])
    }
    holders = sorted(family)
    if guest in family:
        moves = [who for who in family.values() if isinstance(who, consumers.Move)]
        # A resize on this host: the guest is the new one only when that is done.
        if any(move.status != consumers.FINISHED for move in moves):
            raise matching.Doubt(
                f'its server is being resized here: {", ".join(holders)} hold'
            )
        holders = [guest]
    if len(holders) > 1:
        raise matching.Doubt(f'several migrations hold it: {", ".join(holders)}')
    if not holders:
        return guest, {}
    holder, who = holders[0], family[holders[0]]
    amounts = promised.held[holder].copy()
    if isinstance(who, consumers.Move) and who.kind == consumers.LIVE:
        # While a guest is migrated live, what it has here stays under its name.
        holder = guest
    amounts.subtract(consumers.claimed(holder, claims))
    return holder, {c: n for (there, c), n in (+amounts).items() if there == where}


def _lacks_on_root(
    guest: str,
    claims: record.Claims,
    promised: Promised,
    taken: cabc.Mapping[str, cabc.Mapping[str, str]],
) -> tuple[str, matching.Amounts]:
    """The same on the host's own provider, which says nothing of parents.

    :param taken: what was found so far, by consumer and mdev
    """
    holder, lacks = _lacks(guest, promised.root, claims, promised)
    had = collections.Counter(taken.get(holder, {}).values())
    for (_, resource_class), amount in consumers.claimed(holder, claims).items():
        had[resource_class] += amount
    return holder, dict(collections.Counter(lacks) - had)
