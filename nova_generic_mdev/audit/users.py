# SPDX-License-Identifier: Apache-2.0
"""What differs between whose an mdev is, and which guest's XML names it."""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import record
from nova_generic_mdev.audit import facts as factslib
from nova_generic_mdev.audit import findings
from nova_generic_mdev.audit import telling
from nova_generic_mdev.audit.kinds import Kind
from nova_generic_mdev.audit.kinds import Severity


def find(facts: factslib.Facts) -> cabc.Iterator[findings.Finding]:
    """Mdevs with two users, and guests without theirs; guests that are not read.

    A guest may have what is claimed for another uuid: that of a migration, say,
    or whichever one was given on the command line.
    """
    for uuid in sorted(facts.users.keys() | facts.claims.claims.keys()):
        kind = _kind(facts, uuid)
        if kind is not None:
            yield findings.finding(
                kind,
                findings.What.MDEV,
                uuid,
                telling.of_mdev(facts, uuid),
                _severity(facts, uuid, kind),
            )
    for name, reason in facts.libvirt.unread.items():
        yield findings.finding(
            Kind.UNREADABLE_GUEST,
            findings.What.GUEST,
            name,
            findings.Said(libvirt=reason),
        )


def _kind(facts: factslib.Facts, uuid: str) -> Kind | None:
    users = facts.users.get(uuid, [])
    claim = facts.claims.claims.get(uuid)
    if len(users) > 1:
        return Kind.DOUBLE_ASSIGNMENT
    owner = facts.guests.get(claim.consumer) if claim is not None else None
    if claim is None or owner is None:
        return None
    if users:
        return Kind.DOUBLE_ASSIGNMENT if users != [owner] else None
    # One that is on its way has its guest only when that has come.
    is_due = claim.state is not record.ClaimState.PENDING and claim.migration is None
    return Kind.GUEST_WITHOUT_DEVICE if is_due else None


def _severity(facts: factslib.Facts, uuid: str, kind: Kind) -> Severity | None:
    """One that is shut off gets its XML anew when it starts."""
    claim = facts.claims.claims.get(uuid)
    if kind is Kind.GUEST_WITHOUT_DEVICE and claim is not None:
        running = facts.guests[claim.consumer].running
        return None if running else Severity.WARNING
    return None
