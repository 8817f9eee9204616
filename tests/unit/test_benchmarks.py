# SPDX-License-Identifier: Apache-2.0
"""The hosts that are measured are as large as told; the ratios are what they say."""

from __future__ import annotations

import dataclasses
import functools

import pytest

from benchmarks import floor
from benchmarks import grid
from benchmarks import hosts
from benchmarks import plot
from benchmarks import ratios
from benchmarks import records
from benchmarks import results as resultslib
from benchmarks import tables
from benchmarks import timing
from benchmarks import trees
from nova_generic_mdev.host import sysfs

SIZE = hosts.Size(parents=3, types=2, mdevs=5, guests=4, enabled=2)
UUID = 'e0000000-0000-4000-8000-000000000001'


@pytest.fixture
def described():
    return hosts.Described(SIZE)


def test_a_host_is_as_large_as_told(described):
    snapshot = described.snapshot
    assert len(snapshot.parents) == 3
    assert all(len(parent.types) == 2 for parent in snapshot.parents.values())
    assert len(snapshot.mdevs) == 5
    assert len(described.guests) == 4
    assert {guest.mdev for guest in described.guests} < snapshot.mdevs.keys()


def test_every_size_of_the_grid_fits_on_its_parents():
    fullest = max(hosts.grid(), key=lambda size: size.mdevs / size.parents)
    snapshot = hosts.Described(fullest).snapshot
    assert len(snapshot.mdevs) == fullest.mdevs
    counts = [
        p.types['nvidia-1'].available_instances for p in snapshot.parents.values()
    ]
    assert min(counts) > 0


def test_the_tree_tells_what_was_described(described, tmp_path):
    trees.Tree(described, tmp_path)
    assert sysfs.SysfsReader(tmp_path).snapshot() == described.snapshot


def test_the_tree_changes_as_a_kernel_changes_it(described, tmp_path):
    tree = trees.Tree(described, tmp_path)
    tree.create(hosts.address(0), 'nvidia-1', UUID)
    parent = described.parents[0]
    described.host.place(UUID, parent, 'nvidia-1')
    found, wanted = sysfs.SysfsReader(tmp_path).snapshot(), described.host.snapshot()
    assert found.parents == wanted.parents
    assert found.mdevs.keys() == wanted.mdevs.keys()
    tree.remove(UUID)
    assert sysfs.SysfsReader(tmp_path).snapshot() == described.snapshot
    tree.lose_all()
    assert sysfs.SysfsReader(tmp_path).snapshot().mdevs == {}


def test_each_guest_has_claimed_what_it_has(described, tmp_path):
    known = records.store_of(described, tmp_path / 'state').load()
    held = {claim.consumer: uuid for uuid, claim in known.claims.items()}
    assert held == {guest.uuid: guest.mdev for guest in described.guests}


def test_the_floor_reads_what_can_change(described, tmp_path):
    trees.Tree(described, tmp_path)
    bare = floor.Floor(described, tmp_path, tmp_path / 'floor')
    counts, mdevs = bare.read()
    assert len(counts) == SIZE.parents * SIZE.enabled
    assert sum(counts) == len(counts) * hosts.ROOM - SIZE.mdevs
    assert set(mdevs) == described.snapshot.mdevs.keys()


def test_it_is_run_in_turns_and_the_first_is_not_counted():
    ran = []

    def run(name):
        ran.append(name)
        return timing.Once(seconds=len(ran))

    runs = {name: functools.partial(run, name) for name in ('a', 'b')}
    taken = timing.in_turns(runs, 2)
    assert ran == ['a', 'b'] * 3
    assert {n: [o.seconds for o in taken[n]] for n in 'ab'} == {
        'a': [3, 5],
        'b': [4, 6],
    }


def test_the_median_the_least_and_the_most():
    times = timing.Times(seconds=(3.0, 1.0, 2.0))
    assert (times.median, times.least, times.most) == (2.0, 1.0, 3.0)


@pytest.fixture
def results():
    found = resultslib.Results()
    for what, subject, seconds in (
        # The machine was slow in the third turn, and then in the second.
        ('update', 'in-tree', (0.1, 0.2, 0.9)),
        ('update', 'ours', (0.002, 0.004, 0.018)),
        ('bare reads of an update', 'Python', (0.001, 0.004, 0.009)),
    ):
        found.add(what, subject, hosts.LARGE, seconds=seconds, calls=1026)
    return found


def test_ratios_are_of_turns(results):
    told = {what: measured for what, measured, _ in ratios.of(results)}
    assert told == {
        'update, 1 type: in-tree / ours': '50 times',
        'update, 1 type: ours / bare reads in Python': '2 times',
    }


def test_what_was_kept_is_read_again(results, tmp_path):
    results.write(tmp_path / 'kept.json')
    assert resultslib.Results.read(tmp_path / 'kept.json').all == results.all


def test_a_table_has_aligned_columns(results):
    rows = [resultslib.told(result) for result in results.all]
    lines = tables.text(resultslib.HEADER, rows).splitlines()
    assert lines[0] == lines[2] == lines[-1]
    assert lines[3].split()[:2] == ['update', 'in-tree']
    assert lines[3].split()[-4:] == ['200', '100', '900', '1026']
    assert len({line.index('256') for line in lines[3:6]}) == 1


def test_what_was_not_measured_is_told(results):
    size = dataclasses.replace(hosts.LARGE, guests=0)
    with pytest.raises(KeyError, match='G=0'):
        results.find('update', 'ours', size)


def test_every_size_of_the_plots_is_measured_in_a_run():
    assert hosts.LARGE in plot.diagonal()
    assert hosts.SMALL in plot.diagonal()
    assert plot.by_enabled()[0] == hosts.MANY_TYPES
    assert plot.by_enabled()[-1] == hosts.ALL_ENABLED


def test_the_grid_has_a_row_for_each_size():
    found = resultslib.Results()
    for size in hosts.grid():
        for what in ('update', 'update after a change', 'allocation'):
            found.add(what, 'in-tree', size, seconds=(0.03,))
            found.add(what, 'ours', size, seconds=(0.002,))
    rows = list(grid.of(found))
    assert len(rows) == len({row[:4] for row in rows}) == 3 * 2 * 3 * 3
    assert {row[4:] for row in rows} == {('30', '2', '15') * 3}
    assert len(tables.text(grid.HEADER, rows).splitlines()) == 4 + len(rows)
