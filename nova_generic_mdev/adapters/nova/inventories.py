# SPDX-License-Identifier: Apache-2.0
"""The driver's part about inventories: what Nova's periodic update asks for."""

from __future__ import annotations

import typing as ty

from nova import exception
from oslo_log import log as logging

from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import providers
from nova_generic_mdev.adapters.nova import base
from nova_generic_mdev.adapters.nova import errors
from nova_generic_mdev.adapters.nova import publishing

LOG = logging.getLogger(__name__)


@model.value
class Update:
    """All that one update of the node changes, decided before any of it."""

    offered: publishing.Offer
    steps: tuple[providers.Change, ...]


class Inventories(base.Base):
    """Inventories and traits on ``<host>_<parent>`` providers."""

    # While one update runs, which Nova serialises; Nova's helper does not hand on
    # what it is about.
    _update: Update | None = None

    def _update_provider_tree_for_vgpu(
        self, provider_tree: ty.Any, nodename: str, allocations: ty.Any = None
    ) -> None:
        """Update the tree, and move what was once allocated on its root.

        :raises ReshapeNeeded: there is such, and Nova has to fetch it first
        """
        if self._mdevs.is_active:
            self._update = self._decide(provider_tree, nodename)
            if self._update is None:
                return
        try:
            super()._update_provider_tree_for_vgpu(
                provider_tree, nodename, allocations=allocations
            )
        finally:
            self._update = None

    def _decide(self, provider_tree: ty.Any, nodename: str) -> Update | None:
        """Look at the host for one update; None: our part stays as it is.

        What goes wrong with it must not hold back the rest of the node: Nova would
        publish neither its CPUs nor its memory.
        """
        try:
            view = self._mdevs.view()
            self._mdevs.complain(view)
            with errors.as_novas():
                return self._update_of(view, provider_tree, nodename)
        except exception.NovaException as e:
            LOG.error(  # noqa: TRY400
                'the inventories of mediated devices stay as they are until the '
                'next update: %s',
                e,
            )
            return None

    def _update_of(
        self, view: publishing.View, provider_tree: ty.Any, root: str
    ) -> Update:
        tree = publishing.current(provider_tree, root)
        offered = publishing.offer(view, root, tree)
        asked = publishing.with_allocated(
            offered, tree, view, root, self._placement.allocated
        )
        published = {
            names.provider(root, parent): traits
            for parent, traits in view.published.items()
        }
        steps = providers.diff(root, offered.wanted, tuple(asked), published)
        self._mdevs.remember(publishing.published(offered, tree, view, root))
        return Update(offered=offered, steps=steps)

    def _get_gpu_inventories(self) -> ty.Any:
        """What each parent offers, in the shape of Nova's own driver, and more."""
        if not self._mdevs.is_active:
            return super()._get_gpu_inventories()
        if self._update is not None:
            return self._update.offered
        with errors.as_novas():
            return publishing.offer(self._mdevs.view(), self._host.get_hostname())

    def _ensure_pgpu_providers(
        self, inventories_dict: ty.Any, provider_tree: ty.Any, nodename: str
    ) -> dict[str, ty.Any]:
        """Make the tree what it should be.

        :returns: Nova's data of each provider of ours, by the parent's name
        """
        update = self._update
        if update is None or inventories_dict is not update.offered:
            return dict(
                super()._ensure_pgpu_providers(
                    inventories_dict, provider_tree, nodename
                )
            )
        publishing.change(provider_tree, update.steps)
        return {
            told.parent: provider_tree.data(name)
            for name, told in update.offered.wanted.items()
        }
