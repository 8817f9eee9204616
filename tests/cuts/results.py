# SPDX-License-Identifier: Apache-2.0
"""What is found, said and compared when a story is cut."""

from __future__ import annotations

import dataclasses
import enum

from tests.cuts import pictures


class Side(enum.StrEnum):
    """When a process is killed; ``late``: others do what it asked for afterwards."""

    BEFORE = 'before'
    AFTER = 'after'
    LATE = 'late'


@dataclasses.dataclass(frozen=True)
class Moment:
    """As :class:`.Moments` has it."""

    number: int
    what: str


@dataclasses.dataclass(frozen=True)
class Point:
    """An effect: what was changed between two moments.

    :param call: the number of the call, where others do it
    """

    before: Moment
    after: Moment
    call: int | None

    @property
    def sides(self) -> tuple[Side, ...]:
        if self.call is None:
            return (Side.BEFORE, Side.AFTER)
        return tuple(Side)

    def __str__(self) -> str:
        return self.after.what.removeprefix('after ')


@dataclasses.dataclass(frozen=True)
class Report:
    """What came of one story.

    :param cuts: how often a process was killed
    :param problems: what was wrong after that
    """

    points: tuple[str, ...]
    cuts: int
    problems: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a machine was after a restart, after the request was repeated, at the end.

    :param refused: what the request raised when it was repeated
    """

    restarted: pictures.Picture
    repeated: pictures.Picture
    refused: str | None
    ended: pictures.Picture
