# SPDX-License-Identifier: Apache-2.0
"""What is measured of a driver on a host, one run at a time."""

from __future__ import annotations

import collections.abc as cabc
import itertools
import tracemalloc
import typing as ty

from benchmarks import names
from benchmarks import timing
from benchmarks.nova import drivers
from tests.nova.storm import crowd

THREADS = 8
STORM = 100


def _nothing() -> None:
    """What is done around a run that needs nothing."""


class Operations:
    """The operations, on one rig; each leaves it as it was, but for a storm.

    Updates and allocations are done twice, and the second counts: what another
    driver just did has taken the processor's caches from the first.
    """

    def __init__(self, rig: drivers.Rig) -> None:
        self._rig = rig
        self._tree = rig.copied_tree()
        self._numbers = itertools.count()
        # What the last consumer was given, and has not yet given back.
        self._given: list[tuple[int, str]] = []

    def update(self) -> timing.Once:
        """An update of a host on which nothing happened since the last."""
        return self._second(self._update)

    def update_after_change(self) -> timing.Once:
        """An update of a host on which a consumer was given an mdev since the last."""
        return self._second(self._update, before=self._give, after=self._take_back)

    def allocation(self) -> timing.Once:
        """An allocation of one mdev, which has to be made."""
        return self._second(self._give, after=self._take_back)

    def storm(self, size: int = STORM) -> tuple[timing.Once, timing.Once | None]:
        """Many allocations by several threads, and the releases after them.

        Nova's driver has no releases: what it made stays.
        """
        given: dict[int, str] = {}

        def allocate(number: int) -> None:
            (given[number],) = self._rig.allocate(number)
            self._rig.start_guest(given[number])

        allocations = self._once(_many(allocate, size))
        if self._rig.kind == names.IN_TREE:
            return allocations, None
        return allocations, self._once(_many(self._rig.release, size))

    def recovery(self) -> timing.Once:
        """Bringing back all that is claimed, after the machine was off and on.

        With Nova's driver libvirt keeps what was defined, and starts it.
        """
        if self._rig.kind == names.IN_TREE:
            start = self._rig.driver._start_inactive_mediated_devices
            return self._once(start, before=self._rig.libvirt.stop_all)
        recover = self._rig.driver._mdevs.engine.recover
        return self._once(recover, before=self._rig.sysfs.lose_all)

    def memory(self) -> float:
        """The most that an update has in memory beside what was there, in MiB."""
        self._update()
        self._give()
        tracemalloc.start()
        try:
            self._update()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            self._take_back()
        return most / 2**20

    def _second(
        self, work: cabc.Callable[[], object], **around: cabc.Callable[[], object]
    ) -> timing.Once:
        self._once(work, **around)
        return self._once(work, **around)

    def _once(
        self,
        work: cabc.Callable[[], object],
        before: cabc.Callable[[], object] = _nothing,
        after: cabc.Callable[[], object] = _nothing,
    ) -> timing.Once:
        before()
        calls = self._rig.libvirt.calls
        already = calls.total()
        seconds = timing.once(work)
        made = calls.total() - already
        after()
        return timing.Once(seconds=seconds, calls=made)

    def _update(self) -> None:
        self._rig.update(self._tree)

    def _give(self) -> None:
        number = next(self._numbers)
        self._given.append((number, self._rig.allocate(number)[0]))

    def _take_back(self) -> None:
        self._rig.take_back(*self._given.pop())


def _many(work: cabc.Callable[[int], ty.Any], count: int) -> cabc.Callable[[], None]:
    return lambda: crowd.at_once(work, range(count), THREADS)
