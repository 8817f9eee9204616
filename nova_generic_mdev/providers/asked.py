# SPDX-License-Identifier: Apache-2.0
"""What the operator still asks for on a provider, whatever the host shows now.

A driver that is not loaded yet shows no parent; its inventory must not go.
Where only a provider's name is left, a doubt counts as *still asked for*.
"""

from __future__ import annotations

import collections.abc as cabc
import fnmatch
import re

from nova_generic_mdev import inventory
from nova_generic_mdev import names
from nova_generic_mdev import policy as policylib
from nova_generic_mdev.providers import tree as provider_tree

_NOT_IN_A_NAME = re.compile(r'[^A-Za-z0-9*?\[\]!-]')


def parent_of(root: str, provider: str, known: cabc.Collection[str] = ()) -> str | None:
    """The parent that a child of the root is of; None where nobody can tell.

    :param known: names of parents; a name that was cut is only told by these
    """
    if len(provider) < names.MAX_PROVIDER_NAME:
        return provider.removeprefix(f'{root}_')
    return names.providers(root, known).get(provider)


def recorded(
    root: str,
    current: cabc.Iterable[provider_tree.Current],
    known: cabc.Collection[str],
) -> inventory.Recorded:
    """The totals that Placement has, by parent and class, of known parents."""
    parents = names.providers(root, known)
    return {
        parents[provider.name]: {
            resource_class: provider_tree.from_placement(told).total
            for resource_class, told in provider.inventories.items()
        }
        for provider in current
        if provider.name in parents
    }


def asked(
    policy: policylib.Policy, provider: provider_tree.Current, parent: str | None
) -> frozenset[str]:
    """The classes that the operator may still want of a provider.

    :param parent: what :func:`parent_of` told of it
    """
    if parent is None:
        return frozenset(provider.inventories)
    naming = [rule for rule in policy.rules if _may_name(rule, parent)]
    if not naming:
        naming = [
            rule
            for rule in policy.rules[:1]
            if rule.is_default and names.type_trait(rule.mdev_type) in provider.traits
        ]
    return frozenset(rule.resource_class for rule in naming)


def _may_name(rule: policylib.TypeRule, parent: str) -> bool:
    return any(_may_mean(address, parent) for address in rule.device_addresses)


def _may_mean(address: str, parent: str) -> bool:
    """Whether an address, or a pattern, may mean a parent that is not there.

    The sysfs name is what follows the subsystem, which has no "_" in it.
    """
    pci = names.pci_address_of(parent)
    if pci is not None and fnmatch.fnmatchcase(pci, address.lower()):
        return True
    pattern = _NOT_IN_A_NAME.sub('_', address)
    return any(
        fnmatch.fnmatchcase(name, pattern)
        for name in (parent, parent.partition('_')[2])
    )
