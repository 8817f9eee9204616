# SPDX-License-Identifier: Apache-2.0
"""Nova, Placement and Cyborg, asked who a consumer is and what it holds here.

An answer that is none (nobody there, an error, nonsense) is
:class:`~.upkeep.consumers.Unsure`, and never an empty one: nothing may be taken
from anybody because a service is away.  So ``get_allocations_for_consumer`` of Nova's
client, which says ``{}`` for an error, is not what is used.
"""

from __future__ import annotations

import collections
import collections.abc as cabc
import contextlib
import typing as ty
from urllib import parse

import oslo_messaging
from nova import context as nova_context
from nova import exception
from nova import objects
from nova.accelerator import cyborg
from oslo_db import exception as db_exception

from nova_generic_mdev import names
from nova_generic_mdev.adapters import placement
from nova_generic_mdev.adapters.nova.upkeep import consumers

# The first that has trees of providers.
_NESTED = '1.14'
_PROFILE = 'accel:device_profile'


@contextlib.contextmanager
def _sure_of(whom: str) -> cabc.Iterator[None]:
    """In this block whatever goes wrong with a service is one error.

    :raises Unsure: something did
    """
    try:
        yield
    except (
        placement.Unreachable,
        exception.NovaException,
        oslo_messaging.MessagingException,
        db_exception.DBError,
        # An answer that is not what its API documents.
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
    ) as e:
        raise consumers.Unsure(whom, f'{type(e).__name__}: {e}') from e


class Nova:
    """Nova's database, through the conductor as nova-compute has it."""

    def __init__(self) -> None:
        # A server that was deleted tells that it was.
        self._context = nova_context.get_admin_context(read_deleted='yes')

    def known(
        self, uuids: cabc.Iterable[str]
    ) -> dict[str, consumers.Server | consumers.Move]:
        """Who these are, and the servers of those that are migrations.

        :raises Unsure: Nova does not tell
        """
        found: dict[str, consumers.Server | consumers.Move] = {}
        left = sorted(set(uuids))
        while left:
            uuid = left.pop()
            who = self._server(uuid) or self._move(uuid)
            if who is not None:
                found[uuid] = who
            if isinstance(who, consumers.Move) and who.server not in found:
                left.append(who.server)
        return found

    def _server(self, uuid: str) -> consumers.Server | None:
        with _sure_of('Nova'):
            try:
                told = objects.Instance.get_by_uuid(
                    self._context, uuid, expected_attrs=[]
                )
            except exception.InstanceNotFound:
                return None
            return consumers.Server(
                node=told.node, task_state=told.task_state, deleted=bool(told.deleted)
            )

    def _move(self, uuid: str) -> consumers.Move | None:
        with _sure_of('Nova'):
            try:
                told = objects.Migration.get_by_uuid(self._context, uuid)
            except exception.MigrationNotFound:
                return None
            return consumers.Move(
                server=told.instance_uuid,
                status=str(told.status),
                kind=str(told.migration_type),
            )

    def accelerators(self, server: str) -> frozenset[str]:
        """The mdevs that a server's accelerator requests name.

        Cyborg is asked only if the flavor wants any, as Nova itself does.

        :raises Unsure: Nova or Cyborg does not tell
        """
        with _sure_of('Nova'):
            try:
                told = objects.Instance.get_by_uuid(
                    self._context, server, expected_attrs=['flavor']
                )
            except exception.InstanceNotFound:
                return frozenset()
            if not told.flavor.extra_specs.get(_PROFILE):
                return frozenset()
        with _sure_of('Cyborg'):
            arqs = cyborg.get_client(self._context).get_arqs_for_instance(server)
            named = (arq.get('attach_handle_uuid') for arq in arqs)
            return frozenset(names.uuid(uuid) for uuid in named if uuid)


class Placement:
    """What is allocated on one host, of some resource classes.

    :param client: Nova's report client
    :param root: name of the host's provider
    :param parents: the parents that are known by name; what is on any other
        provider of the host goes by that provider's name
    :param classes: the resource classes that count on other providers
    :raises Unsure: Placement does not tell the host's providers
    """

    def __init__(
        self,
        client: ty.Any,
        root: str,
        parents: cabc.Collection[str],
        classes: cabc.Collection[str],
    ) -> None:
        self._client = client
        self._classes = frozenset(classes)
        self._context = nova_context.get_admin_context()
        with _sure_of('Placement'):
            told = client.get_providers_in_tree(self._context, self._uuid_of(root))
            by_uuid = {str(p['uuid']): str(p['name']) for p in told}
        of_ours = names.providers(root, parents)
        self._where = {u: of_ours.get(n, n) for u, n in by_uuid.items()}
        self._ours = {u for u, name in by_uuid.items() if name in of_ours}

    def _uuid_of(self, name: str) -> str:
        url = f'/resource_providers?name={parse.quote(name)}'
        told = self._client.get(url, version=_NESTED).json()['resource_providers']
        if len(told) != 1:
            raise LookupError(f'it has {len(told)} providers called {name}')
        return str(told[0]['uuid'])

    def held_by(self, consumer: str) -> consumers.Amounts:
        """What a consumer holds here, all of it.

        :raises Unsure: Placement does not tell
        """
        with _sure_of('Placement'):
            told = self._client.get_allocs_for_consumer(self._context, consumer)
            held: consumers.Amounts = collections.Counter()
            for provider, allocation in told['allocations'].items():
                if provider in self._where:
                    held.update(self._amounts(provider, allocation))
            return held

    def held_on(self, parents: cabc.Container[str]) -> consumers.Held:
        """What each consumer holds on these parents.

        :raises Unsure: Placement does not tell
        """
        held: dict[str, consumers.Amounts] = {}
        for provider, where in self._where.items():
            if where not in parents:
                continue
            with _sure_of('Placement'):
                told = self._client.get_allocations_for_resource_provider(
                    self._context, provider
                )
                for consumer, allocation in told.allocations.items():
                    amounts = self._amounts(provider, allocation)
                    held.setdefault(consumer, collections.Counter()).update(amounts)
        return held

    def _amounts(self, provider: str, allocation: ty.Any) -> consumers.Amounts:
        found: consumers.Amounts = collections.Counter()
        for resource_class, amount in allocation['resources'].items():
            if type(amount) is not int or amount < 1:
                raise ValueError(f'{amount!r} of {resource_class} on {provider}')
            # On a parent's provider all is ours, whatever is configured now.
            if provider in self._ours or resource_class in self._classes:
                found[self._where[provider], resource_class] += amount
        return found
