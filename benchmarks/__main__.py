# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks``, from the tree's root, in an environment with Nova."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import pathlib
import sys
import tempfile
import warnings

from benchmarks import grid
from benchmarks import hosts
from benchmarks import names
from benchmarks import plot
from benchmarks import ratios
from benchmarks import results as resultslib
from benchmarks import run as runlib
from benchmarks import tables

_SMOKE = (hosts.SMALL, hosts.Size(parents=2, types=2, mdevs=2, guests=2, enabled=2))


def main(arguments: list[str] | None = None) -> int:
    """Measure, tell, and keep what came of it."""
    options = _options(arguments)
    warnings.simplefilter('ignore')
    logging.getLogger().setLevel(logging.WARNING)
    results = _measured(options)
    rows = [resultslib.told(result) for result in results.all]
    _say(tables.text(resultslib.HEADER, rows))
    _say(tables.text(ratios.HEADER, ratios.of(results)))
    if options.all:
        _say(tables.text(grid.HEADER, grid.of(results)))
    if options.json:
        results.write(options.json)
    if options.docs:
        _document(results, options.docs, with_grid=options.all)
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m benchmarks')
    parser.add_argument('--repeats', type=int, default=7, help='runs of each')
    parser.add_argument(
        '--smoke', action='store_true', help='the smallest hosts, to see that it runs'
    )
    parser.add_argument('--all', action='store_true', help='every size of the grid')
    parser.add_argument('--json', type=pathlib.Path, help='keep the numbers here')
    parser.add_argument(
        '--docs', type=pathlib.Path, help="write the documentation's tables and plot"
    )
    parser.add_argument(
        '--memory', type=pathlib.Path, default='/dev/shm', help='a place in memory'
    )
    parser.add_argument(
        '--disk',
        type=pathlib.Path,
        default=tempfile.gettempdir(),
        help='a place on a disk',
    )
    options = parser.parse_args(arguments)
    if options.smoke and options.docs:
        parser.error('--smoke measures nothing that belongs into --docs')
    return options


def _measured(options: argparse.Namespace) -> resultslib.Results:
    run = runlib.Run(options.repeats, options.memory, options.disk, _progress)
    if options.smoke:
        _smoke(run)
        return run.results
    run.together(plot.diagonal(), floors=[hosts.LARGE])
    run.together(plot.by_enabled(), floors=plot.by_enabled())
    run.storms(hosts.LARGE)
    run.recoveries(hosts.LARGE)
    run.memories(hosts.LARGE)
    for size in (hosts.LARGE, hosts.MANY_TYPES):
        run.programs(size)
    for size in hosts.grid() if options.all else ():
        if size not in _plotted():
            run.together([size], names.COMPARED)
    return run.results


def _plotted() -> list[hosts.Size]:
    return [*plot.diagonal(), *plot.by_enabled()]


def _smoke(run: runlib.Run) -> None:
    run.together(_SMOKE, floors=_SMOKE)
    small = dataclasses.replace(hosts.SMALL, mdevs=4, guests=4)
    for measure in (run.storms, run.recoveries, run.memories, run.programs):
        measure(small)


def _document(
    results: resultslib.Results, source: pathlib.Path, *, with_grid: bool
) -> None:
    rows = [resultslib.told(r) for r in results.all if r.size in _plotted()]
    parts = {
        'ratios': (ratios.HEADER, ratios.of(results)),
        'table': (resultslib.HEADER, rows),
    }
    if with_grid:
        parts['grid'] = (grid.HEADER, list(grid.of(results)))
    machine = _MACHINE.format(**resultslib.machine())
    for name, (header, lines) in parts.items():
        told = f'{machine}\n\n{tables.text(header, lines)}\n'
        place = source / f'contributor/benchmarks-{name}.inc'
        place.write_text(told, encoding='utf-8')
    plot.draw(results, source / '_static/benchmarks.svg')


_MACHINE = (
    'Measured with Nova {nova}, Python {python} and a kernel {kernel}, '
    'on {processors} processors.'
)


def _progress(text: str) -> None:
    sys.stderr.write(f'{text}\n')


def _say(text: str) -> None:
    sys.stdout.write(f'{text}\n\n')


if __name__ == '__main__':
    sys.exit(main())
