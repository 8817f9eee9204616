# SPDX-License-Identifier: Apache-2.0
"""Nova's provider tree in memory, as far as the driver uses it.

tests/nova/test_tree.py holds it against the real one.
"""

from __future__ import annotations

import copy
import itertools
import threading
import types


class Tree:
    """A double of ``nova.compute.provider_tree.ProviderTree``.

    A provider is found by its name or its uuid, and told as a copy.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._providers = {}
        self._uuids = (f'aaaaaaaa-0000-4000-8000-{n:012x}' for n in itertools.count())

    @property
    def roots(self):
        return [p for p in self._providers.values() if p.parent_uuid is None]

    def new_root(self, name, uuid, generation=None):
        return self._add(name, uuid, generation, None)

    def new_child(self, name, parent, uuid=None, generation=None):
        if self.exists(uuid or name):
            raise ValueError(f'Provider {uuid or name} already exists.')
        above = self._find(parent).uuid
        return self._add(name, uuid or next(self._uuids), generation, above)

    def _add(self, name, uuid, generation, above):
        self._providers[uuid] = types.SimpleNamespace(
            uuid=uuid,
            name=name,
            generation=generation,
            parent_uuid=above,
            inventory={},
            traits=set(),
            children={},
        )
        if above is not None:
            self._providers[above].children[uuid] = self._providers[uuid]
        return uuid

    def exists(self, name_or_uuid):
        return any(name_or_uuid in (p.uuid, p.name) for p in self._providers.values())

    def data(self, name_or_uuid):
        return copy.deepcopy(self._find(name_or_uuid))

    def get_provider_uuids(self, name_or_uuid=None):
        """From the top down, of the whole tree or of what is below one."""
        if name_or_uuid is None:
            return [
                u for root in self.roots for u in self.get_provider_uuids(root.uuid)
            ]
        uuid = self._find(name_or_uuid).uuid
        below = [p.uuid for p in self._providers.values() if p.parent_uuid == uuid]
        return [uuid, *(u for one in below for u in self.get_provider_uuids(one))]

    def update_inventory(self, name_or_uuid, inventory):
        self._find(name_or_uuid).inventory = copy.deepcopy(inventory)

    def update_traits(self, name_or_uuid, traits):
        self._find(name_or_uuid).traits = set(traits)

    def remove(self, name_or_uuid):
        for uuid in self.get_provider_uuids(name_or_uuid):
            gone = self._providers.pop(uuid)
            if gone.parent_uuid in self._providers:
                del self._providers[gone.parent_uuid].children[uuid]

    def _find(self, name_or_uuid):
        for provider in self._providers.values():
            if name_or_uuid in (provider.uuid, provider.name):
                return provider
        raise ValueError(f'No such provider {name_or_uuid}')
