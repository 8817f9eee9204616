# SPDX-License-Identifier: Apache-2.0
"""The floor: the bare reads of what can have changed since the last update.

That is how many more of each enabled type each parent could have, and which
mdevs there are.
"""

from __future__ import annotations

import os
import pathlib
import subprocess

from benchmarks import hosts
from benchmarks import timing

_SOURCE = pathlib.Path(__file__).with_name('floor.c')


class Floor:
    """The reads of one update of a host that was written as a sysfs tree.

    :param program: where the reads in C are compiled to
    :raises CalledProcessError: there is no compiler
    """

    def __init__(
        self, described: hosts.Described, root: pathlib.Path, program: pathlib.Path
    ) -> None:
        self.counts = [
            str(
                (root / 'class/mdev_bus' / parent.sysname).resolve()
                / 'mdev_supported_types'
                / mdev_type
                / 'available_instances'
            )
            for parent in described.snapshot.parents.values()
            for mdev_type in described.enabled
        ]
        self.mdevs = str(root / 'bus/mdev/devices')
        self._program = str(program)
        compiler = os.environ.get('CC', 'cc')
        subprocess.run([compiler, '-O2', '-o', program, str(_SOURCE)], check=True)

    def read(self) -> tuple[list[int], list[str]]:
        """All of it, in Python."""
        counts = []
        for path in self.counts:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                counts.append(int(os.read(handle, 4096)))
            finally:
                os.close(handle)
        return counts, os.listdir(self.mdevs)

    def in_python(self) -> timing.Once:
        """What that takes, when it was just done."""
        self.read()
        return timing.Once(seconds=timing.once(self.read))

    def in_c(self) -> timing.Once:
        """What the same takes in C, when it was just done.

        :raises CalledProcessError: a file cannot be read
        """
        ran = subprocess.run(
            [self._program, self.mdevs, '2'],
            input='\n'.join([*self.counts, '']),
            capture_output=True,
            text=True,
            check=True,
        )
        return timing.Once(seconds=int(ran.stdout.split()[-1]) / 1e9)
