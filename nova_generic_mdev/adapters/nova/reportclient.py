# SPDX-License-Identifier: Apache-2.0
"""Placement, through the client that nova-compute has open anyway."""

from __future__ import annotations

import collections.abc as cabc
import typing as ty

from nova import context as nova_context
from nova import exception
from nova.virt import node
from oslo_log import log as logging

from nova_generic_mdev import exceptions
from nova_generic_mdev.adapters import placement
from nova_generic_mdev.adapters.nova import publishing

LOG = logging.getLogger(__name__)
# Since 1.26 an inventory may be reserved whole.
_RESERVED_WHOLE = '1.26'
_FAILURES = (
    placement.Unreachable,
    exception.NovaException,
    exceptions.PlacementError,
)
# Of an answer that is not what the API documents; of Nova's client, which relies
# on it, where there is no answer.
_NONSENSE = (ValueError, TypeError, LookupError, AttributeError)
_CONFLICT = 409
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
    ) -> dict[str, dict[str, ty.Any]] | None:
        """What a consumer has, by provider uuid; None: Placement does not tell."""
        try:
            told = self._client.get_allocs_for_consumer(context, consumer)
            return dict(told['allocations'])
        except (*_FAILURES, *_NONSENSE) as e:
            LOG.warning('what consumer %s has is not known: %r', consumer, e)
            return None

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
        except (*_FAILURES, *_NONSENSE) as e:
            LOG.warning(
                'what is allocated of provider %s is not known: %r', provider, e
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
        except (*_FAILURES, *_NONSENSE) as e:
            raise exception.ComputeResourcesUnavailable(
                reason=f'Placement does not tell the providers of this host: {e!r}'
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
                if self._put(provider, inventories):
                    return
            LOG.info('provider %s is busy; the next update publishes it', provider)
        except _FAILURES as e:
            LOG.info('provider %s waits for the next update: %s', provider, e)

    def _put(
        self, provider: str, inventories: cabc.Callable[[], publishing.Inventories]
    ) -> bool:
        """Whether that is all for now; False: somebody wrote in between.

        The host is looked at after Placement: whoever looked later, and wrote
        first, is found out by the provider's generation.
        """
        url = f'/resource_providers/{provider}/inventories'
        generation, has = self._inventories(url)
        wanted = inventories()
        # A class that is new there needs to be made first: Nova's update does.
        changed = {c: wanted[c] for c in wanted.keys() & has.keys()}
        if all(changed[c].items() <= has[c].items() for c in changed):
            return True
        body = {
            'resource_provider_generation': generation,
            'inventories': has | changed,
        }
        self._make_nova_read_again(provider)
        answer = self._client.put(url, body, version=_RESERVED_WHOLE)
        if answer.status_code not in (200, _CONFLICT):
            raise exceptions.PlacementError(
                f'PUT {url}', answer.text, answer.status_code
            )
        return bool(answer.status_code == 200)

    def _inventories(self, url: str) -> tuple[int, dict[str, dict[str, ty.Any]]]:
        """A provider's generation, and its inventories by class.

        :raises PlacementError: Placement does not tell
        """
        answer = self._client.get(url, version=_RESERVED_WHOLE)
        if answer.status_code != 200:
            raise exceptions.PlacementError(
                f'GET {url}', answer.text, answer.status_code
            )
        try:
            told = answer.json()
            inventories = {c: dict(told['inventories'][c]) for c in told['inventories']}
            return told['resource_provider_generation'], inventories
        except _NONSENSE as e:
            raise exceptions.PlacementError(
                f'GET {url}', f'its API documents another answer: {e!r}'
            ) from e

    def _make_nova_read_again(self, provider: str) -> None:
        """Let Nova's next update see what this provider has.

        Its client compares with what it wrote last itself, and would not write the
        same again.  That may be read again from time to time, or never
        (``[compute] resource_provider_association_refresh``).
        """
        read = getattr(self._client, '_association_refresh_time', {})
        read.pop(provider, None)
