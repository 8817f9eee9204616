# SPDX-License-Identifier: Apache-2.0
"""What the numbers say: this driver held against Nova's, and against the floor."""

from __future__ import annotations

import collections.abc as cabc

from benchmarks import hosts
from benchmarks import results as resultslib
from benchmarks import tables

HEADER: tables.Row = ('what', 'measured', 'to reach')
_IN_TREE, _OURS, _LIBVIRT = 'in-tree', 'ours', 'ours, libvirt'
_FLOOR, _PYTHON = 'bare reads of an update', 'Python, tmpfs'


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
        for what in ('update', 'update after a change'):
            ours = (what, _OURS, size)
            about = f'{what}, {name}:'
            in_tree = (what, _IN_TREE, size)
            rows.times(f'{about} in-tree / ours', in_tree, ours, 'at least 10 times')
            bare = (_FLOOR, _PYTHON, size)
            rows.times(
                f'{about} ours / bare reads in Python', ours, bare, 'at most 3 times'
            )
            bare = (_FLOOR, 'C, tmpfs', size)
            rows.times(f'{about} ours / bare reads in C', ours, bare)
            libvirt = (what, _LIBVIRT, size)
            rows.times(f'{about} in-tree / ours over libvirt', in_tree, libvirt)
    ours = ('update', _OURS, hosts.ALL_ENABLED)
    bare = (_FLOOR, _PYTHON, hosts.ALL_ENABLED)
    rows.times('update, 16 types, all on: ours / bare reads in Python', ours, bare)
    return rows.rows


def _allocations(results: resultslib.Results) -> cabc.Iterable[tables.Row]:
    rows = _Rows(results)
    for where in ('', ', on disk'):
        ours = (f'allocation{where}', _OURS, hosts.LARGE)
        small = (f'allocation{where}', _OURS, hosts.SMALL)
        rows.times(
            f'allocation{where}: large host / small host',
            ours,
            small,
            'at most 1.5 times',
        )
        in_tree = ('allocation', _IN_TREE, hosts.LARGE)
        rows.times(
            f'allocation{where}: in-tree / ours', in_tree, ours, 'at least 50 times'
        )
        storm = (f'storm{where}', _OURS, hosts.LARGE)
        in_tree = ('storm', _IN_TREE, hosts.LARGE)
        about = f'100 allocations by 8 threads{where}: in-tree / ours'
        rows.times(about, in_tree, storm, 'at least 20 times')
    return rows.rows


_REACH = {
    'nova-mdev --help': 'under 0.3 s',
    'nova-mdev inventory list': 'under 1 s, under 80 MiB',
    'nova-mdev audit': '',
}


def _programs(results: resultslib.Results) -> cabc.Iterable[tables.Row]:
    for result in results.all:
        if result.what == 'command':
            seconds = f'{result.times.median:.2f} s, {result.memory or 0:.0f} MiB'
            yield (f'{result.subject}, {result.size}', seconds, _REACH[result.subject])
