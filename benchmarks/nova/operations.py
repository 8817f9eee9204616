# SPDX-License-Identifier: Apache-2.0
"""What is measured of a driver on a host."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import itertools
import time
import tracemalloc

from benchmarks import timing
from benchmarks.nova import drivers
from tests.nova.storm import crowd

THREADS = 8
STORM = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """What an operation took, and how often libvirt was called in one."""

    times: timing.Times
    calls: int


def update(rig: drivers.Rig, repeats: int) -> Measured:
    """Updates of a host on which nothing happened since the last."""
    tree = rig.copied_tree()
    return _measured(rig, lambda: rig.update(tree), repeats)


def update_after_change(rig: drivers.Rig, repeats: int) -> Measured:
    """Updates of a host on which a consumer was given an mdev since the last."""
    tree = rig.copied_tree()
    give, take_back = _giving(rig)
    return _measured(rig, lambda: rig.update(tree), repeats, give, take_back)


def allocation(rig: drivers.Rig, repeats: int) -> Measured:
    """Allocations of one mdev each, which has to be made."""
    give, take_back = _giving(rig)
    return _measured(rig, give, repeats, after=take_back)


def _giving(rig: drivers.Rig) -> tuple[cabc.Callable[[], None], ...]:
    """What gives one more consumer an mdev, and what takes the last one back."""
    numbers = itertools.count()
    given: list[tuple[int, str]] = []

    def give() -> None:
        number = next(numbers)
        given.append((number, rig.allocate(number)[0]))

    def take_back() -> None:
        rig.take_back(*given.pop())

    return give, take_back


def _measured(
    rig: drivers.Rig,
    work: cabc.Callable[[], object],
    repeats: int,
    before: cabc.Callable[[], object] = timing.nothing,
    after: cabc.Callable[[], object] = timing.nothing,
) -> Measured:
    calls = 0

    def counted() -> None:
        nonlocal calls
        already = rig.libvirt.calls.total()
        work()
        calls = rig.libvirt.calls.total() - already

    return Measured(times=timing.measure(counted, repeats, before, after), calls=calls)


def storm(rig: drivers.Rig) -> tuple[float, float | None]:
    """Seconds that many allocations by several threads take, and the releases.

    Nova's driver has no releases: what it made stays.
    """
    given: dict[int, str] = {}

    def allocate(number: int) -> None:
        (given[number],) = rig.allocate(number)
        rig.start_guest(given[number])

    allocations = _at_once(allocate, range(STORM))
    if rig.kind == drivers.IN_TREE:
        return allocations, None
    return allocations, _at_once(rig.release, range(STORM))


def _at_once(work: cabc.Callable[[int], object], items: cabc.Iterable[int]) -> float:
    begun = time.perf_counter()
    crowd.at_once(work, items, THREADS)
    return time.perf_counter() - begun


def recovery(rig: drivers.Rig) -> timing.Times:
    """Bringing back all that is claimed, after the machine was off and on."""

    def off_and_on() -> None:
        rig.sysfs.lose_all()

    return timing.measure(rig.driver._mdevs.engine.recover, 2, before=off_and_on)


def recovery_in_tree(rig: drivers.Rig) -> timing.Times:
    """The same with Nova's driver: libvirt keeps what was defined, and starts it."""
    return timing.measure(
        rig.driver._start_inactive_mediated_devices, 2, before=rig.libvirt.stop_all
    )


def memory(rig: drivers.Rig) -> float:
    """The most that an update has in memory beside what was there, in MiB."""
    tree = rig.copied_tree()
    rig.update(tree)
    rig.allocate(0)
    tracemalloc.start()
    try:
        rig.update(tree)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return most / 2**20
