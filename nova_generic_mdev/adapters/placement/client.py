# SPDX-License-Identifier: Apache-2.0
"""The part of Placement's API that mdevs need, a method for each request."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import typing as ty
import urllib.parse

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import providers
from nova_generic_mdev.adapters.placement import asking

# What is raised where JSON is not what it should be.
_NONSENSE = (LookupError, TypeError, ValueError, AttributeError)

# Placement's JSON of a provider's inventories, by resource class.
Inventories = dict[str, dict[str, ty.Any]]


@model.value
class Listed:
    """A provider as a list of providers tells of it.

    :param parent: uuid of the provider above it; None for a root
    """

    name: str
    uuid: str
    generation: int
    parent: str | None


class Client:
    """Asks and tells; every method raises PlacementError where that fails.

    :param asker: sends the requests
    """

    def __init__(self, asker: asking.Asker) -> None:
        self._asker = asker

    def provider(self, name: str) -> Listed | None:
        """The provider of this name, or None."""
        # Its database may not tell upper from lower case; we do.
        return next((p for p in self._list(name=name) if p.name == name), None)

    def tree(self, uuid: str) -> tuple[Listed, ...]:
        """All providers of the tree that this one is in."""
        return self._list(in_tree=uuid)

    def _list(self, **query: str) -> tuple[Listed, ...]:
        path = f'/resource_providers?{urllib.parse.urlencode(query)}'
        body = self._asker.get(path)
        with _understood(f'GET {path}', body):
            return tuple(_listed(told) for told in body['resource_providers'])

    def inventories(self, uuid: str) -> Inventories:
        """A provider's inventories."""
        path = f'/resource_providers/{uuid}/inventories'
        body = self._asker.get(path)
        with _understood(f'GET {path}', body):
            found = {c: dict(told) for c, told in body['inventories'].items()}
            for told in found.values():
                providers.from_placement(told)
        return found

    def traits(self, uuid: str) -> frozenset[str]:
        """A provider's traits."""
        path = f'/resource_providers/{uuid}/traits'
        body = self._asker.get(path)
        with _understood(f'GET {path}', body):
            return frozenset(map(str, body['traits']))

    def allocated(self, uuid: str) -> frozenset[str]:
        """The classes of a provider that consumers hold something of."""
        path = f'/resource_providers/{uuid}/usages'
        body = self._asker.get(path)
        with _understood(f'GET {path}', body):
            return frozenset(c for c, used in body['usages'].items() if int(used) > 0)

    def allocations_on(self, uuid: str) -> dict[str, dict[str, int]]:
        """What consumers hold of a provider: consumer -> class -> amount."""
        path = f'/resource_providers/{uuid}/allocations'
        body = self._asker.get(path)
        with _understood(f'GET {path}', body):
            return {
                names.uuid(consumer): _amounts(held['resources'])
                for consumer, held in body['allocations'].items()
            }

    def allocations_of(self, consumer: str) -> dict[str, dict[str, int]]:
        """What a consumer holds: provider uuid -> class -> amount."""
        path = f'/allocations/{names.uuid(consumer)}'
        body = self._asker.get(path)
        with _understood(f'GET {path}', body):
            return {
                uuid: _amounts(held['resources'])
                for uuid, held in body['allocations'].items()
            }

    def holdings(self, consumer: str, root: str) -> dict[str, dict[str, int]]:
        """What a consumer holds in the tree of a root: by provider name, by class.

        :param root: name of the compute node's provider
        """
        held = self.allocations_of(consumer)
        top = self.provider(root) if held else None
        if top is None:
            return {}
        return {p.name: held[p.uuid] for p in self.tree(top.uuid) if p.uuid in held}

    def has_trait(self, name: str) -> bool:
        """Whether Placement knows a trait."""
        return self._asker.exists(f'/traits/{name}')

    def make_trait(self, name: str) -> None:
        """Make a custom trait; one that is there will do."""
        self._asker.send('PUT', f'/traits/{name}')

    def has_class(self, name: str) -> bool:
        """Whether Placement knows a resource class."""
        return self._asker.exists(f'/resource_classes/{name}')

    def make_class(self, name: str) -> None:
        """Make a custom resource class; one that is there will do."""
        self._asker.send('PUT', f'/resource_classes/{name}')

    def create_provider(self, name: str, parent: str | None) -> Listed:
        """Make a provider below another, or a root; Placement gives the uuid."""
        body: dict[str, str] = {'name': name}
        if parent is not None:
            body['parent_provider_uuid'] = parent
        told = self._asker.send('POST', '/resource_providers', body)
        with _understood('POST /resource_providers', told):
            return _listed(told)

    def delete_provider(self, uuid: str) -> None:
        """Delete a provider that nobody uses."""
        self._asker.send('DELETE', f'/resource_providers/{uuid}')

    def set_traits(
        self, uuid: str, generation: int, traits: cabc.Collection[str]
    ) -> int:
        """Give a provider exactly these traits; returns its new generation."""
        return self._put(
            f'/resource_providers/{uuid}/traits', generation, 'traits', sorted(traits)
        )

    def set_inventories(
        self,
        uuid: str,
        generation: int,
        inventories: cabc.Mapping[str, cabc.Mapping[str, ty.Any]],
    ) -> int:
        """Give a provider exactly these inventories; returns its new generation.

        One is taken away by leaving it out.  DELETE of one inventory would give
        the same error code for one in use as for a conflict of generations.
        """
        return self._put(
            f'/resource_providers/{uuid}/inventories',
            generation,
            'inventories',
            inventories,
        )

    def _put(self, path: str, generation: int, field: str, told: object) -> int:
        body = {'resource_provider_generation': generation, field: told}
        answer = self._asker.send('PUT', path, body)
        with _understood(f'PUT {path}', answer):
            return int(answer['resource_provider_generation'])


def _amounts(resources: cabc.Mapping[str, ty.Any]) -> dict[str, int]:
    return {c: int(amount) for c, amount in resources.items()}


def _listed(told: cabc.Mapping[str, ty.Any]) -> Listed:
    above = told['parent_provider_uuid']
    return Listed(
        name=str(told['name']),
        uuid=names.uuid(told['uuid']),
        generation=int(told['generation']),
        parent=None if above is None else names.uuid(above),
    )


@contextlib.contextmanager
def _understood(what: str, body: object) -> cabc.Iterator[None]:
    """An answer that lacks what the API promises is an error of its own."""
    try:
        yield
    except (*_NONSENSE, exceptions.InvalidName, exceptions.InvalidValue) as e:
        raise asking.nonsense(what, f'{type(e).__name__} in {body!r:.200}') from e
