# SPDX-License-Identifier: Apache-2.0
"""Which claims are nobody's any more, or somebody else's: decided, not done.

Nova tells its driver when a guest ends; the sweep mends what nobody told:

==============================================  ===============================
what happened                                   what mends it
==============================================  ===============================
a server was deleted while nova-compute was     Release, once its domain is gone
down; it was evacuated from here; a release
failed, since something still used the mdev
a live migration to here ended early            Release: it holds nothing here,
                                                and the migration is over
a resize failed: Placement gave back to the     Rekey, from the migration to
instance what the migration held                the instance
nova-compute ended between Placement's move     Rekey, from the instance to the
of an allocation to the migration and ours      migration
the in-tree driver ran meanwhile, and gave the  Rekey to the server whose guest
mdev to another server                          has it
==============================================  ===============================

A claim that was kept in vain costs some capacity until somebody looks; one that
was released in vain costs a server its devices.  So everything has to say that
nobody needs it: libvirt, Placement and Nova.  In doubt it is kept.

First :func:`suspects`, from what is known here; then Nova is asked about those,
and Placement about those without an :func:`excuse`; then :func:`strangers`; then
:func:`decide`.
"""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import model
from nova_generic_mdev import record
from nova_generic_mdev.adapters.nova.upkeep import consumers


@model.value
class Release:
    """Nobody needs what this consumer has."""

    consumer: str


@model.value
class Rekey:
    """What this consumer has is another one's by now."""

    consumer: str
    to: str


@model.value
class Keep:
    """What this consumer has stays as it is.

    :param odd: it should not be so; the operator may have to look
    """

    consumer: str
    reason: str
    odd: bool = False


Step = Release | Rekey | Keep


@model.value
class Evidence:
    """What is known of the suspects; see :mod:`~.consumers`.

    :param busy: instances that something is, or was meanwhile, under way for here
    :param node: what Nova calls this host
    :param known: the suspects, the migrations that bring them here, the servers
        of both, and the strangers
    :param held: what each of Placement's consumers holds here of our classes; all
        of it for a suspect, for others what is on the suspects' parents
    :param guests: the uuid of the guest that has an mdev in its XML, by the
        mdev's; None where a guest's could not be read
    """

    busy: cabc.Set[str]
    node: str
    known: consumers.Known
    held: consumers.Held
    guests: cabc.Mapping[str, str] | None = None


def suspects(
    claims: record.Claims, domains: cabc.Set[str], busy: cabc.Set[str]
) -> tuple[str, ...]:
    """The consumers that may be gone: Placement's, without a domain of their own.

    A claim whose effect is not done is not swept but reconciled.
    """
    placements = {c for c in claims.claims.values() if _is_placements(c)}
    pending = {c.consumer for c in placements if c.state is record.ClaimState.PENDING}
    return tuple(sorted({c.consumer for c in placements} - pending - domains - busy))


def markers(consumer: str, claims: record.Claims) -> frozenset[str]:
    """The live migrations that bring a consumer here."""
    return frozenset(c.migration for c in claims.of(consumer) if c.migration)


def excuse(
    consumer: str,
    claims: record.Claims,
    known: consumers.Known,
    busy: cabc.Set[str],
    node: str,
) -> str | None:
    """Why a suspect is none, as Nova tells; None: Placement has to be asked."""
    server = consumers.server_of(consumer, known)
    if not busy.isdisjoint({consumer, server}):
        return 'an operation on it is under way here'
    for uuid in sorted({consumer} | markers(consumer, claims)):
        move = known.get(uuid)
        if isinstance(move, consumers.Move) and not move.is_over:
            return f'migration {uuid} is {move.status}'
    told = known.get(server)
    if not isinstance(told, consumers.Server) or told.deleted:
        return None
    if told.task_state is not None:
        return f'server {server} is {told.task_state}'
    if consumer == server and told.node == node:
        return 'Nova says that it is on this host'
    return None


