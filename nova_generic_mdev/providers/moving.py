# SPDX-License-Identifier: Apache-2.0
"""Allocations that Nova once made on the compute node's own provider."""

from __future__ import annotations

import collections.abc as cabc
import copy
import typing as ty

import os_resource_classes

from nova_generic_mdev import exceptions

# A consumer's allocations, by its uuid: {'allocations': {provider uuid:
# {'resources': {class: amount}}}, ...}, as Nova hands them to its drivers.
Allocations = cabc.Mapping[str, cabc.Mapping[str, ty.Any]]


def reshape(
    allocations: Allocations,
    root: str,
    holdings: cabc.Mapping[str, cabc.Mapping[str, int]],
    resource_class: str = os_resource_classes.VGPU,
) -> dict[str, dict[str, ty.Any]]:
    """The allocations with a class moved from the root to where the mdevs are.

    A host that Nova <= 17 (Queens) ran has its mdevs in the root provider.

    :param root: uuid of the compute node's provider
    :param holdings: by consumer, how many mdevs it has by provider uuid
    :returns: of all consumers; what was given stays as it is
    :raises RequestError: what a consumer holds is not what it was allocated
    """
    moved = {}
    for consumer, told in allocations.items():
        moved[consumer] = copy.deepcopy(dict(told))
        on_root = moved[consumer]['allocations'].get(root, {}).get('resources', {})
        if resource_class in on_root:
            held = holdings.get(consumer, {})
            _check_held(consumer, root, resource_class, on_root[resource_class], held)
            _move(moved[consumer]['allocations'], root, resource_class, held)
    return moved


def _check_held(
    consumer: str,
    root: str,
    resource_class: str,
    amount: int,
    held: cabc.Mapping[str, int],
) -> None:
    if sum(held.values()) != amount:
        raise exceptions.RequestError(
            consumer,
            f'root provider {root}',
            resource_class,
            f'{amount} allocated, but {sum(held.values())} of its mdevs are known '
            'here; look for its guest, or heal its allocations',
        )


def _move(
    allocation: dict[str, ty.Any],
    root: str,
    resource_class: str,
    held: cabc.Mapping[str, int],
) -> None:
    del allocation[root]['resources'][resource_class]
    if not allocation[root]['resources']:
        del allocation[root]
    for provider, number in sorted(held.items()):
        if number:
            there = allocation.setdefault(provider, {'resources': {}})['resources']
            there[resource_class] = there.get(resource_class, 0) + number
