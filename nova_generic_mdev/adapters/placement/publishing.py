# SPDX-License-Identifier: Apache-2.0
"""Act on Placement: step by step, and from the start again after a conflict."""

from __future__ import annotations

import collections.abc as cabc

from oslo_log import log as logging

from nova_generic_mdev import exceptions
from nova_generic_mdev import names
from nova_generic_mdev import providers
from nova_generic_mdev.adapters.placement import acting
from nova_generic_mdev.adapters.placement import asking
from nova_generic_mdev.adapters.placement import client as placement
from nova_generic_mdev.adapters.placement import planning
from nova_generic_mdev.adapters.placement import steps
from nova_generic_mdev.adapters.placement import telling

# Each time somebody else wrote in between; nobody writes that often.
TRIES = 5

LOG = logging.getLogger(__name__)
Published = cabc.Mapping[str, frozenset[str]]


class Publisher:
    """Brings a host's part of Placement to what it should be.

    :param root: name of the compute node's provider
    :param look: looks at the host; called again for each new try
    :param remember: told what traits are published, by parent, before they are
        and after; none: the parent's provider is gone
    :param say: told of each step before it is taken: its number, how many there
        are, and what it is
    :param create_root: whether the root may be made
    """

    def __init__(
        self,
        client: placement.Client,
        root: str,
        look: cabc.Callable[[], planning.Host],
        *,
        remember: cabc.Callable[[Published], None],
        say: cabc.Callable[[int, int, telling.Row], None],
        create_root: bool = False,
    ) -> None:
        self._client = client
        self._root = root
        self._look = look
        self._remember = remember
        self._say = say
        self._planner = planning.Planner(client, root, create_root=create_root)
        self._unmarked: dict[str, str] = {}
        #: what was changed so far
        self.done: list[telling.Row] = []
        #: what was still to be changed when it failed
        self.left: tuple[telling.Row, ...] = ()
        #: standard traits that this Placement does not know
        self.unknown: frozenset[str] = frozenset()
        #: what has the name of one of ours and is not ours; it stays as it is
        self.strangers: tuple[exceptions.InvalidValue, ...] = ()

    def rows(self) -> tuple[telling.Row, ...]:
        """What would have to be done; nothing is.

        :raises MdevError: as :meth:`publish`
        """
        plan = self._plan(self._look())
        return tuple(telling.row(step, plan.tree) for step in plan.steps)

    def publish(self) -> None:
        """Do all that has to be done; nothing where nothing differs.

        :raises PlacementError: Placement cannot be asked, or refused; ``done``
            and ``left`` tell how far it came
        :raises NotFound: there is no root, and it may not be made
        :raises InvalidValue: one of ours is not below this root
        """
        try:
            for remaining in reversed(range(TRIES)):
                if self._try(last=not remaining):
                    return
        except exceptions.MdevError:
            self._undo()
            raise

    def _try(self, *, last: bool) -> bool:
        """One look and what follows from it; False: somebody came between."""
        host = self._look()
        try:
            plan = self._plan(host)
            self._carry_out(plan, host)
        except exceptions.PlacementError as e:
            if last or not _somebody_came_between(e):
                raise
            LOG.debug('looking at Placement again: %s', e)
            return False
        return True

    def _plan(self, host: planning.Host) -> planning.Plan:
        plan = self._planner.plan(host)
        self.unknown, self.strangers = plan.unknown, plan.strangers
        return plan

    def _carry_out(self, plan: planning.Plan, host: planning.Host) -> None:
        rows = [telling.row(step, plan.tree) for step in plan.steps]
        self._note_before(plan, host)
        actor = acting.Acting(self._client, plan.tree)
        for number, (step, row) in enumerate(zip(plan.steps, rows, strict=True)):
            self.left = tuple(rows[number:])
            self._say(number + 1, len(rows), row)
            self._take(step, actor)
            self.done.append(row)
        self.left = ()
        self._note_after(plan, host)

    def _take(self, step: steps.Step, actor: acting.Acting) -> None:
        try:
            actor.take(step)
        except exceptions.PlacementError as e:
            # The next plan keeps it, with nothing free.
            if e.code in asking.IN_USE and isinstance(step, providers.DropClass):
                self._planner.in_use.add((step.provider, step.resource_class))
            elif e.code in asking.IN_USE and isinstance(step, providers.DeleteProvider):
                self._planner.in_use.add((step.provider, None))
            raise
        if isinstance(step, providers.CreateProvider):
            self._planner.made.add(step.provider)
            self._unmarked[step.provider] = actor.uuid(step.provider)
        elif isinstance(step, providers.SetTraits):
            self._unmarked.pop(step.provider, None)

    def _undo(self) -> None:
        """Take back the providers by which nobody could tell that they are ours."""
        for name, uuid in self._unmarked.items():
            try:
                self._client.delete_provider(uuid)
            except exceptions.PlacementError as e:
                LOG.warning('%s was made, has no traits yet, and stays: %s', name, e)
                continue
            self.done.append(
                telling.Row(provider=name, change='delete provider', detail=uuid)
            )

    def _note_before(self, plan: planning.Plan, host: planning.Host) -> None:
        """What may be published from now on, also if we fail midway."""
        changed = {s.provider for s in plan.steps if isinstance(s, providers.SetTraits)}
        self._note(
            host,
            {
                told.parent: told.traits | host.published.get(told.parent, frozenset())
                for told in plan.wanted.values()
                if told.name in changed
            },
        )

    def _note_after(self, plan: planning.Plan, host: planning.Host) -> None:
        """What is published now, and what is gone."""
        gone = {
            s.provider for s in plan.steps if isinstance(s, providers.DeleteProvider)
        }
        now = {told.parent: told.traits for told in plan.wanted.values()}
        for parent in host.published:
            if names.provider(self._root, parent) in gone:
                now[parent] = frozenset()
        self._note(host, now)

    def _note(self, host: planning.Host, published: Published) -> None:
        changed = {
            parent: traits
            for parent, traits in published.items()
            if traits != host.published.get(parent)
        }
        if changed:
            self._remember(changed)


def _somebody_came_between(error: exceptions.PlacementError) -> bool:
    """Whether another look may decide otherwise.

    Without a code it is not Placement that answers.
    """
    conflicts = {asking.CONCURRENT_UPDATE, asking.DUPLICATE_NAME, *asking.IN_USE}
    return error.code in conflicts or (error.status == 404 and error.code is not None)
