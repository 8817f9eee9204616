# SPDX-License-Identifier: Apache-2.0
"""Who Placement's consumers are, as Nova knows them, and what they hold here.

A consumer is an instance, or a migration: while a server is moved, one of the
two holds what it has on the source, the other what it will have.
"""

from __future__ import annotations

import collections
import collections.abc as cabc

from nova_generic_mdev import model
from nova_generic_mdev import record

# How many, by where they are and by class.  Where is a parent's name; what is on
# another provider of this host goes by that provider's name.
Amounts = collections.Counter[tuple[str, str]]

# The states of a migration that Nova does not count as being in progress, of any
# kind of migration (nova.db.main.api, migration_get_in_progress_by_host_and_node).
OVER = frozenset(
    {'confirmed', 'reverted', 'error', 'failed', 'completed', 'cancelled', 'done'}
)
# A resize that waits to be confirmed or reverted.
FINISHED = 'finished'
LIVE = 'live-migration'


@model.value
class Server:
    """An instance, as Nova's database has it.

    :param node: what Nova calls the host that it is on; None: it is on none
    :param task_state: what Nova is doing with it; None: nothing
    """

    node: str | None = None
    task_state: str | None = None
    deleted: bool = False


@model.value
class Move:
    """A migration, as Nova's database has it.

    :param server: uuid of the instance
    :param kind: ``migration``, ``resize``, ``live-migration`` or ``evacuation``
    """

    server: str
    status: str
    kind: str = ''

    @property
    def is_over(self) -> bool:
        """Whether Nova is done with it, one way or another."""
        return self.status in OVER


class Unsure(Exception):
    """Who was asked gave no answer that can be relied on.

    :param whom: the service
    """

    def __init__(self, whom: str, reason: object) -> None:
        self.whom = whom
        self.reason = str(reason)
        super().__init__(f'{whom} does not tell: {self.reason}')


# By uuid; a uuid that is not in it is one that Nova knows nothing of.
Known = cabc.Mapping[str, Server | Move]
Held = cabc.Mapping[str, Amounts]


def server_of(consumer: str, known: Known) -> str:
    """The instance that a consumer is, or that it moves."""
    who = known.get(consumer)
    return who.server if isinstance(who, Move) else consumer


def claimed(consumer: str, claims: record.Claims) -> Amounts:
    """What a consumer has by our record, as far as Placement gave it."""
    return collections.Counter(
        (claims.mdevs[claim.uuid].parent, claim.resource_class)
        for claim in claims.of(consumer)
        if claim.owner is record.Owner.PLACEMENT
    )


def missing(consumer: str, held: Held, claims: record.Claims) -> Amounts:
    """What Placement says that a consumer has, and our record does not."""
    return held.get(consumer, collections.Counter()) - claimed(consumer, claims)


def total(amounts: Amounts) -> str:
    """The amounts in words: ``2 VGPU on mtty_mtty``."""
    return ', '.join(f'{n} {c} on {where}' for (where, c), n in sorted(amounts.items()))
