# SPDX-License-Identifier: Apache-2.0
"""The plots of the documentation, drawn from the numbers."""

from __future__ import annotations

import pathlib
import typing as ty

from benchmarks import hosts
from benchmarks import names
from benchmarks import results as resultslib

_NAMES = {
    names.IN_TREE: "Nova's driver",
    names.OURS: 'this driver, sysfs',
    names.LIBVIRT: 'this driver, libvirt',
}
_COLOURS = {names.IN_TREE: '#b03a2e', names.OURS: '#1f618d', names.LIBVIRT: '#7fb3d5'}


def draw(results: resultslib.Results, path: pathlib.Path) -> None:
    """Updates and allocations, by how much there is of a host."""
    # Of this alone; the numbers need no library.
    import matplotlib as mpl

    mpl.use('svg')
    mpl.rcParams['svg.hashsalt'] = 'nova-generic-mdev'
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.6), layout='constrained')
    _lines(axes[0], results, names.UPDATE, 'one update')
    _lines(axes[1], results, names.ALLOCATION, 'one allocation')
    _types(axes[2], results)
    figure.savefig(path, metadata={'Date': None})
    pyplot.close(figure)


def diagonal() -> list[hosts.Size]:
    """Hosts that grow in everything at once."""
    return [
        hosts.Size(parents=p, types=1, mdevs=n, guests=n)
        for p, n in ((8, 0), (64, 64), (256, 256))
    ]


def by_enabled() -> list[hosts.Size]:
    """A host of which more and more is asked."""
    return [
        hosts.Size(parents=256, types=16, mdevs=256, guests=256, enabled=n)
        for n in (1, 2, 4, 8, 16)
    ]


def _lines(axes: ty.Any, results: resultslib.Results, what: str, title: str) -> None:
    for subject, name in _NAMES.items():
        found = [results.find(what, subject, size) for size in diagonal()]
        label = [f'{s.parents}/{s.mdevs}/{s.guests}' for s in diagonal()]
        took = [result.times.median * 1000 for result in found]
        axes.plot(label, took, marker='o', label=name, color=_COLOURS[subject])
    axes.set_yscale('log')
    axes.set_title(title)
    axes.set_xlabel('parents / mdevs / guests')
    axes.set_ylabel('ms')
    axes.legend(frameon=False)


def _types(axes: ty.Any, results: resultslib.Results) -> None:
    sizes = by_enabled()
    asked = [size.parents * size.enabled for size in sizes]
    ours = [results.find(names.UPDATE, names.OURS, size).times.median for size in sizes]
    bare = [
        results.find(names.bare(names.UPDATE), names.PYTHON, size).times.median
        for size in sizes
    ]
    for took, name, colour in (
        (ours, 'this driver, sysfs', _COLOURS[names.OURS]),
        (bare, 'bare reads in Python', '#7d6608'),
    ):
        axes.plot(asked, [t * 1000 for t in took], marker='o', label=name, color=colour)
    axes.set_title('one update, by what is asked of it')
    axes.set_xlabel('parents, times enabled types')
    axes.set_ylabel('ms')
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
