# SPDX-License-Identifier: Apache-2.0
"""Runs a story once, finds its effects, and then cuts it before and after each."""

from __future__ import annotations

import collections.abc as cabc
import gc
import itertools
import logging
import multiprocessing
import os
import pathlib
import shutil
import signal
import tempfile
import typing as ty

from nova_generic_mdev.host import auto
from tests.cuts import faults
from tests.cuts import judging
from tests.cuts import lines
from tests.cuts import moments
from tests.cuts import processes
from tests.cuts import restarts
from tests.cuts import stories
from tests.cuts import trials
from tests.cuts.results import Moment
from tests.cuts.results import Point
from tests.cuts.results import Report
from tests.cuts.results import Side

# Durable writes to a disk would be most of the time that this takes.
_FAST = '/dev/shm'  # noqa: S108
_At = cabc.Callable[[int, cabc.Callable[[], str]], None]


def everywhere(name: str, backend: auto.Backend, fault: str | None = None) -> Report:
    """Cut one story everywhere, in a process of its own.

    :param fault: a mistake that is made; then the first problem is enough
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, name, backend, fault))
    process.start()
    theirs.close()
    try:
        report: Report = ours.recv()
    finally:
        process.join()
        ours.close()
    return report


def _work(pipe: ty.Any, name: str, backend: auto.Backend, fault: str | None) -> None:
    # What is undone and what was refused is told as it should be, many times.
    logging.disable(logging.CRITICAL)
    # This process is forked again and again, and lives for seconds.
    gc.freeze()
    gc.disable()
    (story,) = (s for s in stories.STORIES if s.name == name)
    folder = _FAST if os.access(_FAST, os.W_OK) else None
    top = pathlib.Path(tempfile.mkdtemp(prefix='cuts-', dir=folder))
    try:
        if fault is not None:
            faults.FAULTS[fault].make()
        cutting = _Cutting(trials.Trial(story, backend, top))
        pipe.send(cutting.run(is_one_enough=fault is not None))
    finally:
        shutil.rmtree(top)


class _Cutting:
    def __init__(self, trial: trials.Trial) -> None:
        self._trial = trial
        self._judge = judging.Judge(trial)
        self._seen: set[int] = set()

    def run(self, *, is_one_enough: bool) -> Report:
        points = processes.forked(self._points)
        problems = self._judge.without_a_cut()
        cuts = 0
        for point, side in _sides(points):
            if problems and is_one_enough:
                break
            states, told = processes.forked(lambda p=point, s=side: self._cut(p, s))
            # What it was before an effect, it was after the last one, too.
            self._seen |= states
            problems += [f'{side} {point}: {problem}' for problem in told]
            cuts += 1
        return Report(points=tuple(map(str, points)), cuts=cuts, problems=(*problems,))

    def _points(self) -> list[Point]:
        """Its effects: where the machine is another than it was the moment before."""
        self._trial.move()
        seen: list[tuple[Moment, bool, int | None]] = []

        def at_of(line: lines.Line) -> _At:
            line.told = seen
            return lambda number, what: seen.append(
                (Moment(number, what()), line.is_changed(), line.under_way)
            )

        status, told = self._act(at_of)
        assert status == 0, status
        return [
            Point(before=earlier[0], after=moment, call=call)
            for earlier, (moment, is_changed, call) in itertools.pairwise(told)
            if is_changed
        ]

    def _cut(self, point: Point, side: Side) -> tuple[set[int], list[str]]:
        """How the machine is after the cut, and what is wrong, however it goes on."""
        self._trial.move()
        moment = point.before if side is Side.BEFORE else point.after
        last_call = point.call if side is Side.LATE else None
        status, _ = self._act(
            lambda _line: moments.killed_at(moment.number, moment.what), last_call
        )
        if status != -signal.SIGKILL:
            return set(), [f'it was to be killed at {moment}, and ended with {status}']
        machine = self._trial.machine
        state, core = (
            hash(repr(machine.everything())),
            hash(repr(machine.what_counts())),
        )
        problems: list[str] = []
        if state not in self._seen:
            # It makes little difference to who finds which lock.
            kinds = restarts.KINDS if core not in self._seen else restarts.KINDS[:1]
            problems = self._judge.after_a_cut(kinds)
        return {state, core}, problems

    def _act(
        self, at_of: cabc.Callable[[lines.Line], _At], last_call: int | None = None
    ) -> tuple[int, ty.Any]:
        """The story, in a process that may be killed; how that ended."""
        ours, theirs = multiprocessing.Pipe()

        def work() -> None:
            ours.close()
            line = lines.Line(theirs, last_call)
            watching = moments.Moments(at_of(line))
            line.watched_by(watching)
            with watching.watched():
                self._trial.tell(line)
            line.end()

        switchboard = lines.Switchboard(self._trial.machine, ours)
        child = processes.start(work)
        theirs.close()
        switchboard.serve()
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status), switchboard.told


def _sides(points: cabc.Iterable[Point]) -> cabc.Iterator[tuple[Point, Side]]:
    for point in points:
        for side in point.sides:
            yield point, side
