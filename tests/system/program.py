# SPDX-License-Identifier: Apache-2.0
"""The installed ``nova-mdev`` in a machine, and what it says."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import NamedTuple

from tests.system.guest import domain
from tests.system.machine import Machine
from tests.system.machine import Result
from tests.system.machine import image

CONF = '/etc/nova/nova.conf'
STATE = '/var/lib/nova/mdev'
#: what a test gives of two parents
TWO_TYPES = """
[devices]
enabled_mdev_types = mtty-2, mdpy-vga
[mdev_mtty-2]
device_addresses = mtty
[mdev_mdpy-vga]
device_addresses = mdpy
"""
_CUT = Path(__file__).with_name('cut.py')
_IN_MACHINE = f'/root/{_CUT.name}'
_SERIES = [f'{image.VENV}/bin/python', _IN_MACHINE]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One command of a series: of the program, or of bash.

    :param knife: where it is killed; see `cut`
    """

    words: Sequence[str] = ()
    knife: tuple[str, str, int] | None = None
    bash: str = ''


class Ended(NamedTuple):
    """How a step ended; its status as a shell tells it."""

    status: int
    stdout: str
    stderr: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What it lists, asked for as JSON."""
        rows: list[dict[str, Any]] = json.loads(self.stdout)
        return rows


class Program:
    """Runs commands of the program, and what a test needs around them."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.environment: dict[str, str] = {}
        self.options: list[str] = []

    def configure(self, text: str) -> None:
        """Write nova.conf, and forget what earlier tests recorded."""
        self.machine.write_text(CONF, text)
        self.machine.run(f'rm -rf {STATE}')

    def run(self, *words: str, check: bool = True) -> Result:
        """Run one command."""
        return self.machine.run(
            ['nova-mdev', *self.options, *words],
            check=check,
            timeout=300,
            environment=self.environment,
        )

    def series(self, steps: Sequence[Step]) -> list[Ended]:
        """Run many commands, without what it takes to start each here."""
        told = self.machine.run(
            self.runner(),
            stdin=self.asked(steps),
            timeout=120 + 30 * len(steps),
            environment=self.environment,
        )
        return [Ended(*each) for each in json.loads(told.stdout)]

    def runner(self) -> list[str]:
        """The command that runs a series, which is in the machine from now on."""
        self.machine.put(_CUT, _IN_MACHINE)
        return _SERIES

    def asked(self, steps: Sequence[Step]) -> bytes:
        """What `runner` reads."""
        told = [dataclasses.asdict(step) for step in steps]
        for step in told:
            step['words'] = [*self.options, *step['words']]
        return json.dumps(told).encode()

    def rows(self, *words: str) -> list[dict[str, Any]]:
        """What one command lists."""
        rows: list[dict[str, Any]] = json.loads(self.run(*words, '-f', 'json').stdout)
        return rows

    def allocate(
        self, consumer: str, *resources: str, in_placement: bool = False
    ) -> list[dict[str, Any]]:
        """Give a consumer ``PARENT:CLASS=N``, once or more."""
        asked = [word for r in resources for word in ('--resource', r)]
        asked += ['--in-placement'] if in_placement else []
        return self.rows('device', 'allocate', '--consumer', consumer, *asked)

    def listed(self) -> list[dict[str, Any]]:
        """What ``device list`` has, but what nobody except libvirt knows.

        Busy, libvirt reads mdevctl's list while an mdev is undefined, and lists
        that mdev until it reads again.  What is defined must be asked beside it.
        """
        return [
            row
            for row in self.rows('device', 'list')
            if row['origin'] or row['state'] != 'inactive'
        ]

    def left(self, sysname: str, mdev_type: str) -> int:
        """What the kernel says can still be created."""
        path = f'/sys/class/mdev_bus/{sysname}/mdev_supported_types/{mdev_type}'
        return int(self.machine.output(f'cat {path}/available_instances'))

    def live(self) -> set[str]:
        """The uuids of all mdevs in the kernel."""
        return set(self.machine.output('ls /sys/bus/mdev/devices').split())

    def boot(self, name: str, uuids: list[str]) -> str:
        """Start the firmware guest with mdevs; returns what it said until done."""
        hostdevs = [self.run('device', 'xml', uuid).stdout for uuid in uuids]
        path = f'/root/{name}.xml'
        self.machine.write_text(path, domain.firmware_xml(name, hostdevs))
        self.machine.run(f'virsh -q create {path}', timeout=120)
        return self.said(name)

    def said(self, name: str) -> str:
        """What a firmware guest said until it was done."""
        console = domain.console_path(name)
        self.machine.wait_for(
            f'guest {name} is done', f"grep -q 'guest: done' {console}", timeout=240
        )
        return self.machine.output(f"sed '/guest: done/q' {console}")
