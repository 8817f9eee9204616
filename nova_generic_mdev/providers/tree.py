# SPDX-License-Identifier: Apache-2.0
"""Providers as they should be, and as Placement has them."""

from __future__ import annotations

import collections.abc as cabc
import typing as ty

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev.inventory import Inventory

# Placement's JSON of one inventory, by the names of its fields.
Json = cabc.Mapping[str, ty.Any]

# What Placement takes for a field that is left out.
_DEFAULTS: cabc.Mapping[str, int | float] = {
    'reserved': 0,
    'min_unit': 1,
    'max_unit': model.MAX_COUNT,
    'step_size': 1,
    'allocation_ratio': 1.0,
}
_FIELDS = ('total', *_DEFAULTS)


@model.value
class Provider:
    """What a provider should be.

    :param parent: the parent device's name
    :param inventories: by resource class
    """

    name: str
    parent: str
    inventories: cabc.Mapping[str, Inventory]
    traits: frozenset[str] = frozenset()


@model.value
class Current:
    """What Placement has of a provider.

    :param parent: uuid of the provider above it, None for a root
    :param inventories: by resource class, as Placement gives them
    :param allocated: the classes that have allocations; None: nobody asked
    """

    name: str
    uuid: str
    generation: int
    parent: str | None
    inventories: cabc.Mapping[str, Json]
    traits: frozenset[str] = frozenset()
    allocated: frozenset[str] | None = None


def desired(
    root: str,
    inventories: cabc.Mapping[str, cabc.Mapping[str, Inventory]],
    traits: cabc.Mapping[str, frozenset[str]],
) -> cabc.Mapping[str, Provider]:
    """The providers of the parents that offer something, by provider name.

    :param root: name of the compute node's provider
    :param inventories: by the parent's name, then by class
    :param traits: by the parent's name
    :raises InvalidName: two parents would have the same provider
    """
    found: dict[str, Provider] = {}
    # Placement's database may not tell upper from lower case.
    taken: dict[str, str] = {}
    for parent in sorted(filter(inventories.get, inventories)):
        name = names.provider(root, parent)
        if taken.setdefault(name.casefold(), parent) != parent:
            raise exceptions.InvalidName(
                'provider name', name, f'{taken[name.casefold()]} has the same'
            )
        found[name] = Provider(
            name=name,
            parent=parent,
            inventories=model.freeze(inventories[parent]),
            traits=traits.get(parent, frozenset()),
        )
    return model.freeze(found)


def to_placement(inventory: Inventory) -> dict[str, int | float]:
    """The inventory as Placement's API takes it."""
    return {
        **_DEFAULTS,
        'total': inventory.total,
        'reserved': inventory.reserved,
        'max_unit': inventory.max_unit,
    }


def from_placement(inventory: Json) -> Inventory:
    """The inventory that Placement has; whole numbers, its defaults filled in.

    :raises InvalidValue: Placement cannot have such an inventory
    """
    told = {**_DEFAULTS, **inventory}
    return Inventory(
        total=told['total'], reserved=told['reserved'], max_unit=told['max_unit']
    )


def is_as_placed(wanted: Inventory, placed: Json | None) -> bool:
    """Whether Placement has just this, whatever else it says of it."""
    if placed is None:
        return False
    told = {**_DEFAULTS, **placed}
    return all(told.get(field) == to_placement(wanted)[field] for field in _FIELDS)
