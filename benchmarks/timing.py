# SPDX-License-Identifier: Apache-2.0
"""How long something takes: several times, in turns, and all of it told."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import gc
import statistics
import time
import typing as ty


@dataclasses.dataclass(frozen=True, kw_only=True)
class Once:
    """One run of something.

    :param calls: of libvirt, where they were counted
    """

    seconds: float
    calls: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Times:
    """What some runs took, in seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The one in the middle."""
        return statistics.median(self.seconds)

    @property
    def least(self) -> float:
        """The fastest run."""
        return min(self.seconds)

    @property
    def most(self) -> float:
        """The slowest run."""
        return max(self.seconds)


def once(work: cabc.Callable[[], object]) -> float:
    """The seconds that some work takes; what others left is collected before."""
    gc.collect()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


_Key = ty.TypeVar('_Key', bound=cabc.Hashable)


def in_turns(
    runs: cabc.Mapping[_Key, cabc.Callable[[], Once]], repeats: int
) -> dict[_Key, list[Once]]:
    """Run each of these once, then each of them again, and so on.

    Whatever slows the machine for a while slows all of them: what one took against
    another in one turn is not touched by it.  The first turn is not counted: it
    loads what is loaded once.
    """
    taken: dict[_Key, list[Once]] = {key: [] for key in runs}
    for _ in range(repeats + 1):
        for key, run in runs.items():
            taken[key].append(run())
    return {key: all_of_it[1:] for key, all_of_it in taken.items()}
