# SPDX-License-Identifier: Apache-2.0
"""What is to be said of the host: parents that are away, unread, or draining."""

from __future__ import annotations

import collections
import collections.abc as cabc

from nova_generic_mdev import model
from nova_generic_mdev import providers
from nova_generic_mdev import record
from nova_generic_mdev.audit import facts as factslib
from nova_generic_mdev.audit import findings
from nova_generic_mdev.audit import telling
from nova_generic_mdev.audit.kinds import Kind
from nova_generic_mdev.audit.kinds import Severity


def find(facts: factslib.Facts) -> cabc.Iterator[findings.Finding]:
    """Parents that are away, then what is unread, then what drains."""
    if facts.told.sysfs is not None:
        yield from _missing_parents(facts)
    for fault in facts.sysfs.faults:
        yield _unreadable(facts, fault, findings.Said(sysfs=fault.reason))
    for fault in facts.libvirt.devices.faults:
        yield _unreadable(facts, fault, findings.Said(libvirt=fault.reason))
    yield from _draining(facts)


def _missing_parents(facts: factslib.Facts) -> cabc.Iterator[findings.Finding]:
    awaited = _with_a_provider(facts)
    gone = (facts.claimed_on.keys() | awaited.keys()) - facts.sysfs.parents.keys()
    for parent in sorted(gone - facts.unread_parents):
        number = facts.claimed_on[parent]
        claims = f'{number} claimed' if number else telling.NOTHING
        yield findings.finding(
            Kind.MISSING_PARENT,
            findings.What.PARENT,
            parent,
            findings.Said(
                claims=claims if facts.told.claims is not None else telling.UNKNOWN,
                sysfs='not there',
                libvirt=_in_libvirt(facts, parent),
                placement=awaited.get(parent, '')
                if facts.told.placement is not None
                else telling.UNKNOWN,
            ),
            None if number else Severity.WARNING,
        )


def _with_a_provider(facts: factslib.Facts) -> dict[str, str]:
    """The providers in Placement that the operator may still want, by parent."""
    placement = facts.told.placement
    found = {}
    for name, now in placement.tree.items() if placement else ():
        parent = facts.parent_of(name)
        is_ours = parent is not None and providers.is_marked(now.traits)
        if is_ours and facts.asked(name):
            found[str(parent)] = f'provider {name}'
    return found


def _in_libvirt(facts: factslib.Facts, parent: str) -> str:
    if facts.told.libvirt is None:
        return telling.UNKNOWN
    is_there = parent in facts.libvirt.devices.parents
    return 'there' if is_there else 'not there'


def _unreadable(
    facts: factslib.Facts, fault: model.Fault, said: findings.Said
) -> findings.Finding:
    # Of one that could not be read at all nobody knows whose it is.
    is_others = fault.parent in facts.sysfs.parents and fault.parent not in facts.ours
    return findings.finding(
        Kind.UNREADABLE,
        findings.What.PATH,
        fault.where,
        said,
        Severity.INFO if is_others else None,
    )


def _draining(facts: factslib.Facts) -> cabc.Iterator[findings.Finding]:
    """Drained parents, and those with mdevs in use of types not given there."""
    left: dict[str, collections.Counter[str]] = {
        parent: collections.Counter() for parent in facts.claims.drained
    }
    for uuid, claim in facts.claims.claims.items():
        mdev = facts.claims.mdevs[uuid]
        if mdev.parent in facts.claims.drained or _is_draining(facts, mdev, claim):
            types = left.setdefault(mdev.parent, collections.Counter())
            types[mdev.mdev_type] += 1
    for parent, types in sorted(left.items()):
        told = [f'{n} of {kind} in use' for kind, n in sorted(types.items())]
        if parent in facts.claims.drained:
            told = ['drained', *(told or ['nothing in use'])]
        said = findings.Said(claims=', '.join(told))
        yield findings.finding(Kind.DRAINING, findings.What.PARENT, parent, said)


def _is_draining(
    facts: factslib.Facts, mdev: record.MdevRecord, claim: record.Claim
) -> bool:
    """Whether it is of a type that was given, and is not any more."""
    is_theirs = claim.owner is record.Owner.ACCELERATOR
    is_there = mdev.parent in facts.sysfs.parents
    return is_there and not is_theirs and not _gives(facts, mdev)


def _gives(facts: factslib.Facts, mdev: record.MdevRecord) -> bool:
    """Whether new ones of its type are given there."""
    resolution, parent = facts.resolution, mdev.parent
    return any(
        rule.mdev_type == mdev.mdev_type and resolution.gives(parent, rule)
        for rule in resolution.rules.get(parent, ())
    )
