# SPDX-License-Identifier: Apache-2.0
"""``nova-mdev`` as whole processes: how long they take, and how much memory."""

from __future__ import annotations

import dataclasses
import pathlib
import subprocess
import sys

from benchmarks import hosts
from benchmarks import timing

PROGRAM = pathlib.Path(sys.executable).with_name('nova-mdev')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ran:
    """What some runs of a command took.

    :param memory: the most that any of them had in memory, in MiB
    """

    times: timing.Times
    memory: float


def configuration(described: hosts.Described, path: pathlib.Path) -> None:
    """Write what an operator would, for the enabled types of a host."""
    lines = ['[devices]', f'enabled_mdev_types = {", ".join(described.enabled)}']
    addresses = ', '.join(hosts.address(n) for n in range(described.size.parents))
    for number, mdev_type in enumerate(described.enabled):
        lines += [f'[mdev_{mdev_type}]']
        lines += [f'mdev_class = {hosts.resource_class(number)}']
        if len(described.enabled) > 1:
            lines += [f'device_addresses = {addresses}']
    path.write_text('\n'.join([*lines, '']), encoding='ascii')


def of_host(work: pathlib.Path) -> dict[str, list[str]]:
    """The commands that are measured on a host that was written to a directory."""
    host = [
        f'--config-file={work}/nova.conf',
        f'--sysfs={work}/sys',
        f'--state-path={work}/state',
        '--root-provider=here',
    ]
    return {
        'nova-mdev --help': ['--help'],
        'nova-mdev inventory list': [*host, 'inventory', 'list'],
        'nova-mdev audit': [*host, 'audit'],
    }


def measure(arguments: list[str], repeats: int) -> Ran:
    """Run a command several times; the first run fills the caches.

    :raises RuntimeError: it failed
    """
    runs = [_run(arguments) for _ in range(repeats + 1)]
    return Ran(
        times=timing.Times(seconds=tuple(seconds for seconds, _ in runs[1:])),
        memory=max(kilobytes for _, kilobytes in runs) / 1024,
    )


# Who starts a process counts for the most memory that the process ever had, so it
# is a small one that does, and tells both.
_LAUNCHER = """
import os, sys, time
begun = time.perf_counter()
program = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, usage = os.wait4(program, 0)
print(time.perf_counter() - begun, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def _run(arguments: list[str]) -> tuple[float, int]:
    """Seconds, and the most kilobytes in memory."""
    ran = subprocess.run(
        [sys.executable, '-I', '-S', '-c', _LAUNCHER, str(PROGRAM), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(f'nova-mdev {" ".join(arguments)}: {ran.stderr}')
    seconds, kilobytes = ran.stdout.split()
    return float(seconds), int(kilobytes)
