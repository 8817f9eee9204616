# SPDX-License-Identifier: Apache-2.0
"""One run: every host, every driver, one after the other in one process."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import pathlib
import tempfile
import typing as ty

from benchmarks import commands
from benchmarks import floor
from benchmarks import hosts
from benchmarks import records
from benchmarks import results as resultslib
from benchmarks import tables
from benchmarks import trees
from benchmarks.nova import drivers
from benchmarks.nova import operations

UPDATE, CHANGED, ALLOCATION = 'update', 'update after a change', 'allocation'
STORM, RELEASES, RECOVERY = 'storm', 'releases of the storm', 'recovery'
FLOOR = 'bare reads of an update'


class Run:
    """What is measured, and noted.

    :param repeats: of each operation on each host
    :param memory: a directory in memory, for the sysfs trees
    :param disk: one on a disk, for a record that has to reach it
    :param say: told of each result
    """

    def __init__(
        self,
        repeats: int,
        memory: pathlib.Path,
        disk: pathlib.Path,
        say: cabc.Callable[[str], object],
    ) -> None:
        self._repeats = repeats
        self._memory = memory
        self._disk = disk
        self._say = say
        self.results = resultslib.Results()

    def sizes(self, sizes: cabc.Iterable[hosts.Size]) -> None:
        """Updates and allocations, by each driver that can."""
        for size in sizes:
            for kind in drivers.KINDS:
                if size.enabled == 1 or kind != drivers.IN_TREE:
                    with self._rig(kind, size) as rig:
                        self._operations(rig)

    def _operations(self, rig: drivers.Rig) -> None:
        for what, measure in (
            (UPDATE, operations.update),
            (CHANGED, operations.update_after_change),
            (ALLOCATION, operations.allocation),
        ):
            measured = measure(rig, self._repeats)
            self._note(what, rig, seconds=measured.times.seconds, calls=measured.calls)

    def on_disk(self, size: hosts.Size) -> None:
        """Allocations whose claims have to reach a disk."""
        with self._rig(drivers.OURS, size, on_disk=True) as rig:
            measured = operations.allocation(rig, self._repeats)
            self._note(f'{ALLOCATION}, on disk', rig, seconds=measured.times.seconds)
            self._storm(rig, ', on disk')

    def storms(self, size: hosts.Size) -> None:
        """Many at once."""
        for kind in drivers.KINDS:
            with self._rig(kind, size) as rig:
                self._storm(rig)

    def _storm(self, rig: drivers.Rig, where: str = '') -> None:
        for what, seconds in zip((STORM, RELEASES), operations.storm(rig), strict=True):
            if seconds is not None:
                self._note(f'{what}{where}', rig, seconds=(seconds,))

    def recoveries(self, size: hosts.Size) -> None:
        """After a reboot."""
        with self._rig(drivers.OURS, size) as rig:
            self._note(RECOVERY, rig, seconds=operations.recovery(rig).seconds)
        with self._rig(drivers.IN_TREE, size) as rig:
            times = operations.recovery_in_tree(rig)
            self._note(RECOVERY, rig, seconds=times.seconds)

    def memories(self, size: hosts.Size) -> None:
        """What an update needs in memory."""
        for kind in drivers.KINDS:
            with self._rig(kind, size) as rig:
                for result in self.results.all:
                    if (result.what, result.subject, result.size) == (
                        UPDATE, kind, size,
                    ):  # fmt: skip
                        self._note(
                            f'{UPDATE}, memory',
                            rig,
                            seconds=result.seconds,
                            memory=operations.memory(rig),
                        )

    def floors(self, size: hosts.Size) -> None:
        """The bare reads, in Python and in C."""
        for place, name in ((self._memory, 'tmpfs'), (self._disk, 'disk')):
            with _directory(place) as work:
                described = hosts.Described(size)
                trees.Tree(described, work / 'sys')
                bare = floor.Floor(described, work / 'sys')
                repeats = 4 * self._repeats
                for subject, measure in (('Python', bare.in_python), ('C', bare.in_c)):
                    self._add(
                        FLOOR,
                        f'{subject}, {name}',
                        size,
                        seconds=measure(repeats).seconds,
                    )

    def programs(self, size: hosts.Size) -> None:
        """The command line, as whole processes."""
        with _directory(self._memory) as work:
            described = hosts.Described(size)
            trees.Tree(described, work / 'sys')
            records.store_of(described, work / 'state')
            commands.configuration(described, work / 'nova.conf')
            for name, arguments in commands.of_host(work).items():
                ran = commands.measure(arguments, self._repeats)
                self._add(
                    'command', name, size,
                    seconds=ran.times.seconds, memory=ran.memory,
                )  # fmt: skip

    @contextlib.contextmanager
    def _rig(
        self, kind: str, size: hosts.Size, *, on_disk: bool = False
    ) -> cabc.Iterator[drivers.Rig]:
        with _directory(self._memory) as work, _directory(self._disk) as slow:
            described = hosts.Described(size)
            state = slow if on_disk else work
            with drivers.Rig(kind, described, work, state / 'state') as rig:
                yield rig

    def _note(self, what: str, rig: drivers.Rig, **facts: ty.Any) -> None:
        self._add(what, rig.kind, rig.described.size, **facts)

    def _add(self, what: str, subject: str, size: hosts.Size, **facts: ty.Any) -> None:
        result = self.results.add(what, subject, size, **facts)
        took = tables.milliseconds(result.times.median)
        self._say(f'{result.size}: {what} by {subject}: {took} ms')


@contextlib.contextmanager
def _directory(above: pathlib.Path) -> cabc.Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory(prefix='mdev-benchmark-', dir=above) as made:
        yield pathlib.Path(made)
