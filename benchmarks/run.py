# SPDX-License-Identifier: Apache-2.0
"""One run: every host and every driver, those that are compared in turns."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import functools
import pathlib
import typing as ty

from benchmarks import commands
from benchmarks import floor
from benchmarks import hosts
from benchmarks import names
from benchmarks import records
from benchmarks import results as resultslib
from benchmarks import tables
from benchmarks import timing
from benchmarks import trees
from benchmarks.nova import operations
from benchmarks.nova import workers

_OPERATIONS = {
    names.UPDATE: 'update',
    names.CHANGED: 'update_after_change',
    names.ALLOCATION: 'allocation',
}
# What is measured: by what, by whom, on which host.
_Key = tuple[str, str, hosts.Size]
_Runs = dict[_Key, cabc.Callable[[], timing.Once]]


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

    def together(
        self,
        sizes: cabc.Collection[hosts.Size],
        kinds: cabc.Collection[str] = names.KINDS,
        floors: cabc.Container[hosts.Size] = (),
    ) -> None:
        """Updates and allocations on hosts that are compared, in turns.

        :param kinds: the drivers; Nova's own where it can
        :param floors: the hosts of which the bare reads are measured as well
        """
        with contextlib.ExitStack() as stack:
            who = [
                stack.enter_context(self._worker(kind, size))
                for size in sizes
                for kind in kinds
                if size.enabled == 1 or kind != names.IN_TREE
            ]
            bare = {
                size: stack.enter_context(self._floor(size))
                for size in sizes
                if size in floors
            }
            for what, operation in _OPERATIONS.items():
                runs: _Runs = {
                    (what, worker.kind, worker.size): functools.partial(
                        worker, operation
                    )
                    for worker in who
                }
                if what != names.ALLOCATION:
                    runs |= _bare(what, bare)
                self._in_turns(runs)

    def _in_turns(self, runs: _Runs) -> None:
        for (what, subject, size), taken in timing.in_turns(
            runs, self._repeats
        ).items():
            seconds = tuple(once.seconds for once in taken)
            self._note(what, subject, size, seconds=seconds, calls=taken[-1].calls)

    def storms(
        self,
        size: hosts.Size,
        kinds: cabc.Collection[str] = names.KINDS,
        count: int = operations.STORM,
    ) -> None:
        """Many at once, by each driver in turns, each time on a host as it was."""
        taken: dict[_Key, list[float]] = {}
        for _ in range(max(1, self._repeats // 2)):
            for kind in kinds:
                with self._worker(kind, size) as worker:
                    worker('allocation')
                    pair = worker('storm', count)
                for what, once in zip((names.STORM, names.RELEASES), pair, strict=True):
                    if once is not None:
                        key = what, kind, size
                        taken.setdefault(key, []).append(once.seconds)
        for key, seconds in taken.items():
            self._note(*key, seconds=tuple(seconds))

    def recoveries(self, size: hosts.Size) -> None:
        """After a reboot."""
        with contextlib.ExitStack() as stack:
            self._in_turns(
                {
                    (names.RECOVERY, kind, size): functools.partial(
                        stack.enter_context(self._worker(kind, size)), 'recovery'
                    )
                    for kind in names.COMPARED
                }
            )

    def memories(self, size: hosts.Size) -> None:
        """What an update needs in memory, beside how long it took."""
        for kind in names.KINDS:
            with self._worker(kind, size) as worker:
                once = worker('update')
                self._note(
                    names.MEMORY, kind, size,
                    seconds=(once.seconds,), memory=worker('memory'),
                )  # fmt: skip

    def programs(self, size: hosts.Size) -> None:
        """The command line, as whole processes."""
        with workers.directory(self._memory) as made:
            work, described = pathlib.Path(made), hosts.Described(size)
            trees.Tree(described, work / 'sys')
            records.store_of(described, work / 'state')
            commands.configuration(described, work / 'nova.conf')
            for name, arguments in commands.of_host(work).items():
                ran = commands.measure(arguments, self._repeats)
                self._note(
                    names.COMMAND, name, size,
                    seconds=ran.times.seconds, memory=ran.memory,
                )  # fmt: skip

    def _worker(self, kind: str, size: hosts.Size) -> workers.Worker:
        return workers.Worker(kind, size, self._memory, self._disk)

    @contextlib.contextmanager
    def _floor(self, size: hosts.Size) -> cabc.Iterator[floor.Floor]:
        with workers.directory(self._memory) as made:
            work, described = pathlib.Path(made), hosts.Described(size)
            trees.Tree(described, work / 'sys')
            yield floor.Floor(described, work / 'sys', work / 'floor')

    def _note(self, what: str, subject: str, size: hosts.Size, **facts: ty.Any) -> None:
        result = self.results.add(what, subject, size, **facts)
        took = tables.milliseconds(result.times.median)
        self._say(f'{result.size}: {what} by {subject}: {took} ms')


def _bare(what: str, floors: cabc.Mapping[hosts.Size, floor.Floor]) -> _Runs:
    runs: _Runs = {}
    for size, bare in floors.items():
        runs[names.bare(what), names.PYTHON, size] = bare.in_python
        runs[names.bare(what), names.C, size] = bare.in_c
    return runs
