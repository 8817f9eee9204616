# SPDX-License-Identifier: Apache-2.0
"""A look at the part of Placement that concerns a host; changes nothing."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses

from nova_generic_mdev import names
from nova_generic_mdev import providers
from nova_generic_mdev.adapters.placement import client as placement

_CUSTOM = 'CUSTOM_'


def tree(
    client: placement.Client, root: placement.Listed, parents: cabc.Iterable[str]
) -> dict[str, providers.Current]:
    """The providers of a root's tree by name; of ours all, of others the name.

    Ours are the children of the root that say so by a trait, and those that are
    called as a provider of one of these parents.

    :raises PlacementError: Placement cannot be asked
    """
    ours = names.providers(root.name, parents)
    found = {}
    for listed in client.tree(root.uuid):
        current = current_of(listed)
        if listed.parent == root.uuid:
            traits = client.traits(listed.uuid)
            if providers.is_marked(traits) or listed.name in ours:
                inventories = client.inventories(listed.uuid)
                current = dataclasses.replace(
                    current, traits=traits, inventories=inventories
                )
        found[listed.name] = current
    return found


def standard(
    traits: cabc.Mapping[str, frozenset[str]], parents: cabc.Iterable[str]
) -> set[str]:
    """The standard traits that these parents have: Placement does not learn them.

    :param traits: by parent
    """
    wanted = (trait for parent in parents for trait in traits.get(parent, ()))
    return {trait for trait in wanted if not trait.startswith(_CUSTOM)}


def current_of(listed: placement.Listed) -> providers.Current:
    """A provider of which only the place in its tree is known."""
    return providers.Current(
        name=listed.name,
        uuid=listed.uuid,
        generation=listed.generation,
        parent=listed.parent,
        inventories={},
    )
