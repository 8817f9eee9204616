# SPDX-License-Identifier: Apache-2.0
"""``nova-mdev audit`` on a real kernel and libvirt: kinds that are made by hand."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.functional import placement_service
from tests.system.guest import domain
from tests.system.program import STATE
from tests.system.program import Program
from tests.system.test_machine import create

SERVER = '5e1f0000-0000-4000-8000-0000000000a1'
OTHER = '5e1f0000-0000-4000-8000-0000000000a2'
CLASS = 'CUSTOM_MTTY'
CONF = """
[devices]
enabled_mdev_types = mtty-2
[mdev_mtty-2]
device_addresses = mtty
mdev_class = mtty
"""
_SQL = 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()'  # noqa: E501


@dataclasses.dataclass
class Host:
    """A host with one server, and all agree on it."""

    program: Program
    placement: placement_service.Service
    root: str
    mdev: str = ''

    @property
    def machine(self):
        return self.program.machine

    @property
    def provider(self) -> str:
        return f'{self.root}_mtty_mtty'

    def define(self, name: str, consumer: str, *mdevs: str) -> None:
        """A guest that does not run, with these mdevs."""
        hostdevs = [domain.hostdev_xml(mdev) for mdev in mdevs]
        xml = domain.firmware_xml(name, hostdevs)
        xml = xml.replace('</name>', f'</name><uuid>{consumer}</uuid>', 1)
        self.machine.write_text(f'/root/{name}.xml', xml)
        self.machine.run(f'virsh -q define /root/{name}.xml')

    def write_record(self, statement: str) -> None:
        """Change our record behind our back."""
        path = f'{STATE}/claims.sqlite'
        self.machine.run(['/usr/bin/python3', '-c', _SQL, path, statement])

    def remove(self, mdev: str) -> None:
        self.machine.run(f'echo 1 > /sys/bus/mdev/devices/{mdev}/remove')
        self.settle()

    def settle(self) -> None:
        """libvirt has seen what the kernel did."""
        self.machine.wait_for(
            'libvirt has seen it',
            '[ "$(virsh -q nodedev-list --cap mdev | wc -l)" '
            '= "$(ls /sys/bus/mdev/devices | wc -l)" ]',
            timeout=60,
        )

    def audit(self, *more: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """The exit status, and the rows by kind."""
        result = self.program.run('audit', '-f', 'json', *more, check=False)
        assert result.status in (0, 1), result.stderr
        return result.status, {row['kind']: row for row in json.loads(result.stdout)}


@pytest.fixture
def host(program: Program, placement: placement_service.Service) -> Host:
    root = f'host-{uuid.uuid4().hex[:8]}'
    program.options = ['--root-provider', root]
    program.environment = {
        'OS_PLACEMENT_URL': f'http://services:{placement.port}',
        'OS_TOKEN': placement_service.TOKEN,
    }
    made = Host(program, placement, root)
    program.configure(CONF)
    program.run('inventory', 'publish', '--create-root')
    placement.allocate(SERVER, made.provider, CUSTOM_MTTY=1)
    (given,) = program.allocate(SERVER, f'mtty:{CLASS}=1', in_placement=True)
    made.mdev = given['uuid']
    made.define('server', SERVER, made.mdev)
    made.settle()
    return made


def missing(host: Host) -> None:
    host.remove(host.mdev)


def foreign(host: Host) -> None:
    create(host.machine, 'mtty', 'mtty-1', 1)
    host.settle()
    host.program.run('inventory', 'publish')


def another_type(host: Host) -> None:
    host.remove(host.mdev)
    create_as = '/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-1/create'
    host.machine.run(f'echo {host.mdev} > {create_as}')
    host.settle()


def twice(host: Host) -> None:
    host.define('thief', OTHER, host.mdev)


def unclaimed(host: Host) -> None:
    host.write_record('DELETE FROM claims')


def without_device(host: Host) -> None:
    host.define('server', SERVER)


def unfinished(host: Host) -> None:
    host.write_record("UPDATE claims SET state = 'pending'")


def orphan(host: Host) -> None:
    unclaimed(host)
    host.machine.run('virsh -q undefine server')
    host.placement.deallocate(SERVER)


def definition(host: Host) -> None:
    orphan(host)
    host.remove(host.mdev)


def duplicate(host: Host) -> None:
    host.machine.run(f'mdevctl define -u {host.mdev} -p 0000:00:05.0 -t mttypci-1')
    host.machine.wait_for(
        'libvirt has seen it',
        f'virsh -q nodedev-list --cap mdev --inactive | grep -q '
        f'mdev_{host.mdev.replace("-", "_")}',
        timeout=60,
    )


def server_went(host: Host) -> None:
    host.machine.run('virsh -q undefine server')
    host.placement.deallocate(SERVER)


def deallocated(host: Host) -> None:
    host.placement.deallocate(SERVER)


def allocated_more(host: Host) -> None:
    host.placement.allocate(OTHER, host.provider, CUSTOM_MTTY=1)


def allocation_lacks_a_device(host: Host) -> None:
    host.placement.deallocate(SERVER)
    host.placement.allocate(SERVER, host.provider, CUSTOM_MTTY=2)


def other_inventory(host: Host) -> None:
    path = f'/resource_providers/{host.placement.uuid(host.provider)}/inventories'
    told = host.placement.request('GET', path)
    told['inventories'][CLASS]['reserved'] = 5
    host.placement.request('PUT', path, told)


def no_driver(host: Host) -> None:
    host.remove(host.mdev)
    host.machine.run('modprobe -r mtty')


@pytest.mark.parametrize(
    ('damage', 'kind', 'is_mended'),
    [
        (missing, 'missing mdev', True),
        (foreign, 'foreign mdev', False),
        (another_type, 'type mismatch', False),
        (twice, 'double assignment', False),
        (unclaimed, 'guest without claim', True),
        (without_device, 'guest without device', False),
        (unfinished, 'pending claim', True),
        (orphan, 'orphan mdev', True),
        (definition, 'definition without device', True),
        (duplicate, 'duplicate uuid', False),
        (server_went, 'stale claim', True),
        (deallocated, 'device without allocation', False),
        (allocated_more, 'unknown consumer', False),
        (allocation_lacks_a_device, 'allocation without device', False),
        (other_inventory, 'inventory differs', True),
        (no_driver, 'missing parent', False),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_what_is_made_by_hand_is_found_and_mended_where_that_is_safe(
    host: Host, damage: Callable[[Host], None], kind: str, is_mended: bool
) -> None:
    assert host.audit() == (0, {})
    damage(host)
    try:
        status, found = host.audit()
        assert (status, kind in found) == (1, True)
        _, would = host.audit('--dry-run')
        assert would[kind]['remedy'].startswith('would ') is is_mended
        before = host.program.live()
        status, done = host.audit('--fix')
        assert done[kind]['remedy'].startswith('done: ') is is_mended
        assert status == int(not is_mended)
        if not is_mended:
            assert host.program.live() == before
        _, left = host.audit()
        assert (kind in left) is not is_mended
    finally:
        host.machine.run('modprobe mtty')
        host.machine.run('rm -rf /etc/mdevctl.d/0000:00:05.0')
