# SPDX-License-Identifier: Apache-2.0
"""Gives a consumer what it was promised: decided whole, then carried out."""

from __future__ import annotations

import collections.abc as cabc
import uuid as uuidlib

from nova_generic_mdev import allocation
from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record
from nova_generic_mdev.engine import giving
from nova_generic_mdev.engine import locking

_Requests = cabc.Collection[allocation.Request]
_Rules = cabc.Collection[policylib.TypeRule]


def allocate(
    host: hostlib.Host,
    store: claimslib.ClaimStore,
    policy: policylib.Policy,
    consumer: str,
    requests: _Requests,
    owner: record.Owner,
    migration: str | None,
) -> tuple[giving.Device, ...]:
    """See :meth:`.Engine.allocate`."""
    limited = _limited(policy, requests)
    parents = {request.parent for request in requests}
    counted = {rule.mdev_type for rule in limited if rule.max_instances}
    with (
        locking.consumers(store, consumer),
        locking.devices(host, store, parents, counted),
    ):
        known = store.load(_scope(consumer, requests, limited))
        snapshot = host.snapshot(_to_look_at(requests, limited, known))
        steps = allocation.plan(
            consumer,
            requests,
            policylib.rules_on(policy, snapshot.parents.values(), known.drained),
            snapshot,
            known,
            reuse_found=policy.reuse_found,
        )
        gifts = [_gift(step, known) for step in steps]
        given = giving.Giving(host, store, gifts, known)
        return given.carry_out(consumer, owner, migration)


def _limited(policy: policylib.Policy, requests: _Requests) -> _Rules:
    """The rules with a limit that may serve these requests."""
    asked = {request.resource_class for request in requests}
    return tuple(
        rule
        for rule in policy.rules
        if rule.limit is not None and rule.resource_class in asked
    )


def _scope(consumer: str, requests: _Requests, limited: _Rules) -> record.Scope:
    """The part of the record that an allocation is decided on."""
    return record.Scope(
        consumer=consumer,
        parents=frozenset(request.parent for request in requests),
        mdev_types=frozenset(rule.mdev_type for rule in limited),
    )


def _to_look_at(requests: _Requests, limited: _Rules, known: record.Claims) -> set[str]:
    """The parents asked for, and those that tell how much of a limit is left.

    What is claimed counts wherever it is; what is not claimed counts if it is
    still there; and a limit per device needs to know the device of each.  What is
    foreign and nobody's counts where it is seen, as what is not known at all.
    """
    per_device = {r.mdev_type: bool(r.max_instances_per_device) for r in limited}
    counted = {
        mdev.parent
        for mdev in known.mdevs.values()
        if mdev.mdev_type in per_device
        and (mdev.uuid in known.claims or mdev.origin is not record.Origin.FOREIGN)
        and (per_device[mdev.mdev_type] or mdev.uuid not in known.claims)
    }
    return counted | {request.parent for request in requests}


def _gift(step: allocation.Step, known: record.Claims) -> giving.Gift:
    made = step if isinstance(step, allocation.Create) else None
    before = known.mdevs.get(step.uuid or '')
    return giving.Gift(
        known=before
        or record.MdevRecord(
            uuid=str(uuidlib.uuid4()),
            parent=step.parent,
            mdev_type=step.mdev_type,
            origin=record.Origin.CREATED,
            attributes=made.attributes if made else (),
        ),
        resource_class=step.resource_class,
        make=made is not None,
        held=step.held,
        why=step.why,
    )
