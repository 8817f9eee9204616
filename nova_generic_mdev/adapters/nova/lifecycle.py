# SPDX-License-Identifier: Apache-2.0
"""Whether a guest ends here for good, when Nova tells its driver to take it down.

Nova calls ``destroy`` and ``cleanup`` with the same arguments for a server that is
deleted and for one that is rebuilt; ``destroy_disks`` does not tell which.  What
tells is the state of the server at that moment, and whether an operation of ours
is under way that will make the guest again.  The rules below are held against
every caller in Nova 31 to 34; see doc/source/contributor/lifecycle.rst.

In doubt nothing is released: a claim that was kept in vain goes with the next
sweep, and one that was released in vain costs a server its devices.

This module needs no Nova.
"""

from __future__ import annotations

import collections.abc as cabc
import enum
import typing as ty

from nova_generic_mdev import model
from nova_generic_mdev.adapters.nova import situations


class Holder(enum.StrEnum):
    """Whose claims: Placement's consumer is the instance, or its migration."""

    INSTANCE = 'instance'
    MIGRATION = 'migration'


@model.value
class Rule:
    """One situation, and what becomes of the claims in it.

    :param releases: whose claims end; none: all are kept
    :param hands_over: the instance's claims are its migration's from now on
    """

    name: str
    why: str
    applies: cabc.Callable[[situations.Facts], bool]
    releases: frozenset[Holder] = frozenset()
    hands_over: bool = False

    @property
    def ends(self) -> bool:
        """Whether the guest ends here for good."""
        return bool(self.releases)


_Call = situations.Call
_INSTANCE = frozenset({Holder.INSTANCE})
_MIGRATION = frozenset({Holder.MIGRATION})
_BOTH = _INSTANCE | _MIGRATION

#: task states of a rebuild, of which an evacuation is one
REBUILDING = {'rebuilding', 'rebuild_block_device_mapping', 'rebuild_spawning'}
#: task states of a resize, which can still come back
RESIZING = {
    'resize_prep',
    'resize_migrating',
    'resize_migrated',
    'resize_finish',
    'resize_reverting',
}

# The first that applies decides.
RULES: ty.Final = (
    Rule(
        name='operation',
        why='what is under way makes the guest again, or undoes it itself',
        applies=lambda f: f.operation is not None,
    ),
    Rule(
        name='confirmed on another host',
        why='its resize is confirmed, and the guest is on another host',
        applies=lambda f: f.call is _Call.CONFIRM_MIGRATION and f.is_elsewhere,
        releases=_BOTH,
    ),
    Rule(
        name='confirmed',
        why='its resize on this host is confirmed: what it had before is free',
        applies=lambda f: f.call is _Call.CONFIRM_MIGRATION,
        releases=_MIGRATION,
    ),
    Rule(
        name='left over',
        why='it was deleted while it moved, and this is what it left here',
        applies=lambda f: f.call is _Call.CLEANUP_LINGERING and f.deleted,
        releases=_BOTH,
    ),
    Rule(
        name='migrated away',
        why='it was migrated live to another host',
        applies=lambda f: (
            f.call is _Call.POST_AT_SOURCE
            or (f.call is _Call.CLEANUP and f.live_migration)
        ),
        releases=_BOTH,
    ),
    Rule(
        name='deleted',
        why='it is deleted',
        applies=lambda f: f.deleted or f.vm_state == 'deleted',
        releases=_INSTANCE,
    ),
    Rule(
        name='deleting',
        why='it is being deleted',
        applies=lambda f: f.task_state == 'deleting',
        releases=_INSTANCE,
    ),
    Rule(
        name='reclaimed',
        why='it was deleted long enough ago, and nobody restored it',
        applies=lambda f: f.vm_state == 'soft-delete' and f.task_state is None,
        releases=_INSTANCE,
    ),
    Rule(
        name='failed build',
        why='it could not be built',
        applies=lambda f: f.vm_state == 'building',
        releases=_INSTANCE,
    ),
    Rule(
        name='offloaded',
        why='it is shelved, and leaves this host',
        # "shelving" is a server with its disk in a volume: no image is made first.
        applies=lambda f: f.task_state in {'shelving', 'shelving_offloading'},
        releases=_INSTANCE,
    ),
    Rule(
        name='reverted',
        why='its resize is reverted; what its migration has is kept for it',
        applies=lambda f: f.task_state == 'resize_reverting' and f.is_at_home,
        releases=_INSTANCE,
    ),
    Rule(
        name='leaving the cell',
        why='it is resized to another cell, and may come back',
        applies=lambda f: f.task_state == 'resize_migrating' and f.is_at_home,
        hands_over=True,
    ),
    Rule(
        name='left the cell',
        why='its resize to another cell is confirmed',
        applies=lambda f: f.task_state == 'resize_migrated' and f.hidden,
        releases=_BOTH,
    ),
    Rule(
        name='evacuation under way',
        why='it is being evacuated: this is where it was',
        # A user's rebuild in place looks alike but for who asks.
        applies=lambda f: f.task_state in REBUILDING and f.by_service,
        releases=_INSTANCE,
    ),
    Rule(
        name='rebuild',
        why='it is rebuilt on this host',
        applies=lambda f: f.task_state in REBUILDING and f.is_at_home,
    ),
    Rule(
        name='elsewhere',
        why='it is on another host, and what is here came to nothing or is left over',
        applies=lambda f: (
            f.is_elsewhere and f.vm_state != 'resized' and f.task_state not in RESIZING
        ),
        releases=_INSTANCE,
    ),
    Rule(
        name='in doubt',
        why='nothing tells that it ends here',
        applies=lambda _: True,
    ),
)


def verdict(facts: situations.Facts) -> Rule:
    """Whether a guest ends here for good, and whose claims end with it."""
    return next(rule for rule in RULES if rule.applies(facts))
