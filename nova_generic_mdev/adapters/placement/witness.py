# SPDX-License-Identifier: Apache-2.0
"""What Placement has to say in an audit of one host; changes nothing."""

from __future__ import annotations

from nova_generic_mdev import audit
from nova_generic_mdev import inventory
from nova_generic_mdev import names
from nova_generic_mdev import providers
from nova_generic_mdev.adapters.placement import client as placement
from nova_generic_mdev.adapters.placement import planning
from nova_generic_mdev.adapters.placement import reading


def look(client: placement.Client, root: str, host: planning.Host) -> audit.Placement:
    """What it has of this host; without its root provider, nothing.

    A few requests for each provider of a parent, however large the cloud.

    :param root: name of the compute node's provider
    :raises PlacementError: Placement cannot be asked
    """
    top = client.provider(root)
    if top is None:
        return audit.Placement(root=root, tree={})
    tree = reading.tree(client, top, host.parents)
    ours = names.providers(root, host.parents)
    held = {
        name: client.allocations_on(now.uuid)
        for name, now in tree.items()
        if now.parent == top.uuid and (name in ours or providers.is_marked(now.traits))
    }
    traits = inventory.traits(host.resolution, host.snapshot, host.claims)
    unknown = {
        trait
        for trait in reading.standard(traits, traits)
        if not client.has_trait(trait)
    }
    return audit.Placement(root=root, tree=tree, held=held, unknown=frozenset(unknown))
