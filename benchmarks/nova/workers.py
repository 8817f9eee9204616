# SPDX-License-Identifier: Apache-2.0
"""A driver on a described host, in a process of its own.

Several are measured in turns, so all of them are there at once; and each rig
replaces something in the same modules.  A line of JSON asks for an operation, and one
is the answer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback
import typing as ty

from benchmarks import hosts
from benchmarks import names
from benchmarks import timing
from benchmarks.nova import drivers
from benchmarks.nova import operations

_START = 'from benchmarks.nova import workers; workers.main()'
_PROGRAM = sys.executable, '-W', 'ignore', '-c', _START
_TREE = pathlib.Path(__file__).parents[2]


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
        work, slow = (self.enter_context(directory(place)) for place in (memory, disk))
        state = slow if kind == names.ON_DISK else work
        told = json.dumps(dataclasses.asdict(size))
        process = subprocess.Popen(
            [*_PROGRAM, kind, told, work, state],
            cwd=_TREE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._questions = ty.cast(ty.IO[str], process.stdin)
        self._answers = ty.cast(ty.IO[str], process.stdout)
        self.callback(process.communicate)

    def __call__(self, operation: str, *arguments: ty.Any) -> ty.Any:
        """Let it do one of :class:`~.operations.Operations`, by name.

        :raises RuntimeError: it failed; with its traceback
        """
        self._questions.write(json.dumps([operation, *arguments]) + '\n')
        self._questions.flush()
        answer = self._answers.readline()
        told = json.loads(answer) if answer else {'error': 'it has ended'}
        if 'error' in told:
            raise RuntimeError(f'{operation} of {self.kind}: {told["error"]}')
        return _heard(told['result'])


def directory(above: pathlib.Path) -> tempfile.TemporaryDirectory[str]:
    """A directory for a while."""
    return tempfile.TemporaryDirectory(prefix='mdev-benchmark-', dir=above)


def _heard(result: ty.Any) -> ty.Any:
    if isinstance(result, dict):
        return timing.Once(**result)
    return tuple(map(_heard, result)) if isinstance(result, list) else result


def _said(result: ty.Any) -> ty.Any:
    if isinstance(result, timing.Once):
        return dataclasses.asdict(result)
    return list(map(_said, result)) if isinstance(result, tuple) else result


def _serve(kind: str, size: hosts.Size, work: str, state: str) -> None:
    # Nova logs there, too.
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    described = hosts.Described(size)
    places = pathlib.Path(work), pathlib.Path(state) / 'state'
    with drivers.Rig(kind, described, *places) as rig:
        does = operations.Operations(rig)
        for line in sys.stdin:
            operation, *arguments = json.loads(line)
            try:
                told = {'result': _said(getattr(does, operation)(*arguments))}
            except Exception:  # noqa: BLE001 - of whatever kind, it is told
                told = {'error': traceback.format_exc()}
            answers.write(json.dumps(told) + '\n')
            answers.flush()


def main() -> None:
    """Do what is asked for on standard input."""
    kind, size, *places = sys.argv[1:]
    _serve(kind, hosts.Size(**json.loads(size)), *places)
