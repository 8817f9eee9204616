# SPDX-License-Identifier: Apache-2.0
"""Every size of host, one row each: this driver beside Nova's own."""

from __future__ import annotations

import collections.abc as cabc

from benchmarks import hosts
from benchmarks import names
from benchmarks import results as resultslib
from benchmarks import tables

_WHATS = names.UPDATE, names.CHANGED, names.ALLOCATION
HEADER: tables.Row = (
    'P', 'T', 'M', 'G',
    *(heading for what in _WHATS for heading in (f'{what}: in-tree', 'ours', 'times')),
)  # fmt: skip


def of(results: resultslib.Results) -> cabc.Iterator[tables.Row]:
    """A row for each size of the grid: milliseconds, and how many times as long.

    :raises KeyError: the grid was not measured
    """
    for size in hosts.grid():
        counts = size.parents, size.types, size.mdevs, size.guests
        cells = (cell for what in _WHATS for cell in _compared(results, what, size))
        yield (*map(str, counts), *cells)


def _compared(
    results: resultslib.Results, what: str, size: hosts.Size
) -> tuple[str, str, str]:
    in_tree, ours = (results.find(what, who, size) for who in names.COMPARED)
    return (
        tables.milliseconds(in_tree.times.median),
        tables.milliseconds(ours.times.median),
        f'{results.ratio(in_tree, ours):.3g}',
    )
