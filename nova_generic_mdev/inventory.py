# SPDX-License-Identifier: Apache-2.0
"""What each parent offers to Placement: one inventory a class, and traits.

One formula serves independent types, types that share a pool, devices that
hold one type at a time, and cards whose virtual functions fall to 0 together:

    usable   = mine + (0 if draining, absent or unreadable, else idle + free)
    total    = usable on a pristine device, else max(usable, recorded); >= 1
    reserved = total - usable

What can be used is exact when published, ``total`` stays put while types
compete, and a parent with nothing to give shows it reserved.
"""

from __future__ import annotations

import collections
import collections.abc as cabc
import functools

import os_traits

from nova_generic_mdev import capacity
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev import record

Inventories = cabc.Mapping[str, cabc.Mapping[str, 'Inventory']]
Recorded = cabc.Mapping[str, cabc.Mapping[str, int]]


@model.value
class Inventory:
    """One inventory (Placement API, "Resource provider inventories").

    ``min_unit`` and ``step_size`` are 1, ``allocation_ratio`` is 1.0, always.
    """

    total: int
    reserved: int
    max_unit: int

    def __post_init__(self) -> None:
        if not 0 <= self.reserved <= self.total:
            raise exceptions.InvalidValue(
                'reserved', self.reserved, f'expected 0 to total ({self.total})'
            )
        # Placement refuses 0 of either, and more than its database holds.
        for field in ('total', 'max_unit'):
            number = getattr(self, field)
            if not 1 <= number <= model.MAX_COUNT:
                raise exceptions.InvalidValue(
                    field, number, f'expected 1 to {model.MAX_COUNT}'
                )

    @property
    def usable(self) -> int:
        """What consumers hold and what is left for them."""
        return self.total - self.reserved


def compute(
    resolution: policy.Resolution,
    snapshot: model.HostSnapshot,
    claims: record.Claims,
    *,
    recorded: Recorded | None = None,
    reuse_found: bool = True,
) -> Inventories:
    """The inventories of every parent that has a rule or a consumer.

    :param recorded: totals that Placement last had, by parent and class
    :returns: by the parent's name, then by resource class
    """
    return _Count(resolution, snapshot, claims, recorded or {}, reuse_found).all()


