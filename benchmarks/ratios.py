# SPDX-License-Identifier: Apache-2.0
"""What the numbers say: this driver held against Nova's, and against the floor."""

from __future__ import annotations

import collections.abc as cabc

from benchmarks import hosts
from benchmarks import names
from benchmarks import results as resultslib
from benchmarks import tables

HEADER: tables.Row = ('what', 'measured', 'to reach')


def of(results: resultslib.Results) -> list[tables.Row]:
    """A row for each ratio of which both sides were measured."""
    return [
        row for rows in (_updates, _allocations, _programs) for row in rows(results)
    ]


class _Rows:
    """Rows of one table; what was not measured is left out."""

    def __init__(self, results: resultslib.Results) -> None:
        self._results = results
        self.rows: list[tables.Row] = []

    def times(
        self,
        what: str,
        slow: tuple[str, str, hosts.Size],
        fast: tuple[str, str, hosts.Size],
        reach: str = '',
    ) -> None:
        """How many times as long one thing took as another."""
        try:
            ratio = self._results.ratio(
                self._results.find(*slow), self._results.find(*fast)
            )
        except KeyError:
            return
        self.rows.append((what, f'{ratio:.3g} times', reach))


def _updates(results: resultslib.Results) -> cabc.Iterable[tables.Row]:
    rows = _Rows(results)
    for size, name in ((hosts.LARGE, '1 type'), (hosts.MANY_TYPES, '16 types, 1 on')):
        for what in (names.UPDATE, names.CHANGED):
            ours = (what, names.OURS, size)
            about = f'{what}, {name}:'
            in_tree = (what, names.IN_TREE, size)
            rows.times(f'{about} in-tree / ours', in_tree, ours, 'at least 10 times')
            bare = (names.bare(what), names.PYTHON, size)
            rows.times(
                f'{about} ours / bare reads in Python', ours, bare, 'at most 3 times'
            )
            bare = (names.bare(what), names.C, size)
            rows.times(f'{about} ours / bare reads in C', ours, bare)
            libvirt = (what, names.LIBVIRT, size)
            rows.times(f'{about} in-tree / ours over libvirt', in_tree, libvirt)
    ours = (names.UPDATE, names.OURS, hosts.ALL_ENABLED)
    bare = (names.bare(names.UPDATE), names.PYTHON, hosts.ALL_ENABLED)
    rows.times('update, 16 types, all on: ours / bare reads in Python', ours, bare)
    return rows.rows


def _allocations(results: resultslib.Results) -> cabc.Iterable[tables.Row]:
    rows = _Rows(results)
    for who, where in ((names.OURS, ''), (names.ON_DISK, ', on disk')):
        ours = (names.ALLOCATION, who, hosts.LARGE)
        small = (names.ALLOCATION, who, hosts.SMALL)
        about = f'allocation{where}: large host / small host'
        rows.times(about, ours, small, 'at most 1.5 times')
        in_tree = (names.ALLOCATION, names.IN_TREE, hosts.LARGE)
        about = f'allocation{where}: in-tree / ours'
        rows.times(about, in_tree, ours, 'at least 50 times')
        ours, in_tree = (
            (names.STORM, each, hosts.LARGE) for each in (who, names.IN_TREE)
        )
        about = f'100 allocations by 8 threads{where}: in-tree / ours'
        rows.times(about, in_tree, ours, 'at least 20 times')
    return rows.rows


_REACH = {
    'nova-mdev --help': 'under 0.3 s',
    'nova-mdev inventory list': 'under 1 s, under 80 MiB',
    'nova-mdev audit': '',
}


def _programs(results: resultslib.Results) -> cabc.Iterable[tables.Row]:
    for result in results.all:
        if result.what == names.COMMAND:
            seconds = f'{result.times.median:.2f} s, {result.memory or 0:.0f} MiB'
            yield (f'{result.subject}, {result.size}', seconds, _REACH[result.subject])
