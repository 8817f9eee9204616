# SPDX-License-Identifier: Apache-2.0
"""What Placement should have of this host, and the steps from what it has.

One resource provider a parent, a child of the compute node's.  With
``allocation.requests_from`` this is all of the core that knows Placement's
shapes (Placement API reference: "Resource provider inventories", "Allocations").

Nothing with an allocation is ever taken away: Placement would refuse it (409),
and Nova's sync of the whole node would fail with it.
"""

from nova_generic_mdev.providers.asked import asked
from nova_generic_mdev.providers.asked import parent_of
from nova_generic_mdev.providers.asked import recorded
from nova_generic_mdev.providers.moving import reshape
from nova_generic_mdev.providers.steps import Change
from nova_generic_mdev.providers.steps import CreateProvider
from nova_generic_mdev.providers.steps import DeleteProvider
from nova_generic_mdev.providers.steps import DropClass
from nova_generic_mdev.providers.steps import SetInventories
from nova_generic_mdev.providers.steps import SetTraits
from nova_generic_mdev.providers.steps import diff
from nova_generic_mdev.providers.steps import is_marked
from nova_generic_mdev.providers.tree import Current
from nova_generic_mdev.providers.tree import Json
from nova_generic_mdev.providers.tree import Provider
from nova_generic_mdev.providers.tree import desired
from nova_generic_mdev.providers.tree import from_placement
from nova_generic_mdev.providers.tree import is_as_placed
from nova_generic_mdev.providers.tree import to_placement

__all__ = [
    'Change',
    'CreateProvider',
    'Current',
    'DeleteProvider',
    'DropClass',
    'Json',
    'Provider',
    'SetInventories',
    'SetTraits',
    'asked',
    'desired',
    'diff',
    'from_placement',
    'is_as_placed',
    'is_marked',
    'parent_of',
    'recorded',
    'reshape',
    'to_placement',
]
