# SPDX-License-Identifier: Apache-2.0
"""Inventories follow real pools: what is published is what can be created."""

from __future__ import annotations

import pytest

from tests import pools
from tests.system.program import Program
from tests.system.test_effects import defined
from tests.system.test_machine import create
from tests.system.test_machine import sysfs_name

CONSUMER = '5e1f0000-0000-4000-8000-00000000000c'
REAL = [
    pytest.param(sequence, id=sequence.id)
    for sequence in pools.POOL_SEQUENCES
    if sequence.real
]


def configured(left: pools.Left) -> str:
    """Every type of these parents enabled, each with a class of its own."""
    types = sorted({mdev_type for types in left.values() for mdev_type in types})
    groups = [f'[devices]\nenabled_mdev_types = {", ".join(types)}\n']
    for mdev_type in types:
        parents = sorted(parent for parent in left if mdev_type in left[parent])
        groups.append(
            f'[mdev_{mdev_type}]\n'
            f'device_addresses = {", ".join(parents)}\n'
            f'mdev_class = {mdev_type.replace("-", "_")}\n'
        )
    return '\n'.join(groups)


def usable(program: Program, mine: dict[str, int]) -> dict[str, dict[str, int]]:
    """What consumers can still get, by parent and mdev type.

    :param mine: how many a consumer of Placement holds, by mdev type
    """
    found: dict[str, dict[str, int]] = {}
    for row in program.rows('inventory', 'list'):
        left = row['total'] - row['reserved'] - mine.get(row['mdev_type'], 0)
        assert row['max_unit'] == row['total'] >= 1
        found.setdefault(row['parent'], {})[row['mdev_type']] = left
    return found


@pytest.mark.parametrize('sequence', REAL)
def test_the_inventory_is_what_the_kernel_would_still_create(
    program: Program, sequence: pools.PoolSequence
) -> None:
    """Others create, we publish: before, during, and after the pool is full.

    The record is made first, so that what others make is theirs and not idle.
    """
    program.configure(configured(sequence.start))
    assert usable(program, {}) == sequence.start
    parent, mdev_type = next((p, t) for p in sequence.start for t in sequence.start[p])
    resource = f'{parent}:{mdev_type.replace("-", "_")}=1'
    program.allocate(CONSUMER, resource)
    program.rows('device', 'release', CONSUMER)

    number = 0
    for step in sequence.steps:
        for _ in range(step.times):
            number += 1
            create(program.machine, sysfs_name(step.parent), step.mdev_type, number)
        assert usable(program, {}) == step.left

    parent, mdev_type, _errno = sequence.refused
    refused = program.run(
        'device', 'allocate', '--consumer', CONSUMER,
        '--resource', f'{parent}:{mdev_type.replace("-", "_")}=1', check=False,
    )  # fmt: skip
    assert refused.status == 1
    assert f'{parent} cannot give 1 of {mdev_type}: 0 left' in refused.stderr


def test_what_was_decided_and_then_refused_by_the_kernel_is_undone(
    program: Program,
) -> None:
    """24 single ports fit, and so does a double one; both together do not."""
    program.configure(configured({'mtty_mtty': {'mtty-1': 24, 'mtty-2': 12}}))

    refused = program.run(
        'device', 'allocate', '--consumer', CONSUMER,
        '--resource', 'mtty:mtty_1=23', '--resource', 'mtty:mtty_2=1', check=False,
    )  # fmt: skip

    assert refused.status == 1
    assert 'mtty_mtty cannot give 1 of mtty-' in refused.stderr
    assert (program.live(), defined(program.machine)) == (set(), [])
    assert program.listed() == []
    assert program.left('mtty', 'mtty-1') == 24
