# SPDX-License-Identifier: Apache-2.0
"""Steps in words, for those who have to decide whether they want them."""

from __future__ import annotations

import collections.abc as cabc
import typing as ty

from nova_generic_mdev import inventory
from nova_generic_mdev import model
from nova_generic_mdev import providers
from nova_generic_mdev.adapters.placement import steps

Tree = cabc.Mapping[str, providers.Current]


@model.value
class Row:
    """One change: of which provider (none: of Placement itself), and what."""

    provider: str
    change: str
    detail: str


def row(step: steps.Step, tree: Tree) -> Row:
    """What a step does.

    :param tree: the providers as they are before it, by name
    """
    provider = getattr(step, 'provider', '')
    return Row(
        provider=provider, change=_CHANGES[type(step)], detail=_detail(step, tree)
    )


_CHANGES: cabc.Mapping[type[ty.Any], str] = {
    steps.MakeRoot: 'create root',
    steps.MakeClass: 'create class',
    steps.MakeTrait: 'create trait',
    providers.CreateProvider: 'create provider',
    providers.SetTraits: 'set traits',
    providers.SetInventories: 'set inventories',
    providers.DropClass: 'drop class',
    providers.DeleteProvider: 'delete provider',
}


def _detail(step: steps.Step, tree: Tree) -> str:
    match step:
        case steps.MakeClass() | providers.DropClass():
            return step.resource_class
        case steps.MakeTrait():
            return step.trait
        case providers.CreateProvider():
            return f'below {step.root}'
        case providers.SetTraits():
            return _traits(step, tree.get(step.provider))
        case providers.SetInventories():
            return _inventories(step, tree.get(step.provider))
        case providers.DeleteProvider():
            return tree[step.provider].uuid
        case _:
            return ''


def _traits(step: providers.SetTraits, now: providers.Current | None) -> str:
    has = now.traits if now is not None else frozenset()
    added = [f'+{trait}' for trait in sorted(step.traits - has)]
    return ' '.join(added + [f'-{trait}' for trait in sorted(has - step.traits)])


def _inventories(step: providers.SetInventories, now: providers.Current | None) -> str:
    has = now.inventories if now is not None else {}
    told = []
    for resource_class, wanted in step.inventories.items():
        placed = has.get(resource_class)
        if not providers.is_as_placed(wanted, placed):
            was = f' (was {_one(placed)})' if placed is not None else ''
            told.append(f'{resource_class} {_counts(wanted)}{was}')
    return '; '.join(told)


def _counts(one: inventory.Inventory) -> str:
    return f'total={one.total} reserved={one.reserved}'


def _one(placed: providers.Json) -> str:
    """As Placement has it; what it leaves out is what it takes by default."""
    return f'total={placed.get("total")} reserved={placed.get("reserved", 0)}'
