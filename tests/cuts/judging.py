# SPDX-License-Identifier: Apache-2.0
"""What is wrong after a cut: however it goes on, it ends as without one."""

from __future__ import annotations

import collections.abc as cabc

from tests.cuts import pictures
from tests.cuts import processes
from tests.cuts import restarts
from tests.cuts import results
from tests.cuts import stories
from tests.cuts import trials


class Judge:
    """Knows how it goes on without a cut: with the story not begun, and done."""

    def __init__(self, trial: trials.Trial) -> None:
        self._trial = trial
        self._untouched = self._outcomes(is_done=False)
        self._done = self._outcomes(is_done=True)

    def without_a_cut(self) -> list[str]:
        """What is wrong though nothing was cut: the rest is held against this."""
        return processes.forked(self._without_a_cut)

    def after_a_cut(self, kinds: cabc.Iterable[restarts.Kind]) -> list[str]:
        """What is wrong with the machine as it is now, and as it goes on."""
        machine = self._trial.machine
        now = pictures.taken(machine)
        problems = list(pictures.unknown(now, self._trial.before))
        problems += machine.not_their_owners()
        for kind in kinds:
            told = processes.forked(lambda k=kind: self._after_a_restart(k))
            problems += [f'{kind.name}: {problem}' for problem in told]
        return problems

    def _without_a_cut(self) -> list[str]:
        self._trial.move()
        before = self._trial.before
        is_refused = self._trial.tell() is not None
        now = pictures.taken(self._trial.machine)
        if is_refused and self._trial.story.is_whole and now != before:
            return ['it was refused, and left: ', *pictures.neither(now, before, {})]
        return list(pictures.unknown(now, before))

    def _outcomes(self, *, is_done: bool) -> dict[str, results.Outcome]:
        return {
            kind.name: processes.forked(lambda k=kind: self._uncut(k, is_done))
            for kind in restarts.KINDS
        }

    def _uncut(self, kind: restarts.Kind, is_done: bool) -> results.Outcome:
        self._trial.move()
        if is_done:
            self._trial.tell()
        return self._trial.go_on(kind)

    def _after_a_restart(self, kind: restarts.Kind) -> list[str]:
        self._trial.move()
        now = self._trial.go_on(kind)
        before, after = self._untouched[kind.name], self._done[kind.name]
        is_whole = self._trial.story.is_whole
        compare = (
            [pictures.neither, pictures.halves] if is_whole else [pictures.neither]
        )
        problems: list[str] = []
        if kind.mends:
            for find in compare:
                problems += find(now.restarted, before.restarted, after.restarted)
        if is_whole:
            told = (_unlike(now, after), _unlike(now, before))
            return problems + min(told, key=len)
        problems += pictures.neither(now.repeated, before.repeated, after.repeated)
        problems += pictures.neither(now.ended, before.ended, after.ended)
        return problems


def _unlike(now: results.Outcome, wanted: results.Outcome) -> list[str]:
    """How it is not as it is without a cut."""
    problems = []
    if now.refused != wanted.refused:
        problems.append(f'repeated: {now.refused}, expected {wanted.refused}')
    for when in ('repeated', 'ended'):
        there, should = getattr(now, when), getattr(wanted, when)
        told = pictures.others(there, should, stories.NAMED)
        problems += [f'{when}: {problem}' for problem in told]
    return problems
