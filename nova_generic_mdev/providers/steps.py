# SPDX-License-Identifier: Apache-2.0
"""The steps from what Placement has to what it should have."""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev.inventory import Inventory
from nova_generic_mdev.providers import tree as provider_tree

_MARK = names.type_trait('X').removesuffix('X')


@model.value
class CreateProvider:
    """Make a provider below the one called ``root``, with nothing on it yet."""

    provider: str
    root: str


@model.value
class SetTraits:
    """Give a provider exactly these traits."""

    provider: str
    traits: frozenset[str]


@model.value
class SetInventories:
    """Give a provider exactly these inventories; none that it has is missing."""

    provider: str
    inventories: cabc.Mapping[str, Inventory]


@model.value
class DropClass:
    """Take one inventory, on which there are no allocations, from a provider."""

    provider: str
    resource_class: str


@model.value
class DeleteProvider:
    """Delete a provider that has no inventory and no provider below it."""

    provider: str


Change = CreateProvider | SetTraits | SetInventories | DropClass | DeleteProvider


def diff(
    root: str,
    wanted: cabc.Mapping[str, provider_tree.Provider],
    current: cabc.Iterable[provider_tree.Current],
    published_traits: cabc.Mapping[str, frozenset[str]],
) -> tuple[Change, ...]:
    """The fewest steps from what Placement has, to be taken one after another.

    Ours are the providers that are asked for, and the children of the root that
    carry one of our traits; no other is touched.  What is no longer asked for
    goes if Placement says that nothing is allocated of it, the class in one
    update and the provider, empty by then, in a later one; else it stays, with
    nothing free.

    :param root: name of the compute node's provider
    :param current: its tree, or all that is known of it
    :param published_traits: by provider name, the traits that we published;
        only these are taken back
    :raises InvalidValue: the tree has no such root, or something else in it has
        the name of one of ours
    """
    tree = {provider.name: provider for provider in current}
    if root not in tree:
        raise exceptions.InvalidValue('root provider', root, 'Placement has none')
    changes: list[Change] = []
    for name, provider in sorted(wanted.items()):
        now = tree.get(name)
        if now is None:
            changes += _creation(root, provider)
        elif now.parent == tree[root].uuid:
            changes += _update(provider, now, published_traits.get(name, frozenset()))
        else:
            raise exceptions.InvalidValue('provider', name, f'it is not below {root}')
    for name in sorted(tree.keys() - wanted.keys()):
        if _is_ours(tree[name], tree[root]):
            changes += _removal(tree[name], tree.values())
    return tuple(changes)


def is_marked(traits: cabc.Iterable[str]) -> bool:
    """Whether a provider's traits say that it is of a parent device."""
    return any(trait.startswith(_MARK) for trait in traits)


def _is_ours(provider: provider_tree.Current, root: provider_tree.Current) -> bool:
    return is_marked(provider.traits) and provider.parent == root.uuid


def _creation(root: str, wanted: provider_tree.Provider) -> cabc.Iterator[Change]:
    yield CreateProvider(provider=wanted.name, root=root)
    # The traits first: they say whose it is, and what its inventory is of.
    if wanted.traits:
        yield SetTraits(provider=wanted.name, traits=wanted.traits)
    yield SetInventories(provider=wanted.name, inventories=wanted.inventories)


def _update(
    wanted: provider_tree.Provider,
    now: provider_tree.Current,
    published: frozenset[str],
) -> cabc.Iterator[Change]:
    traits = (now.traits - published) | wanted.traits
    if traits != now.traits:
        yield SetTraits(provider=now.name, traits=traits)
    yield from _inventories(now, wanted.inventories)


def _removal(
    now: provider_tree.Current, tree: cabc.Iterable[provider_tree.Current]
) -> cabc.Iterator[Change]:
    """Its traits stay until it goes: by them we know that it is ours."""
    if now.inventories:
        yield from _inventories(now, {})
    elif now.allocated == frozenset() and all(p.parent != now.uuid for p in tree):
        yield DeleteProvider(provider=now.name)


def _inventories(
    now: provider_tree.Current, wanted: cabc.Mapping[str, Inventory]
) -> cabc.Iterator[Change]:
    standing = dict(wanted)
    dropped = []
    for resource_class in sorted(now.inventories.keys() - wanted.keys()):
        has = provider_tree.from_placement(now.inventories[resource_class])
        if now.allocated is not None and resource_class not in now.allocated:
            dropped.append(resource_class)
        else:
            has = _nothing_free(has)
        standing[resource_class] = has
    if not all(
        provider_tree.is_as_placed(standing[c], now.inventories.get(c))
        for c in standing.keys() - dropped
    ):
        yield SetInventories(provider=now.name, inventories=model.freeze(standing))
    for resource_class in dropped:
        yield DropClass(provider=now.name, resource_class=resource_class)


def _nothing_free(inventory: Inventory) -> Inventory:
    return Inventory(
        total=inventory.total, reserved=inventory.total, max_unit=inventory.max_unit
    )
