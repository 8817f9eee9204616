# SPDX-License-Identifier: Apache-2.0
"""How long something takes: several times, and all of it told."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import gc
import statistics
import time


@dataclasses.dataclass(frozen=True, kw_only=True)
class Times:
    """What some runs took, in seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The one in the middle, which is what ratios are made of."""
        return statistics.median(self.seconds)

    @property
    def least(self) -> float:
        """The fastest run."""
        return min(self.seconds)

    @property
    def most(self) -> float:
        """The slowest run."""
        return max(self.seconds)


def nothing() -> None:
    """What is done around a run that needs nothing."""


def measure(
    work: cabc.Callable[[], object],
    repeats: int,
    before: cabc.Callable[[], object] = nothing,
    after: cabc.Callable[[], object] = nothing,
) -> Times:
    """What some work takes; what comes before and after each run is not counted.

    A first run is not counted either: it loads what is loaded once.
    """
    taken = []
    for _ in range(repeats + 1):
        before()
        gc.collect()
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
        after()
    return Times(seconds=tuple(taken[1:]))
