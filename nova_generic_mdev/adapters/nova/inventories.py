# SPDX-License-Identifier: Apache-2.0
"""The driver's part about inventories: what Nova's periodic update asks for."""

from __future__ import annotations

import collections.abc as cabc
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


@model.value
class Decided:
    """An update, and all that it was decided on."""

    view: publishing.View
    tree: tuple[providers.Current, ...]
    update: Update

    def still_holds(self, view: publishing.View, tree: ty.Any, root: str) -> bool:
        """Whether the host, the record and Placement are as they were, all of them.

        A look that finds nothing new gives the same snapshot again, and so does the
        record: that they are equal need not be found out piece by piece.
        """
        before = self.view
        return (
            view.snapshot is before.snapshot
            and view.claims is before.claims
            and view.published is before.published
            and publishing.is_as(tree, root, self.tree)
        )


class Providers(cabc.Mapping[str, ty.Any]):
    """Nova's data of providers, by the parent's name; each is copied when asked for.

    :param names: of the providers, by the parent's name
    """

    def __init__(self, tree: ty.Any, names: cabc.Mapping[str, str]) -> None:
        self._tree = tree
        self._names = names

    def __getitem__(self, parent: str) -> ty.Any:
        return self._tree.data(self._names[parent])

    def __iter__(self) -> cabc.Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Inventories(base.Base):
    """Inventories and traits on ``<host>_<parent>`` providers."""

    # While one update runs, which Nova serialises; Nova's helper does not hand on
    # what it is about.
    _update: Update | None = None
    # The last that asked nobody and had nothing to note.
    _decided: Decided | None = None

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
        before = self._decided
        if before is not None and before.still_holds(view, provider_tree, root):
            return before.update
        tree = publishing.current(provider_tree, root)
        offered = publishing.offer(view, root, tree)
        doubts: list[str] = []

        def allocated(provider: str) -> frozenset[str] | None:
            doubts.append(provider)
            return self._placement.allocated(provider)

        asked = publishing.with_allocated(offered, tree, view, root, allocated)
        published = {
            names.provider(root, parent): traits
            for parent, traits in view.published.items()
        }
        steps = providers.diff(root, offered.wanted, tuple(asked), published)
        noted = publishing.published(offered, tree, view, root)
        self._mdevs.remember(noted)
        update = Update(offered=offered, steps=steps)
        is_final = not doubts and not noted
        self._decided = (
            Decided(view=view, tree=tree, update=update) if is_final else None
        )
        return update

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
    ) -> cabc.Mapping[str, ty.Any]:
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
        wanted = update.offered.wanted
        return Providers(provider_tree, {told.parent: n for n, told in wanted.items()})
