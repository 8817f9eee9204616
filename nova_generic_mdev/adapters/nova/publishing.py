# SPDX-License-Identifier: Apache-2.0
"""Our part of Nova's provider tree: what it has, and what it should have.

Nova hands its driver a tree, as Placement was when Nova last looked, and sends
what the driver changed.  A deletion that Placement refuses fails the sync of
the whole node, so a class that goes is closed in one update (nothing free, so
that nobody comes) and dropped in a later one, when Placement says that nobody
holds any; the provider, empty by then, goes after that.
"""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import typing as ty

from nova_generic_mdev import inventory
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import providers
from nova_generic_mdev import record

# Nova's inventories, by resource class.
Inventories = dict[str, dict[str, int | float]]
Published = cabc.Mapping[str, frozenset[str]]


class Offer(dict[str, dict[str, int | float]]):
    """What Nova's own driver would return, and all that has no room in it.

    The items are one inventory a parent, as Nova's helpers for a reshape need.

    :param wanted: the providers as they should be, by name
    """

    def __init__(self, wanted: cabc.Mapping[str, providers.Provider]) -> None:
        super().__init__(
            (provider.parent, providers.to_placement(_first(provider.inventories)))
            for provider in wanted.values()
        )
        self.wanted = wanted

    def __bool__(self) -> bool:
        """Also with nothing to offer there may be something to take back."""
        return True


def _first(inventories: cabc.Mapping[str, inventory.Inventory]) -> inventory.Inventory:
    # VGPU is the only class that Nova ever had on the root provider.
    return inventories.get('VGPU') or inventories[min(inventories)]


@model.value
class View:
    """One look at the host, and what is wanted of it.

    :param resolution: the rules on the parents that were looked at
    :param published: by parent, the traits that we last gave its provider
    """

    policy: policylib.Policy
    resolution: policylib.Resolution
    snapshot: model.HostSnapshot
    claims: record.Claims
    published: Published

    @property
    def parents(self) -> frozenset[str]:
        """All parents that are known by name."""
        claimed = {mdev.parent for mdev in self.claims.mdevs.values()}
        return frozenset(claimed | self.snapshot.parents.keys() | self.published.keys())


def offer(view: View, root: str, tree: cabc.Iterable[providers.Current] = ()) -> Offer:
    """What this host offers, given what Placement has of it.

    :param root: name of the compute node's provider
    """
    inventories = inventory.compute(
        view.resolution,
        view.snapshot,
        view.claims,
        recorded=providers.recorded(root, tree, view.parents),
        reuse_found=view.policy.reuse_found,
    )
    traits = inventory.traits(view.resolution, view.snapshot, view.claims)
    return Offer(providers.desired(root, inventories, traits))


def current(
    tree: ty.Any, root: str, only: cabc.Container[str] | None = None
) -> tuple[providers.Current, ...]:
    """What Nova's provider tree has, from the root down.

    Read where it is: to let Nova copy each provider (``tree.data``) would take
    longer than all the rest of an update.

    :param tree: a ``nova.compute.provider_tree.ProviderTree``
    :param only: the names of the providers; None: all
    """
    with tree.lock:
        return tuple(
            providers.Current(
                name=node.name,
                uuid=node.uuid,
                generation=node.generation or 0,
                parent=node.parent_uuid,
                inventories=node.inventory,
                traits=frozenset(node.traits),
            )
            for node in _below(top for top in tree.roots if top.name == root)
            if only is None or node.name in only
        )


def is_as(tree: ty.Any, root: str, before: cabc.Collection[providers.Current]) -> bool:
    """Whether :func:`current` would be the same; it takes a third of the time."""
    with tree.lock:
        nodes = _below(top for top in tree.roots if top.name == root)
        return len(nodes) == len(before) and all(map(_is_as, nodes, before))


def _is_as(node: ty.Any, was: providers.Current) -> bool:
    return (
        (node.generation or 0) == was.generation
        and node.inventory == was.inventories
        and node.traits == was.traits
        and node.uuid == was.uuid
        and node.name == was.name
        and node.parent_uuid == was.parent
    )


def _below(tops: cabc.Iterable[ty.Any]) -> list[ty.Any]:
    nodes = list(tops)
    for node in nodes:
        nodes.extend(node.children.values())
    return nodes


def with_allocated(
    offered: Offer,
    tree: cabc.Iterable[providers.Current],
    view: View,
    root: str,
    ask: cabc.Callable[[str], frozenset[str] | None],
) -> cabc.Iterator[providers.Current]:
    """The tree, with what is allocated where something may be taken away.

    :param ask: the classes with allocations, by provider uuid; None: in doubt
    """
    for now in tree:
        goes = _goes(now, offered, root)
        if goes is None or not _is_closed(now, goes):
            yield now
            continue
        allocated = ask(now.uuid)
        if allocated is not None:
            parent = providers.parent_of(root, now.name, view.parents)
            allocated |= providers.asked(view.policy, now, parent)
        yield dataclasses.replace(now, allocated=allocated)


def _goes(now: providers.Current, offered: Offer, root: str) -> frozenset[str] | None:
    """The classes that are no longer wanted; empty and not None: all of it."""
    told = offered.wanted.get(now.name)
    if told is None:
        is_ours = now.name != root and providers.is_marked(now.traits)
        return frozenset(now.inventories) if is_ours else None
    return frozenset(now.inventories.keys() - told.inventories.keys()) or None


def _is_closed(now: providers.Current, classes: cabc.Iterable[str]) -> bool:
    """Whether nobody can come any more: what is allocated can only get less."""
    told = (now.inventories[resource_class] for resource_class in classes)
    return all(each.get('reserved', 0) >= each['total'] for each in told)


def change(tree: ty.Any, changes: cabc.Iterable[providers.Change]) -> None:
    """Change Nova's provider tree, step by step."""
    for step in changes:
        if isinstance(step, providers.CreateProvider):
            tree.new_child(step.provider, step.root)
        elif isinstance(step, providers.SetTraits):
            tree.update_traits(step.provider, set(step.traits))
        elif isinstance(step, providers.SetInventories):
            tree.update_inventory(step.provider, placed(step.inventories))
        elif isinstance(step, providers.DropClass):
            left = dict(tree.data(step.provider).inventory)
            left.pop(step.resource_class, None)
            tree.update_inventory(step.provider, left)
        else:
            tree.remove(step.provider)


def placed(inventories: cabc.Mapping[str, inventory.Inventory]) -> Inventories:
    """Inventories as Placement takes them, by class."""
    return {c: providers.to_placement(told) for c, told in inventories.items()}


def published(
    offered: Offer, tree: cabc.Iterable[providers.Current], view: View, root: str
) -> Published:
    """The traits that may be ours from now on, by parent, where that changed.

    What is being taken back counts until Placement has it no more: nobody knows
    yet whether this update will arrive there.
    """
    has = {now.name: now.traits for now in tree}
    wanted = {told.parent: told.traits for told in offered.wanted.values()}
    found = {}
    for parent in wanted.keys() | view.published.keys():
        before = view.published.get(parent, frozenset())
        still = before & has.get(names.provider(root, parent), frozenset())
        now = wanted.get(parent, frozenset()) | still
        if now != before:
            found[parent] = now
    return found
