# SPDX-License-Identifier: Apache-2.0
"""What is there, what is idle and what may still come, counted in one place.

Inventories and allocations must not differ about it, so both ask here.
"""

from __future__ import annotations

import collections
import collections.abc as cabc
import sys

from nova_generic_mdev import model
from nova_generic_mdev import policy
from nova_generic_mdev import record

# More than all parents together can say: one of them must not use it up.
_UNLIMITED = sys.maxsize


class Stock:
    """The mdevs of one look at the host, held against the record.

    An mdev *exists* for a limit when it is live, or claimed and to come back,
    or recorded as ours or found on a parent that this look left out.
    """

    def __init__(
        self,
        snapshot: model.HostSnapshot,
        claims: record.Claims,
        *,
        reuse_found: bool = True,
    ) -> None:
        self._snapshot = snapshot
        self._reuse_found = reuse_found
        self._claims = claims
        self._existing: dict[str, dict[str, str]] = collections.defaultdict(dict)
        self._live: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
        self._missing: collections.Counter[tuple[str, str]] = collections.Counter()
        self._count_live()
        self._count_recorded()

    def _count_live(self) -> None:
        for mdev in self._snapshot.mdevs.values():
            if mdev.mdev_type is not None:
                self._existing[mdev.mdev_type][mdev.uuid] = mdev.parent
                self._live[mdev.parent, mdev.mdev_type].append(mdev.uuid)

    def _count_recorded(self) -> None:
        for known in self._claims.mdevs.values():
            if self.is_live(known):
                # Again, for one whose type the kernel did not tell this time.
                self._existing[known.mdev_type][known.uuid] = known.parent
                continue
            claimed = known.uuid in self._claims.claims
            is_foreign = known.origin is record.Origin.FOREIGN
            is_left_out = known.parent not in self._snapshot.parents
            if claimed or (is_left_out and not is_foreign):
                self._existing[known.mdev_type][known.uuid] = known.parent
            if claimed:
                self._missing[known.parent, known.mdev_type] += 1

    def is_live(self, known: record.MdevRecord) -> bool:
        """Whether the mdev is there as it was recorded."""
        return known.is_live(self._snapshot.mdevs)

    def existing(self, mdev_type: str) -> cabc.Mapping[str, str]:
        """The parent of each mdev of the type that counts for a limit, by uuid."""
        return self._existing.get(mdev_type, {})

    def idle(self, parent: str, rule: policy.TypeRule) -> tuple[str, ...]:
        """Live mdevs of the rule's type there that may be handed out, by uuid."""
        live = self._live.get((parent, rule.mdev_type), ())
        return tuple(uuid for uuid in live if self._is_ours(uuid, rule))

    def _is_ours(self, uuid: str, rule: policy.TypeRule) -> bool:
        known = self._claims.mdevs.get(uuid)
        if known is None or uuid in self._claims.claims or not self.is_live(known):
            return False
        if known.origin is record.Origin.FOREIGN:
            return False
        if known.origin is record.Origin.FOUND:
            return self._reuse_found
        # With ``remove`` no tenant may see another's device: a leftover of ours
        # waits for its removal instead of for the next consumer.
        is_kept = rule.on_release is policy.OnRelease.KEEP
        return is_kept and known.is_whole

    def creatable(self, parent: str, mdev_type: str) -> int:
        """How many more the kernel would make, less those promised and missing.

        A claimed mdev that is not live yet (the host was rebooted) will take
        its place back, although the kernel still counts that place as free.
        """
        device = self._snapshot.parents.get(parent)
        kind = device.types.get(mdev_type) if device is not None else None
        if kind is None or kind.available_instances is None:
            return 0
        return max(0, kind.available_instances - self._missing[parent, mdev_type])


class Headroom:
    """What an operator's limits still allow of one type; taking uses it up."""

    def __init__(
        self, rule: policy.TypeRule, stock: Stock, snapshot: model.HostSnapshot
    ) -> None:
        existing = stock.existing(rule.mdev_type)
        self._parents = snapshot.parents
        self._per_device = rule.max_instances_per_device
        self._host_left = _left(rule.max_instances, len(existing))
        self._on_device = collections.Counter(map(self._device, existing.values()))

    def _device(self, parent: str) -> str:
        known = self._parents.get(parent)
        return known.physical_device if known is not None else parent

    def take(self, parent: str, wanted: int) -> int:
        """How many of the wanted are allowed on this parent; they are taken."""
        device = self._device(parent)
        device_left = _left(self._per_device, self._on_device[device])
        granted = min(wanted, self._host_left, device_left)
        self._host_left -= granted
        self._on_device[device] += granted
        return granted


def _left(limit: int | None, used: int) -> int:
    return _UNLIMITED if limit is None else max(0, limit - used)


def shares(
    resolution: policy.Resolution, snapshot: model.HostSnapshot, stock: Stock
) -> dict[tuple[str, str], int]:
    """How many new mdevs each (parent, mdev type) may offer.

    Limits go round in the order of the parents' names, parents that hold some
    of the type first: capacity stays where it is in use.
    """
    serving: dict[str, tuple[policy.TypeRule, list[str]]] = {}
    for parent, rules in resolution.rules.items():
        for rule in rules:
            if resolution.gives(parent, rule):
                serving.setdefault(rule.mdev_type, (rule, []))[1].append(parent)
    offered = {}
    for rule, parents in serving.values():
        headroom = Headroom(rule, stock, snapshot)
        holding = set(stock.existing(rule.mdev_type).values())
        for parent in sorted(parents, key=lambda p: (p not in holding, p)):
            wanted = stock.creatable(parent, rule.mdev_type)
            offered[parent, rule.mdev_type] = headroom.take(parent, wanted)
    return offered
