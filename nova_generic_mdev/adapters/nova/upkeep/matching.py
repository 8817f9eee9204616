# SPDX-License-Identifier: Apache-2.0
"""Which of a guest's mdevs are those that Placement says it has."""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import model
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record

# By class, what is still to be found on one parent.
Amounts = dict[str, int]


class Doubt(Exception):
    """Nobody can tell for now."""


@model.value
class Host:
    """What the host, the record and the configuration tell of mdevs.

    :param rules: on each parent
    """

    snapshot: model.HostSnapshot
    claims: record.Claims
    rules: cabc.Mapping[str, tuple[policylib.TypeRule, ...]]


def matched(
    mdevs: cabc.Sequence[str], lacks: Amounts, parent: str, host: Host
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
        by_rule = given.get(type_of(uuid, host) or '')
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
        raise Doubt(
            f'Placement says that it has {wanted} on {parent}, and which of '
            f'{", ".join(unruled)} that is no rule tells; enable their types'
        )
    return found | dict.fromkeys(unruled, resource_class)


def where(uuid: str, host: Host) -> model.Mdev | record.MdevRecord | None:
    """What is known of an mdev: by the kernel, or by our record."""
    return host.snapshot.mdevs.get(uuid) or host.claims.mdevs.get(uuid)


def parent_of(uuid: str, host: Host) -> str | None:
    """The parent that an mdev is on."""
    there = where(uuid, host)
    return there.parent if there is not None else None


def type_of(uuid: str, host: Host) -> str | None:
    """What type it is."""
    there = where(uuid, host)
    return there.mdev_type if there is not None else None