class _Count:
    """One pass over one snapshot; each method is a term of the formula."""

    def __init__(
        self,
        resolution: policy.Resolution,
        snapshot: model.HostSnapshot,
        claims: record.Claims,
        recorded: Recorded,
        reuse_found: bool,  # noqa: FBT001
    ) -> None:
        self._resolution = resolution
        self._snapshot = snapshot
        self._recorded = recorded
        self._stock = capacity.Stock(snapshot, claims, reuse_found=reuse_found)
        self._shares = capacity.shares(resolution, snapshot, self._stock)
        self._mine = holdings(claims)
        self._touched = self._touched_devices(claims)

    def all(self) -> Inventories:
        pairs = {(p, r.resource_class) for p, r in self._rules()} | self._mine.keys()
        result: dict[str, dict[str, Inventory]] = {}
        for parent, resource_class in sorted(pairs):
            if self._is_shown(parent, resource_class):
                inventory = self._inventory(parent, resource_class)
                result.setdefault(parent, {})[resource_class] = inventory
        return result

    def _rules(self) -> cabc.Iterator[tuple[str, policy.TypeRule]]:
        for parent, rules in self._resolution.rules.items():
            for rule in rules:
                yield parent, rule

    def _is_shown(self, parent: str, resource_class: str) -> bool:
        """Unreadable and never published: there is nothing to say of it yet."""
        return (
            (parent, resource_class) in self._mine
            or resource_class in self._recorded.get(parent, {})
            or self._readable(parent, resource_class)
        )

    def _inventory(self, parent: str, resource_class: str) -> Inventory:
        mine = sum(self._mine.get((parent, resource_class), {}).values())
        # A driver without a limit of its own says the largest number there is.
        usable = min(mine + self._on_offer(parent, resource_class), model.MAX_COUNT)
        total = max(1, usable)
        if not self._pristine(parent, resource_class):
            total = max(total, self._recorded.get(parent, {}).get(resource_class, 0))
        limit = self._limit(parent, resource_class)
        if limit is not None:
            total = min(total, max(limit, usable, 1))
        # No holding is larger than this: total >= usable >= mine.
        return Inventory(total=total, reserved=total - usable, max_unit=total)

    def _limit(self, parent: str, resource_class: str) -> int | None:
        """The limit of what serves the class there, or of what drains it."""
        rules = self._resolution.rules.get(parent, ())
        of_class = [rule for rule in rules if rule.resource_class == resource_class]
        serving = self._resolution.serving(parent, resource_class)
        if serving is None and len(of_class) == 1:
            serving = of_class[0]
        return serving.limit if serving is not None else None

    def _on_offer(self, parent: str, resource_class: str) -> int:
        """``idle + free`` of the one rule of the class that is not draining."""
        rule = self._resolution.rule(parent, resource_class)
        if rule is None or not self._readable(parent, resource_class):
            return 0
        idle = len(self._stock.idle(parent, rule))
        return idle + self._shares[parent, rule.mdev_type]

    def _readable(self, parent: str, resource_class: str) -> bool:
        """Whether the kernel told the count of what serves the class there.

        A draining type does not count, unless nothing else is of the class.  That
        the parent is drained says nothing of what the kernel told.
        """
        device = self._snapshot.parents.get(parent)
        rules = self._resolution.rules.get(parent, ())
        fitting = [rule for rule in rules if rule.resource_class == resource_class]
        serving = [rule for rule in fitting if not rule.drain]
        return device is not None and all(
            rule.mdev_type in device.types
            and device.types[rule.mdev_type].available_instances is not None
            for rule in serving or fitting
        )

    def _pristine(self, parent: str, resource_class: str) -> bool:
        device = self._snapshot.parents.get(parent)
        return (
            device is not None
            and device.physical_device not in self._touched
            and self._readable(parent, resource_class)
        )

    def _touched_devices(self, claims: record.Claims) -> set[str]:
        """Physical devices that have an mdev or a claim, of anybody."""
        parents = {mdev.parent for mdev in self._snapshot.mdevs.values()}
        parents |= {claims.mdevs[uuid].parent for uuid in claims.claims}
        known = self._snapshot.parents
        return {known[p].physical_device if p in known else p for p in parents}


def holdings(
    claims: record.Claims,
) -> dict[tuple[str, str], collections.Counter[str]]:
    """How many each of Placement's consumers holds, by (parent, class)."""
    held: dict[tuple[str, str], collections.Counter[str]] = {}
    for claim in claims.claims.values():
        if claim.owner is record.Owner.PLACEMENT:
            key = (claims.mdevs[claim.uuid].parent, claim.resource_class)
            held.setdefault(key, collections.Counter())[claim.consumer] += 1
    return held


def traits(
    resolution: policy.Resolution, snapshot: model.HostSnapshot, claims: record.Claims
) -> cabc.Mapping[str, frozenset[str]]:
    """The traits of every parent that has a rule or a consumer, by its name."""
    result: dict[str, set[str]] = collections.defaultdict(set)
    for parent, rules in resolution.rules.items():
        for rule in rules:
            result[parent] |= {t for t in rule.traits if names.is_trait(t)}
            result[parent] |= _type_traits(snapshot.parents[parent], rule.mdev_type)
    for uuid, claim in claims.claims.items():
        # An accelerator's is nothing that this provider has to give.
        if claim.owner is not record.Owner.ACCELERATOR:
            known = claims.mdevs[uuid]
            result[known.parent].add(names.type_trait(known.mdev_type))
    return {parent: frozenset(found | _OWNER) for parent, found in result.items()}


_OWNER = frozenset({os_traits.OWNER_NOVA} if hasattr(os_traits, 'OWNER_NOVA') else ())


def _type_traits(parent: model.Parent, mdev_type: str) -> frozenset[str]:
    kind = parent.types[mdev_type]
    return _traits_of(mdev_type, kind.name, kind.device_api)


@functools.lru_cache(maxsize=1024)
def _traits_of(
    mdev_type: str, name: str | None, device_api: str | None
) -> frozenset[str]:
    found = {names.type_trait(mdev_type)}
    if name:
        found.add(names.name_trait(name))
    if device_api:
        found.add(names.api_trait(device_api))
    return frozenset(found)
