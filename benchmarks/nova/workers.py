# SPDX-License-Identifier: Apache-2.0
"""A driver on a described host, in a process of its own.

Several are measured in turns, so all of them are there at once; and each rig
replaces something in the same modules.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import pathlib
import tempfile
import traceback
import typing as ty

from benchmarks import hosts
from benchmarks.nova import drivers
from benchmarks.nova import operations

# Nova is imported already; to import it again takes seconds.
_FORK = multiprocessing.get_context('fork')
# How often, in seconds, a worker finds out whether anybody will ask it again.
_WHILE = 5.0


class Worker(contextlib.ExitStack):
    """One driver, which does what it is asked.

    :param memory: a directory in memory, for the sysfs tree
    :param disk: one on a disk, for a record that has to reach it
    """

    def __init__(
        self, kind: str, size: hosts.Size, memory: pathlib.Path, disk: pathlib.Path
    ) -> None:
        super().__init__()
        self.kind = kind
        self.size = size
        work, slow = (
            pathlib.Path(self.enter_context(directory(place)))
            for place in (memory, disk)
        )
        state = (slow if kind == drivers.OURS_ON_DISK else work) / 'state'
        self._pipe, theirs = _FORK.Pipe()
        self._process = _FORK.Process(
            target=_serve, args=(theirs, kind, size, work, state), daemon=True
        )
        self._process.start()
        theirs.close()
        self.callback(self._end)

    def __call__(self, operation: str) -> ty.Any:
        """Let it do one of :class:`~.operations.Operations`, by name.

        :raises RuntimeError: it failed; with its traceback
        """
        self._pipe.send(operation)
        failed, told = self._pipe.recv()
        if failed:
            raise RuntimeError(f'{operation} of {self.kind}: {told}')
        return told

    def _end(self) -> None:
        # Other workers have this end, too: that it is closed is not seen.
        self._pipe.send(None)
        self._process.join()


def directory(above: pathlib.Path) -> tempfile.TemporaryDirectory[str]:
    """A directory for a while."""
    return tempfile.TemporaryDirectory(prefix='mdev-benchmark-', dir=above)


def _serve(
    pipe: multiprocessing.connection.Connection,
    kind: str,
    size: hosts.Size,
    work: pathlib.Path,
    state: pathlib.Path,
) -> None:
    with drivers.Rig(kind, hosts.Described(size), work, state) as rig:
        does = operations.Operations(rig)
        while operation := _asked(pipe):
            try:
                pipe.send((False, getattr(does, operation)()))
            except Exception:  # noqa: BLE001 - of whatever kind, it is told
                pipe.send((True, traceback.format_exc()))


def _asked(pipe: multiprocessing.connection.Connection) -> str | None:
    """What to do next; None: nothing more, or who would ask is gone."""
    asker = multiprocessing.parent_process()
    while not pipe.poll(_WHILE):
        if asker is None or not asker.is_alive():
            return None
    return ty.cast(str | None, pipe.recv())
