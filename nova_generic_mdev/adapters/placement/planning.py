# SPDX-License-Identifier: Apache-2.0
"""Look at Placement, and decide what has to change there; changes nothing."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses

from nova_generic_mdev import exceptions
from nova_generic_mdev import inventory
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import providers
from nova_generic_mdev import record
from nova_generic_mdev.adapters.placement import client as placement
from nova_generic_mdev.adapters.placement import reading
from nova_generic_mdev.adapters.placement import steps

_CUSTOM = 'CUSTOM_'


@model.value
class Host:
    """One look at the host, and what is wanted of it.

    :param published: by parent, the traits that we last gave its provider
    """

    policy: policylib.Policy
    resolution: policylib.Resolution
    snapshot: model.HostSnapshot
    claims: record.Claims
    published: cabc.Mapping[str, frozenset[str]]

    @property
    def parents(self) -> frozenset[str]:
        """All parents that are known by name."""
        claimed = {mdev.parent for mdev in self.claims.mdevs.values()}
        return frozenset(claimed | self.snapshot.parents.keys() | self.published.keys())


@model.value
class Plan:
    """What has to be done, on what, and for what.

    :param tree: the root and what is below it, by name
    :param wanted: by name
    :param unknown: standard traits that this Placement does not know
    :param strangers: what has the name of one of ours and is not ours; it stays,
        and the others are planned all the same
    """

    tree: cabc.Mapping[str, providers.Current]
    wanted: cabc.Mapping[str, providers.Provider]
    steps: tuple[steps.Step, ...]
    unknown: frozenset[str] = frozenset()
    strangers: tuple[exceptions.InvalidValue, ...] = ()


class Planner:
    """Plans for one root, as often as needed.

    :param root: name of the compute node's provider
    :param create_root: whether it may be made
    """

    def __init__(
        self, client: placement.Client, root: str, *, create_root: bool = False
    ) -> None:
        self._client = client
        self._root = root
        self._create_root = create_root
        #: providers that were made in this run, and may have no trait yet
        self.made: set[str] = set()
        #: what Placement would not take away: (provider, class or None for all)
        self.in_use: set[tuple[str, str | None]] = set()
        self._known: dict[str, bool] = {}

    def plan(self, host: Host) -> Plan:
        """The steps from what Placement has to what this host wants.

        :raises PlacementError: Placement cannot be asked
        :raises NotFound: there is no root, and it may not be made
        :raises InvalidValue: one of ours is not below this root
        """
        root = self._client.provider(self._root)
        if root is None and not self._create_root:
            raise exceptions.NotFound(
                f'resource provider {self._root}',
                'Placement has none of this name; nova-compute makes it when it '
                'starts; name another with --root-provider, or make it with '
                '--create-root on a host without Nova',
            )
        tree = self._look(root, host)
        wanted, unknown = self._wanted(host, tree)
        strangers = self._strangers(wanted, tree)
        wanted = {n: told for n, told in wanted.items() if n not in strangers}
        tree = {n: self._with_allocated(p, wanted, host) for n, p in tree.items()}
        published = {
            names.provider(self._root, parent): traits
            for parent, traits in host.published.items()
        }
        changes = providers.diff(self._root, wanted, tree.values(), published)
        first: list[steps.Step] = [] if root else [steps.MakeRoot(provider=self._root)]
        first += self._missing(changes, tree.values())
        return Plan(
            tree=tree,
            wanted=wanted,
            steps=(*first, *changes),
            unknown=unknown,
            strangers=tuple(strangers.values()),
        )

    def _look(
        self, root: placement.Listed | None, host: Host
    ) -> dict[str, providers.Current]:
        """The tree, as far as it concerns us; the uuid of a root to come is ''."""
        if root is None:
            return {self._root: reading.current_of(_to_come(self._root))}
        return reading.tree(self._client, root, host.parents)

    def _wanted(
        self, host: Host, tree: cabc.Mapping[str, providers.Current]
    ) -> tuple[cabc.Mapping[str, providers.Provider], frozenset[str]]:
        """The providers as they should be, without traits that cannot be."""
        told = inventory.compute(
            host.resolution,
            host.snapshot,
            host.claims,
            recorded=providers.recorded(self._root, tree.values(), host.parents),
            reuse_found=host.policy.reuse_found,
        )
        traits = inventory.traits(host.resolution, host.snapshot, host.claims)
        standard = reading.standard(traits, told)
        unknown = frozenset(t for t in standard if not self._has_trait(t))
        known = {parent: has - unknown for parent, has in traits.items()}
        return providers.desired(self._root, told, known), unknown

    def _strangers(
        self,
        wanted: cabc.Iterable[str],
        tree: cabc.Mapping[str, providers.Current],
    ) -> dict[str, exceptions.InvalidValue]:
        """The children that have the name of one of ours and are not ours."""
        return {
            name: exceptions.InvalidValue(
                'provider',
                name,
                f'Placement has one of this name ({tree[name].uuid}) that carries no '
                'CUSTOM_MDEV_TYPE_* trait, so it is not ours to change; delete it, '
                "or hand it over by giving it its type's trait",
            )
            for name in wanted
            if name in tree
            and name not in self.made
            and not providers.is_marked(tree[name].traits)
        }

    def _with_allocated(
        self,
        now: providers.Current,
        wanted: cabc.Mapping[str, providers.Provider],
        host: Host,
    ) -> providers.Current:
        """Ask what is allocated, where something would be dropped."""
        told = wanted.get(now.name)
        ours = told is not None or providers.is_marked(now.traits)
        kept = told.inventories.keys() if told is not None else ()
        if not ours or (told is not None and now.inventories.keys() <= set(kept)):
            return now
        if (now.name, None) in self.in_use:
            return now
        parent = providers.parent_of(self._root, now.name, host.parents)
        return dataclasses.replace(
            now,
            allocated=self._client.allocated(now.uuid)
            | providers.asked(host.policy, now, parent)
            | {c for name, c in self.in_use if name == now.name and c is not None},
        )

    def _missing(
        self,
        changes: cabc.Iterable[providers.Change],
        tree: cabc.Iterable[providers.Current],
    ) -> list[steps.Step]:
        """The classes and traits that must be made before these changes."""
        classes: set[str] = set()
        traits: set[str] = set()
        for change in changes:
            if isinstance(change, providers.SetInventories):
                classes.update(change.inventories)
            elif isinstance(change, providers.SetTraits):
                traits |= change.traits
        for now in tree:
            classes -= now.inventories.keys()
            traits -= now.traits
        made: list[steps.Step] = [
            steps.MakeClass(resource_class=c)
            for c in sorted(classes)
            if c.startswith(_CUSTOM) and not self._client.has_class(c)
        ]
        made += [
            steps.MakeTrait(trait=trait)
            for trait in sorted(traits)
            if trait.startswith(_CUSTOM) and not self._client.has_trait(trait)
        ]
        return made

    def _has_trait(self, trait: str) -> bool:
        """Whether Placement has a standard trait: it does not learn them."""
        if trait not in self._known:
            self._known[trait] = self._client.has_trait(trait)
        return self._known[trait]


def _to_come(root: str) -> placement.Listed:
    return placement.Listed(name=root, uuid='', generation=0, parent=None)
