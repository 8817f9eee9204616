# SPDX-License-Identifier: Apache-2.0
"""The main job, once through, on a real kernel: what ``make demo`` shows.

From ``nova.conf`` over a real Placement to a guest that talks to its device.
Every step is the installed ``nova-mdev`` in the machine; what it prints is what
is shown.  Placement runs beside the machine, on SQLite; what Nova's scheduler
would tell it, the demo does.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from pathlib import Path

from tests.functional import placement_service
from tests.system import wheel
from tests.system.guest import domain
from tests.system.machine import Machine
from tests.system.machine import MachineError

CONSUMER = '5e1f0000-0000-4000-8000-000000000001'
NOVA_CONF = """\
[devices]
enabled_mdev_types = mtty-2

[mdev_mtty-2]
mdev_class = mtty
"""
PROVIDER = 'demo_mtty_mtty'
CLASS = 'CUSTOM_MTTY'
_ENVIRONMENT = '/root/placement.env'
_ECHO = re.compile(r"guest: echo port \w+ wrote '(.*)' read '(.*)' ok")


class Story:
    """The steps; each says what it does, runs it, and shows what came of it."""

    def __init__(self, machine: Machine, placement: placement_service.Service) -> None:
        self._machine = machine
        self._placement = placement
        self._steps = 0

    def title(self, text: str) -> None:
        """Begin a step."""
        self._steps += 1
        print(f'\n{self._steps}. {text}\n', flush=True)

    def show(self, command: str) -> str:
        """Run a command in the machine and show it with its output."""
        print(f'   $ {command}', flush=True)
        output = self._machine.output(command, timeout=120)
        for line in output.splitlines() or ['(nothing)']:
            print(f'   {line}', flush=True)
        return output

    def install(self) -> None:
        """Build the wheel of this tree and install it there."""
        self.title('Install nova-generic-mdev in the machine, and configure it')
        with tempfile.TemporaryDirectory() as directory:
            self._machine.install_wheel(wheel.build(Path(directory)))
        self._machine.write_text('/etc/nova/nova.conf', NOVA_CONF)
        self.show('cat /etc/nova/nova.conf')

    def look(self) -> None:
        """What the host has, what the configuration makes of it."""
        self.title('What parent devices and mdev types does this host have?')
        columns = '-c parent -c address -c mdev_type -c available_instances'
        self.show(f'nova-mdev parent list {columns}')
        self.title('Is the configuration right for this host? (nothing is wrong)')
        self.show('nova-mdev config check')
        self.title('What does this host offer?')
        self.show(
            'nova-mdev inventory list '
            '-c provider -c resource_class -c total -c reserved -c max_unit'
        )

    def publish(self) -> None:
        """Tell Placement; a second time there is nothing to tell."""
        self.title('Tell Placement, which has never heard of this host')
        self._machine.write_text(
            _ENVIRONMENT,
            f'export OS_PLACEMENT_URL=http://services:{self._placement.port}\n'
            f'export OS_TOKEN={placement_service.TOKEN}\n',
        )
        command = 'nova-mdev inventory publish --create-root'
        self.show(f'. {_ENVIRONMENT}; {command} -c change -c detail --max-width 100')
        self.tell_usage()

    def tell_usage(self) -> None:
        """What Placement itself says of the provider."""
        total, reserved, _ = self._placement.inventories(PROVIDER)[CLASS]
        used = self._placement.used(PROVIDER)[CLASS]
        print(
            f'   Placement says: {PROVIDER} has {total} {CLASS}, '
            f'{reserved} reserved, {used} used',
            flush=True,
        )

    def allocate(self) -> str:
        """Make the mdev; returns its uuid."""
        self.title('A server is scheduled: its allocation is made in Placement')
        self._placement.allocate(CONSUMER, PROVIDER, **{CLASS: 1})
        self.tell_usage()
        self.title('Give it its mdev: checked in Placement, claimed, then created')
        command = f'nova-mdev device allocate --in-placement --consumer {CONSUMER}'
        given = self.show(
            f'. {_ENVIRONMENT}; {command} --resource mtty:{CLASS}=1 -f json'
        )
        uuid = str(json.loads(given)[0]['uuid'])
        self.title('It is in the kernel, and two of the 24 serial ports are taken')
        self.show(f'ls -l /sys/bus/mdev/devices/ | grep -o "{uuid} .*"')
        types = '/sys/class/mdev_bus/mtty/mdev_supported_types'
        self.show(f'grep . {types}/*/available_instances')
        return uuid

    def boot(self, uuid: str) -> list[str]:
        """Start a guest with the mdev; returns what came back from its device."""
        self.title("Into a guest's XML, and boot it")
        hostdev = self.show(f'nova-mdev device xml {uuid}')
        self._machine.write_text(
            '/root/demo.xml', domain.firmware_xml('demo', [hostdev])
        )
        self.show('virsh -q create /root/demo.xml')
        console = domain.console_path('demo')
        self._machine.wait_for(
            'the guest is done', f"grep -q 'guest: done' {console}", timeout=90
        )
        self.title('What the guest says: it finds 4348:3253 and talks to it')
        said = self.show(f"sed '/guest: done/q' {console}")
        if '4348:3253' not in said:
            raise MachineError('the guest found no PCI serial device 4348:3253')
        return [read for wrote, read in _ECHO.findall(said) if wrote == read]

    def release(self) -> None:
        """The guest goes, its mdev goes, the capacity is back."""
        self.title('The guest goes; release what it had: the capacity is back')
        self.show('virsh -q destroy demo')
        self.show(f'nova-mdev device release {CONSUMER}')
        self._placement.deallocate(CONSUMER)
        self.tell_usage()
        self.show(
            'nova-mdev inventory list '
            '-c provider -c resource_class -c total -c reserved -c max_unit'
        )


def main() -> int:
    """Tell the story; returns the exit status."""
    began = time.monotonic()
    print('A Debian 13 machine with real mediated devices, emulated, is needed first.')
    try:
        with (
            tempfile.TemporaryDirectory() as state,
            placement_service.Service(Path(state)).running() as placement,
            Machine('demo', services=(placement.port,)) as machine,
        ):
            echoed = tell(Story(machine, placement))
    except (MachineError, RuntimeError) as e:
        print(f'\nThe demo failed: {e}', file=sys.stderr)
        return 1
    took = time.monotonic() - began
    print(f'\nDone in {took:.0f} s. The guest echoed: {", ".join(echoed) or "nothing"}')
    return 0 if echoed else 1


def tell(story: Story) -> list[str]:
    """All steps in order; returns what the guest's device echoed."""
    story.install()
    story.look()
    story.publish()
    uuid = story.allocate()
    echoed = story.boot(uuid)
    story.release()
    return echoed


if __name__ == '__main__':
    sys.exit(main())