def strangers(
    suspected: cabc.Iterable[str], claims: record.Claims, held: consumers.Held
) -> frozenset[str]:
    """Who holds more than it has claimed, just of what a suspect has.

    What the suspect has may be theirs; Nova has to say who they are.
    """
    return frozenset(
        heir for consumer in suspected for heir in _heirs(consumer, claims, held)
    )


def decide(
    suspected: cabc.Iterable[str], claims: record.Claims, evidence: Evidence
) -> tuple[Step, ...]:
    """One step for each suspect."""
    steps: list[Step] = []
    served: set[str] = set()
    for consumer in suspected:
        step = _decide(consumer, claims, evidence)
        if isinstance(step, Rekey) and step.to in served:
            # What it holds may be covered by the one before.
            step = Keep(consumer=consumer, reason=f'{step.to} got some just now')
        if isinstance(step, Rekey):
            served.add(step.to)
        steps.append(step)
    return tuple(steps)


def _decide(consumer: str, claims: record.Claims, evidence: Evidence) -> Step:
    told = excuse(consumer, claims, evidence.known, evidence.busy, evidence.node)
    if told is not None:
        return Keep(consumer=consumer, reason=told)
    if consumer not in evidence.held:
        return Keep(consumer=consumer, reason='Placement was not asked', odd=True)
    if +evidence.held[consumer]:
        amounts = consumers.total(evidence.held[consumer])
        return Keep(consumer=consumer, reason=f'Placement says that it has {amounts}')
    return _inherited(consumer, claims, evidence) or _unneeded(
        consumer, claims, evidence
    )


def _inherited(consumer: str, claims: record.Claims, evidence: Evidence) -> Step | None:
    """The step where Placement says that another one has it by now."""
    heirs = _heirs(consumer, claims, evidence.held)
    server = consumers.server_of(consumer, evidence.known)
    kin = [h for h in heirs if consumers.server_of(h, evidence.known) == server]
    if kin:
        fitting = [h for h in kin if heirs[h] >= consumers.claimed(consumer, claims)]
        if len(fitting) == 1:
            return Rekey(consumer=consumer, to=fitting[0])
        told = ', '.join(kin)
        return Keep(consumer=consumer, reason=f'it may be of {told}', odd=True)
    unknown = sorted(heirs.keys() - evidence.known.keys())
    if unknown:
        told = ', '.join(unknown)
        return Keep(
            consumer=consumer,
            reason=f'it may be of {told}, which has allocations and which Nova does '
            'not know; see "nova-manage placement audit"',
            odd=True,
        )
    return None


def _unneeded(consumer: str, claims: record.Claims, evidence: Evidence) -> Step:
    """The step where Placement has nothing: then no guest may have it, either."""
    if evidence.guests is None:
        reason = 'nobody can tell whether a guest has it'
        return Keep(consumer=consumer, reason=reason, odd=True)
    mine = [c.uuid for c in claims.of(consumer) if _is_placements(c)]
    users = {evidence.guests[uuid] for uuid in mine if uuid in evidence.guests}
    if not users:
        return Release(consumer=consumer)
    heirs = _heirs(consumer, claims, evidence.held)
    (user, *others) = sorted(users)
    if not others and all(uuid in evidence.guests for uuid in mine):
        wanted = consumers.claimed(consumer, claims)
        if user in heirs and heirs[user] >= wanted:
            return Rekey(consumer=consumer, to=user)
    told = ', '.join(sorted(users))
    return Keep(consumer=consumer, reason=f'it is in the guest of {told}', odd=True)


def _heirs(
    consumer: str, claims: record.Claims, held: consumers.Held
) -> dict[str, consumers.Amounts]:
    """Others that hold more than they claimed of what a consumer has."""
    wanted = consumers.claimed(consumer, claims)
    heirs = {}
    for other in sorted(held.keys() - {consumer}):
        more = consumers.missing(other, held, claims) & wanted
        if more:
            heirs[other] = more
    return heirs


def _is_placements(claim: record.Claim) -> bool:
    return claim.owner is record.Owner.PLACEMENT
