# SPDX-License-Identifier: Apache-2.0
"""Placement, through the client that nova-compute has open anyway."""

from __future__ import annotations

import collections.abc as cabc
import typing as ty

from nova import context as nova_context
from nova import exception
from nova.virt import node
from oslo_log import log as logging

from nova_generic_mdev.adapters import placement
from nova_generic_mdev.adapters.nova import publishing

LOG = logging.getLogger(__name__)
# Since 1.26 an inventory may be reserved whole.
_RESERVED_WHOLE = '1.26'
_FAILURES = (placement.Unreachable, exception.NovaException)
# Each time somebody else wrote in between, an allocation mostly.
_TRIES = 4


class Placement:
    """What the driver asks and tells by itself, outside of Nova's own update.

    :param virtapi: what Nova gave to the driver
    """

    def __init__(self, virtapi: ty.Any) -> None:
        self._virtapi = virtapi

    @property
    def _client(self) -> ty.Any:
        return self._virtapi.reportclient

    def allocations_of(
        self, context: ty.Any, consumer: str
    ) -> dict[str, dict[str, ty.Any]]:
        """What a consumer has, by provider uuid.

        :raises ComputeResourcesUnavailable: Placement cannot be asked
        """
        told = self._client.get_allocations_for_consumer(context, consumer)
        if told is None:
            raise exception.ComputeResourcesUnavailable(
                reason=f'Placement does not tell what consumer {consumer} has'
            )
        return dict(told)

    def allocated(self, provider: str) -> frozenset[str] | None:
        """The classes of a provider that anybody holds some of; None: in doubt."""
        context = nova_context.get_admin_context()
        try:
            told = self._client.get_allocations_for_resource_provider(context, provider)
            return frozenset(
                resource_class
                for held in told.allocations.values()
                for resource_class in held['resources']
            )
        except (*_FAILURES, KeyError, TypeError) as e:
            LOG.warning(
                'what is allocated of provider %s is not known: %s', provider, e
            )
            return None

    def tree(self, hostname: str) -> ty.Any:
        """The provider tree of this host, before Nova's first update.

        :raises ComputeResourcesUnavailable: Placement cannot be asked
        """
        context = nova_context.get_admin_context()
        try:
            return self._client.get_provider_tree_and_ensure_root(
                context, node.get_local_node_uuid(), name=hostname
            )
        except _FAILURES as e:
            raise exception.ComputeResourcesUnavailable(
                reason=f'Placement does not tell the providers of this host: {e}'
            ) from e

    def republish(
        self, provider: str, inventories: cabc.Callable[[], publishing.Inventories]
    ) -> None:
        """Change a provider's inventories now; Nova's next update would do as well.

        What is not told stays.  What fails is only logged, for that reason.

        :param inventories: looks at the host; called again for each new try
        """
        try:
            for _ in range(_TRIES):
                if self._put(provider, inventories()):
                    return
            LOG.info('provider %s is busy; the next update publishes it', provider)
        except _FAILURES as e:
            LOG.info('provider %s waits for the next update: %s', provider, e)

    def _put(self, provider: str, wanted: publishing.Inventories) -> bool:
        """Whether Placement has it now; False: somebody wrote in between."""
        url = f'/resource_providers/{provider}/inventories'
        told = self._client.get(url, version=_RESERVED_WHOLE)
        if told.status_code != 200:
            LOG.info('provider %s cannot be read now: %s', provider, told.status_code)
            return True
        has = told.json()
        # A class that is new there needs to be made first: Nova's update does.
        changed = {c: wanted[c] for c in wanted.keys() & has['inventories'].keys()}
        if all(changed[c].items() <= has['inventories'][c].items() for c in changed):
            return True
        has['inventories'].update(changed)
        answer = self._client.put(url, has, version=_RESERVED_WHOLE)
        return bool(answer.status_code == 200)
