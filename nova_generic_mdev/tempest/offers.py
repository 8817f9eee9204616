# SPDX-License-Identifier: Apache-2.0
"""What Placement says of the providers of a resource class."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import typing as ty

# Where a request names no more than it asks for, what each answer has in it.
MICROVERSION = '1.36'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Offer:
    """One provider's inventory of the class, and what is used of it.

    ``parent`` is None for a provider that is a root.
    """

    provider: str
    name: str
    parent: str | None
    root: str
    total: int
    reserved: int
    used: int
    min_unit: int
    max_unit: int
    step_size: int
    allocation_ratio: float

    @property
    def left(self) -> int:
        """How many can still be given."""
        return self.total - self.reserved - self.used

    def complaints(self) -> list[str]:
        """What is wrong with these numbers, in words; nothing where all is well."""
        rules = {
            'it is a root, where a child of a host is expected': (
                self.parent is not None
            ),
            f'total {self.total} is less than 1': self.total >= 1,
            f'reserved {self.reserved} is not within 0 and total {self.total}': (
                0 <= self.reserved <= self.total
            ),
            f'used {self.used} is more than total {self.total} less '
            f'reserved {self.reserved}': self.left >= 0,
            f'min_unit {self.min_unit} is not 1': self.min_unit == 1,
            f'step_size {self.step_size} is not 1': self.step_size == 1,
            f'max_unit {self.max_unit} is less than 1': self.max_unit >= 1,
            f'allocation_ratio {self.allocation_ratio} is not 1': (
                self.allocation_ratio == 1
            ),
        }
        return [f'{self.name}: {rule}' for rule, holds in rules.items() if not holds]


class Offers:
    """The offers of one resource class.

    :param providers: tempest's ``ResourceProvidersClient`` of an administrator
    :param placement: the same one's ``PlacementClient``
    """

    def __init__(
        self, providers: ty.Any, placement: ty.Any, resource_class: str
    ) -> None:
        self._providers = providers
        self._placement = placement
        self._class = resource_class

    def to_give(self, amount: int = 1) -> list[Offer]:
        """The offers of the providers that can give that many at once."""
        listed = self._providers.list_resource_providers(
            resources=f'{self._class}:{amount}'
        )
        return [self._offer(found) for found in listed['resource_providers']]

    def of(self, provider: str) -> Offer:
        """The offer of one provider, by its uuid."""
        return self._offer(self._providers.show_resource_provider(provider))

    def traits(self, provider: str) -> set[str]:
        """The traits of a provider, by its uuid."""
        return set(self._providers.list_resource_provider_traits(provider)['traits'])

    def held_by(self, consumer: str) -> dict[str, int]:
        """How many of the class a consumer holds, by the provider's uuid."""
        allocations = self._placement.list_allocations(consumer)['allocations']
        return {
            provider: allocation['resources'][self._class]
            for provider, allocation in allocations.items()
            if self._class in allocation['resources']
        }

    def _offer(self, provider: cabc.Mapping[str, ty.Any]) -> Offer:
        uuid = provider['uuid']
        inventories = self._providers.list_resource_provider_inventories(uuid)
        usages = self._providers.list_resource_provider_usages(uuid)
        # Further fields may come with other versions of Placement.
        numbers = inventories['inventories'][self._class]
        wanted = ('total', 'reserved', 'min_unit', 'max_unit', 'step_size')
        return Offer(
            provider=uuid,
            name=provider['name'],
            parent=provider['parent_provider_uuid'],
            root=provider['root_provider_uuid'],
            used=usages['usages'].get(self._class, 0),
            allocation_ratio=numbers['allocation_ratio'],
            **{name: numbers[name] for name in wanted},
        )
