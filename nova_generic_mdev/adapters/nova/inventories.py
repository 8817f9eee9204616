# SPDX-License-Identifier: Apache-2.0
"""The driver's part about inventories: what Nova's periodic update asks for."""

from __future__ import annotations

import typing as ty

from nova import exception
from oslo_log import log as logging

from nova_generic_mdev import names
from nova_generic_mdev import providers
from nova_generic_mdev.adapters.nova import base
from nova_generic_mdev.adapters.nova import errors
from nova_generic_mdev.adapters.nova import publishing

LOG = logging.getLogger(__name__)


class Inventories(base.Base):
    """Inventories and traits on ``<host>_<parent>`` providers."""

    # While one update runs, which Nova serialises: the host's view, and what
    # Placement has, which Nova's helper does not hand on.
    _update: tuple[publishing.View, tuple[providers.Current, ...]] | None = None

    def _update_provider_tree_for_vgpu(
        self, provider_tree: ty.Any, nodename: str, allocations: ty.Any = None
    ) -> None:
        """Update the tree, and move what was once allocated on its root.

        :raises ReshapeNeeded: there is such, and Nova has to fetch it first
        """
        if not self._look(provider_tree, nodename):
            return
        try:
            super()._update_provider_tree_for_vgpu(
                provider_tree, nodename, allocations=allocations
            )
        finally:
            self._update = None

    def _look(self, provider_tree: ty.Any, nodename: str) -> bool:
        """Look at the host for one update; False: our part stays as it is.

        What cannot be looked at must not hold back the rest of the node: Nova
        would publish neither its CPUs nor its memory.
        """
        if not self._mdevs.is_active:
            return True
        try:
            view = self._mdevs.view()
            self._mdevs.complain(view)
        except exception.NovaException as e:
            LOG.error(  # noqa: TRY400
                'the inventories of mediated devices stay as they are until the '
                'next update: %s',
                e,
            )
            return False
        self._update = view, publishing.current(provider_tree, nodename)
        return True

    def _get_gpu_inventories(self) -> ty.Any:
        """What each parent offers, in the shape of Nova's own driver, and more."""
        if not self._mdevs.is_active:
            return super()._get_gpu_inventories()
        view, tree = self._update or (self._mdevs.view(), ())
        with errors.as_novas():
            return publishing.offer(view, self._host.get_hostname(), tree)

    def _ensure_pgpu_providers(
        self, inventories_dict: ty.Any, provider_tree: ty.Any, nodename: str
    ) -> dict[str, ty.Any]:
        """Make the tree what it should be.

        :returns: Nova's data of each provider of ours, by the parent's name
        """
        if not isinstance(inventories_dict, publishing.Offer) or not self._update:
            return dict(
                super()._ensure_pgpu_providers(
                    inventories_dict, provider_tree, nodename
                )
            )
        view, tree = self._update
        offered = inventories_dict
        with errors.as_novas():
            asked = publishing.with_allocated(
                offered, tree, view, nodename, self._placement.allocated
            )
            published = {
                names.provider(nodename, parent): traits
                for parent, traits in view.published.items()
            }
            steps = providers.diff(nodename, offered.wanted, tuple(asked), published)
        self._mdevs.remember(publishing.published(offered, tree, view, nodename))
        publishing.change(provider_tree, steps)
        return {
            told.parent: provider_tree.data(name)
            for name, told in offered.wanted.items()
        }
