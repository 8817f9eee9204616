# SPDX-License-Identifier: Apache-2.0
"""The drivers that can stand where Nova's tests find Nova's.

``PEER_DRIVER`` names one; the others show what the suite is worth.

===========  ============================================================
`ours`       what the suite is for
`in-tree`    Nova's own: all of its tests pass in our harness, too
`trivial`    Nova's own under another name: so they do with a subclass
`broken`     ours, but forgetful: the suite has to fail
`absent`     Nova's own where ours is expected: the suite has to fail
===========  ============================================================
"""

import os
import typing as ty

from tests.peer import substitution

NAME = os.environ.get('PEER_DRIVER', 'ours')


def placed() -> type:
    """The class that Nova's tests find."""
    return _PLACED[NAME]()


def expected(found: type) -> type:
    """The class that all drivers have to be of.

    :param found: what :func:`placed` said; `broken` is a class of its own
    """
    return _ours() if NAME == 'absent' else found


def _in_tree() -> type:
    return substitution.IN_TREE


def _ours() -> type:
    from nova_generic_mdev.adapters.nova import driver

    return driver.GenericMdevDriver


def _trivial() -> type:
    class Trivial(substitution.IN_TREE):
        """Nova's driver under another name."""

    return Trivial


def _broken() -> type:
    class Broken(_ours()):
        """Ours, but it forgets what its guests have."""

        def _get_all_assigned_mediated_devices(
            self, instance: ty.Any = None
        ) -> dict[str, str]:
            return {}

    return Broken


_PLACED = {
    'ours': _ours,
    'in-tree': _in_tree,
    'trivial': _trivial,
    'broken': _broken,
    'absent': _in_tree,
}
