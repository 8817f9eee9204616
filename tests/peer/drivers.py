# SPDX-License-Identifier: Apache-2.0
"""The drivers that can stand where Nova's tests find Nova's.

``PEER_DRIVER`` names one; the others show what the suite is worth.
"""

import os
import typing as ty

from tests.peer import substitution

NAME = os.environ.get('PEER_DRIVER', 'ours')


def _ours() -> type:
    from nova_generic_mdev.adapters.nova import driver

    return driver.GenericMdevDriver


def _trivial() -> type:
    class Trivial(substitution.IN_TREE):
        """Nova's driver under another name."""

    return Trivial


def _broken() -> type:
    class Broken(_ours()):
        """Ours, but no guest gets an mdev."""

        def _allocate_mdevs(self, allocations: ty.Any) -> list[str]:
            return []

        def _guest_add_mdevs(self, guest: ty.Any, chosen_mdevs: ty.Any) -> None:
            pass

    return Broken


#: by name, what makes the class
BY_NAME = {
    'ours': _ours,
    'trivial': _trivial,
    'in-tree': lambda: substitution.IN_TREE,
    'broken': _broken,
}


def chosen() -> type:
    """The class that is to be tested."""
    return BY_NAME[NAME]()
