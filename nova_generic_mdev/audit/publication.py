# SPDX-License-Identifier: Apache-2.0
"""What differs between the providers that should be, and Placement's."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses

from nova_generic_mdev import inventory
from nova_generic_mdev import names
from nova_generic_mdev import providers
from nova_generic_mdev.audit import facts as factslib
from nova_generic_mdev.audit import findings
from nova_generic_mdev.audit import witnesses
from nova_generic_mdev.audit.kinds import Kind

_Wanted = cabc.Mapping[str, providers.Provider]


def find(facts: factslib.Facts) -> cabc.Iterator[findings.Finding]:
    """A finding for each kind of difference of each provider."""
    placement = facts.told.placement
    if placement is None or facts.told.claims is None or facts.told.sysfs is None:
        return
    wanted = _wanted(facts, placement)
    if placement.root not in placement.tree:
        if wanted:
            yield _finding(Kind.MISSING_PROVIDER, placement.root, 'not there')
        return
    comparison = _Comparison(facts, placement, wanted)
    for name in sorted(wanted.keys() | comparison.ours):
        yield from comparison.of(name)


def _wanted(facts: factslib.Facts, placement: witnesses.Placement) -> _Wanted:
    told = inventory.compute(
        facts.resolution,
        facts.sysfs,
        facts.claims,
        recorded=providers.recorded(
            placement.root, placement.tree.values(), facts.parents
        ),
        reuse_found=facts.policy.reuse_found,
    )
    traits = inventory.traits(facts.resolution, facts.sysfs, facts.claims)
    known = {parent: has - placement.unknown for parent, has in traits.items()}
    return providers.desired(placement.root, told, known)


class _Comparison:
    """The providers below one root, against those that are wanted there."""

    def __init__(
        self, facts: factslib.Facts, placement: witnesses.Placement, wanted: _Wanted
    ) -> None:
        self._facts = facts
        self._wanted = wanted
        self._root = placement.root
        self._above = placement.tree[placement.root].uuid
        self._held = placement.held
        self._tree = {n: self._with_allocated(p) for n, p in placement.tree.items()}
        self._foreign = {
            name
            for name in wanted.keys() & placement.tree.keys()
            if not self._is_ours(name)
        }
        self._changes = self._diff()

    @property
    def ours(self) -> frozenset[str]:
        """The providers that say that they are of a parent."""
        return frozenset(name for name in self._tree if self._is_ours(name))

    def of(self, name: str) -> cabc.Iterator[findings.Finding]:
        """All that differs about one provider, each kind once."""
        if name in self._foreign:
            yield _finding(Kind.FOREIGN_PROVIDER, name, self._tree[name].uuid)
            return
        changes = [change for change in self._changes if change.provider == name]
        kinds = dict.fromkeys(self._kind(name, change) for change in changes)
        if not kinds and name not in self._wanted and not self._is_awaited(name):
            kinds = {Kind.STALE_PROVIDER: None}
        for kind in kinds:
            yield _finding(kind, name, self._placed(name, kind), self._want(name, kind))

    def _diff(self) -> tuple[providers.Change, ...]:
        published = {
            names.provider(self._root, parent): traits
            for parent, traits in self._facts.told.published.items()
        }
        return providers.diff(
            self._root,
            {n: p for n, p in self._wanted.items() if n not in self._foreign},
            [p for n, p in self._tree.items() if n not in self._foreign],
            published,
        )

    def _is_ours(self, name: str) -> bool:
        now = self._tree[name]
        return now.parent == self._above and providers.is_marked(now.traits)

    def _with_allocated(self, now: providers.Current) -> providers.Current:
        """With the classes that must stay: held, or still asked for."""
        held = (classes.keys() for classes in self._held.get(now.name, {}).values())
        asked = self._facts.asked(now.name)
        return dataclasses.replace(now, allocated=asked.union(*held))

    def _is_awaited(self, name: str) -> bool:
        """Whether its parent is away, and the operator may still want it."""
        parent = self._facts.parent_of(name)
        is_there = parent in self._facts.sysfs.parents
        return not is_there and bool(self._facts.asked(name))

    def _kind(self, name: str, change: providers.Change) -> Kind:
        if isinstance(change, providers.CreateProvider) or name not in self._tree:
            return Kind.MISSING_PROVIDER
        if isinstance(change, providers.SetTraits):
            return Kind.TRAITS_DIFFER
        if name in self._wanted or self._is_awaited(name):
            return Kind.INVENTORY_DIFFERS
        return Kind.STALE_PROVIDER

    def _placed(self, name: str, kind: Kind) -> str:
        """What Placement has."""
        now = self._tree.get(name)
        if now is None:
            return 'not there'
        if kind is Kind.TRAITS_DIFFER:
            return ' '.join(sorted(now.traits)) or 'no traits'
        told = (
            f'{c} total={one.get("total")} reserved={one.get("reserved", 0)}'
            for c, one in sorted(now.inventories.items())
        )
        return ', '.join(told) or 'no inventory'

    def _want(self, name: str, kind: Kind) -> str:
        """What the record and the host say that it should have."""
        provider = self._wanted.get(name)
        if provider is None:
            return 'nothing wanted'
        if kind is Kind.TRAITS_DIFFER:
            return ' '.join(sorted(provider.traits))
        return ', '.join(
            f'{c} total={one.total} reserved={one.reserved}'
            for c, one in provider.inventories.items()
        )


def _finding(
    kind: Kind, name: str, placement: str, wanted: str = ''
) -> findings.Finding:
    said = findings.Said(sysfs=wanted, placement=placement)
    return findings.finding(kind, findings.What.PROVIDER, name, said)
