# SPDX-License-Identifier: Apache-2.0
"""What Placement promised to an instance here, as the engine is asked for it."""

from __future__ import annotations

import collections
import collections.abc as cabc
import re
import typing as ty

import os_resource_classes

from nova_generic_mdev import allocation
from nova_generic_mdev import exceptions
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import providers

# Nova's flavor extra specs: "resources:VGPU", granular "resources1:VGPU",
# "resources_group:CUSTOM_MLX5".
_RESOURCES = re.compile(r'resources[A-Za-z0-9_-]{0,64}:([A-Z0-9_]+)')


def asked(
    extra_specs: cabc.Mapping[str, str], policy: policylib.Policy
) -> collections.Counter[str]:
    """How many of each class of ours a flavor asks for, in all its groups.

    VGPU is ours wherever this driver runs.  What Nova's scheduler takes for no
    amount (``nova.objects.RequestGroup.add_resource``) asks for nothing.
    """
    ours = {rule.resource_class for rule in policy.rules} | {os_resource_classes.VGPU}
    found: collections.Counter[str] = collections.Counter()
    for spec, amount in extra_specs.items():
        match = _RESOURCES.fullmatch(spec)
        if match and match[1] in ours:
            found[match[1]] += _amount(amount)
    return +found


def _amount(told: str) -> int:
    try:
        return max(0, int(told))
    except (ValueError, TypeError):
        return 0


def parents_of(
    tree: ty.Any,
    known: cabc.Callable[[], cabc.Collection[str]] = tuple,
    only: cabc.Iterable[str] | None = None,
) -> dict[str, str]:
    """The parent's name of each provider of ours, by the provider's uuid.

    A provider is ours if it is right below a root and carries one of our traits.
    Its name is held against its own root's: another root may be called alike.

    :param tree: a ``nova.compute.provider_tree.ProviderTree``
    :param known: names of parents; asked for a provider whose name had to be cut
    :param only: look at these providers, by uuid, and at no other
    """
    found = {}
    roots = {root.uuid: root.name for root in tree.roots}
    for uuid in tree.get_provider_uuids() if only is None else only:
        # What a copy of one costs is little; of all of a large host it is not.
        data = tree.data(uuid) if tree.exists(uuid) else None
        if data is None or data.parent_uuid not in roots:
            continue
        if providers.is_marked(data.traits):
            parent = _parent_of(roots[data.parent_uuid], data.name, known)
            if parent is not None:
                found[uuid] = parent
    return found


def _parent_of(
    root: str, provider: str, known: cabc.Callable[[], cabc.Collection[str]]
) -> str | None:
    return providers.parent_of(root, provider) or providers.parent_of(
        root, provider, known()
    )


def requests(
    consumer: str,
    allocations: cabc.Mapping[str, cabc.Mapping[str, ty.Any]],
    parents: cabc.Mapping[str, str],
    wanted: cabc.Mapping[str, int],
) -> tuple[allocation.Request, ...]:
    """What the allocations ask of this host.

    Other providers' are none of ours: another host's, while a server moves.

    :param wanted: what the flavor asks for, so that nothing of it is missed
    :raises RequestError: the flavor asks for more than is allocated here
    """
    found = allocation.requests_from(allocations, parents)
    here: collections.Counter[str] = collections.Counter()
    for request in found:
        here[request.resource_class] += request.amount
    for resource_class, amount in sorted((collections.Counter(wanted) - here).items()):
        raise exceptions.RequestError(
            consumer,
            'this host',
            resource_class,
            f'its flavor asks for {amount} more than Placement has for it on the '
            'parent devices of this host; see "openstack resource provider '
            f'allocation show {consumer}"',
        )
    return found
