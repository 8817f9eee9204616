# SPDX-License-Identifier: Apache-2.0
"""Takes single steps, and keeps in mind what they made of Placement."""

from __future__ import annotations

import dataclasses
import typing as ty

from nova_generic_mdev import providers
from nova_generic_mdev.adapters.placement import client as placement
from nova_generic_mdev.adapters.placement import steps
from nova_generic_mdev.adapters.placement import telling


class Acting:
    """The steps of one plan; each write says which generation it is based on.

    A generation is as old as the look that the plan was made on: what anybody
    wrote since then is a conflict.

    :param tree: the providers when the plan was made, by name
    """

    def __init__(self, client: placement.Client, tree: telling.Tree) -> None:
        self._client = client
        self._at = dict(tree)

    def take(self, step: steps.Step) -> None:
        """Take one step.

        :raises PlacementError: it was refused, or Placement cannot be asked
        """
        match step:
            case steps.MakeClass():
                self._client.make_class(step.resource_class)
            case steps.MakeTrait():
                self._client.make_trait(step.trait)
            case steps.MakeRoot():
                self._create(step.provider, None)
            case providers.CreateProvider():
                self._create(step.provider, self._at[step.root].uuid)
            case providers.DeleteProvider():
                self._client.delete_provider(self.uuid(step.provider))
            case _:
                self._change(step)

    def uuid(self, provider: str) -> str:
        """The uuid of a provider that is there by now."""
        return self._at[provider].uuid

    def _change(
        self, step: providers.SetTraits | providers.SetInventories | providers.DropClass
    ) -> None:
        now = self._at[step.provider]
        if isinstance(step, providers.SetTraits):
            generation = self._client.set_traits(now.uuid, now.generation, step.traits)
            self._at[step.provider] = dataclasses.replace(now, generation=generation)
            return
        told = _inventories(step, now)
        generation = self._client.set_inventories(now.uuid, now.generation, told)
        self._at[step.provider] = dataclasses.replace(
            now, generation=generation, inventories=told
        )

    def _create(self, name: str, parent: str | None) -> None:
        made = self._client.create_provider(name, parent)
        self._at[name] = providers.Current(
            name=made.name,
            uuid=made.uuid,
            generation=made.generation,
            parent=made.parent,
            inventories={},
        )


def _inventories(
    step: providers.SetInventories | providers.DropClass, now: providers.Current
) -> dict[str, dict[str, ty.Any]]:
    """All inventories that the provider has after the step."""
    if isinstance(step, providers.SetInventories):
        wanted = dict(step.inventories)
    else:
        wanted = {
            resource_class: providers.from_placement(told)
            for resource_class, told in now.inventories.items()
            if resource_class != step.resource_class
        }
    return {c: providers.to_placement(one) for c, one in wanted.items()}
