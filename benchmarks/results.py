# SPDX-License-Identifier: Apache-2.0
"""What came of a run: kept as JSON, told as tables, with ratios."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import json
import os
import pathlib
import platform
import statistics
import typing as ty

from benchmarks import hosts
from benchmarks import tables
from benchmarks import timing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """One thing that was measured.

    :param subject: a driver, a command, or what a floor is written in
    :param calls: of libvirt, where they were counted
    :param memory: in MiB, where it was measured
    """

    what: str
    subject: str
    size: hosts.Size
    seconds: tuple[float, ...]
    calls: int | None = None
    memory: float | None = None

    @property
    def times(self) -> timing.Times:
        """The same, with its median."""
        return timing.Times(seconds=self.seconds)


class Results:
    """All that was measured in one run."""

    def __init__(self, results: cabc.Iterable[Result] = ()) -> None:
        self.all = list(results)

    def add(self, what: str, subject: str, size: hosts.Size, **facts: ty.Any) -> Result:
        """Note one."""
        self.all.append(Result(what=what, subject=subject, size=size, **facts))
        return self.all[-1]

    def find(self, what: str, subject: str, size: hosts.Size) -> Result:
        """The one that was measured so.

        :raises KeyError: none was
        """
        for result in self.all:
            if (result.what, result.subject, result.size) == (what, subject, size):
                return result
        raise KeyError(f'{what} of {subject} at {size}')

    def ratio(self, slow: Result, fast: Result) -> float:
        """How many times as long one took as another, turn by turn; the median."""
        turns = zip(slow.seconds, fast.seconds, strict=True)
        return statistics.median(one / other for one, other in turns)

    def write(self, path: pathlib.Path) -> None:
        """Keep all of it, and where it was measured."""
        told = {
            'machine': machine(),
            'results': [dataclasses.asdict(result) for result in self.all],
        }
        path.write_text(json.dumps(told, indent=1) + '\n', encoding='ascii')

    @classmethod
    def read(cls, path: pathlib.Path) -> Results:
        """What was kept."""
        told = json.loads(path.read_text(encoding='ascii'))['results']
        return cls(
            Result(
                **{
                    **each,
                    'size': hosts.Size(**each['size']),
                    'seconds': tuple(each['seconds']),
                }
            )
            for each in told
        )


def machine() -> dict[str, ty.Any]:
    """Where it was measured, as far as numbers depend on it."""
    return {
        'python': platform.python_version(),
        'kernel': platform.release().partition('-')[0],
        'processors': os.cpu_count(),
        'nova': _version('nova'),
    }


def _version(distribution: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def told(result: Result) -> tables.Row:
    """One row: the median, the least, the most."""
    times = result.times
    return (
        result.what,
        result.subject,
        *(str(getattr(result.size, f.name)) for f in dataclasses.fields(result.size)),
        tables.milliseconds(times.median),
        tables.milliseconds(times.least),
        tables.milliseconds(times.most),
        '' if result.calls is None else str(result.calls),
        '' if result.memory is None else f'{result.memory:.1f}',
    )


HEADER: tables.Row = (
    'what', 'of', 'P', 'T', 'M', 'G', 'E', 'ms', 'least', 'most', 'calls', 'MiB',
)  # fmt: skip
