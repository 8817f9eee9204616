# SPDX-License-Identifier: Apache-2.0
"""What differs between what is claimed for consumers, and what they hold.

What the command line, or an accelerator service, claimed is outside Placement.
"""

from __future__ import annotations

import collections
import collections.abc as cabc

from nova_generic_mdev import record
from nova_generic_mdev.audit import facts as factslib
from nova_generic_mdev.audit import findings
from nova_generic_mdev.audit import telling
from nova_generic_mdev.audit.kinds import Kind

_NONE: factslib.Counts = collections.Counter()


def find(facts: factslib.Facts) -> cabc.Iterator[findings.Finding]:
    """A finding for each consumer that has more, or less, than it should.

    Who lacks what another has too much of may be its heir: a migration, or the
    server itself.  Not a guest here that names nothing of one that is gone.
    """
    if facts.told.claims is None or facts.told.placement is None:
        return
    lacking = {c: left for c in facts.held if (left := lacks(facts, c))}
    for consumer in sorted(facts.promised):
        surplus = has_too_many(facts, consumer)
        gone = is_gone(facts, consumer)
        heirs = sorted(
            heir
            for heir in lacking
            if lacking[heir] & surplus and not (gone and heir in facts.guests)
        )
        for heir in heirs:
            lacking[heir] -= surplus
        if heirs:
            yield _moved(facts, consumer, heirs)
        elif surplus:
            kind = Kind.STALE_CLAIM if gone else Kind.DEVICE_WITHOUT_ALLOCATION
            yield _finding(facts, kind, consumer)
    for consumer in sorted(c for c, left in lacking.items() if +left):
        known = consumer in facts.guests or _has_claims(facts, consumer)
        kind = Kind.ALLOCATION_WITHOUT_DEVICE if known else Kind.UNKNOWN_CONSUMER
        yield _finding(facts, kind, consumer)


def lacks(facts: factslib.Facts, consumer: str) -> factslib.Counts:
    """What a consumer holds in Placement, and has no claim for."""
    return facts.held.get(consumer, _NONE) - facts.promised.get(consumer, _NONE)


def has_too_many(facts: factslib.Facts, consumer: str) -> factslib.Counts:
    """What is claimed for a consumer, and it does not hold in Placement."""
    return facts.promised.get(consumer, _NONE) - facts.held.get(consumer, _NONE)


def is_gone(facts: factslib.Facts, consumer: str) -> bool:
    """Whether all say that nobody needs what is claimed for a consumer.

    It holds nothing here; it is no guest here, and no guest names what it has.
    """
    if not facts.has_all_guests or facts.told.placement is None:
        return False
    if +facts.held.get(consumer, _NONE) or consumer in facts.guests:
        return False
    mine = facts.claims.of(consumer)
    return not any(claim.uuid in facts.users for claim in mine)


def may_be_released(facts: factslib.Facts, consumer: str) -> bool:
    """Whether one that is gone can be released by us.

    Not what a live migration brings: only Nova knows whether that is over.
    """
    return is_gone(facts, consumer) and all(
        claim.owner is record.Owner.PLACEMENT
        and claim.state is not record.ClaimState.PENDING
        and claim.migration is None
        for claim in facts.claims.of(consumer)
    )


def _has_claims(facts: factslib.Facts, consumer: str) -> bool:
    return bool(facts.claims.of(consumer))


def _moved(
    facts: factslib.Facts, consumer: str, heirs: cabc.Iterable[str]
) -> findings.Finding:
    told = (f'{heir}: {telling.amounts(facts.held[heir])}' for heir in heirs)
    return _finding(facts, Kind.CONSUMER_DIFFERS, consumer, '; '.join(told))


def _finding(
    facts: factslib.Facts, kind: Kind, consumer: str, placement: str | None = None
) -> findings.Finding:
    said = telling.of_consumer(facts, consumer)
    return findings.finding(
        kind,
        findings.What.CONSUMER,
        consumer,
        findings.Said(
            claims=said.claims,
            libvirt=said.libvirt,
            placement=said.placement if placement is None else placement,
        ),
    )
