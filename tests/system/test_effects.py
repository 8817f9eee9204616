# SPDX-License-Identifier: Apache-2.0
"""What is done to the host, through libvirt and through sysfs, on a real kernel."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from tests.system.machine import Machine
from tests.system.machine import Result
from tests.system.program import Program

CONSUMER = '5e1f0000-0000-4000-8000-0000000000e1'
FOREIGN = '11111111-2222-4333-8444-0000000000e1'
CONF = """
[devices]
enabled_mdev_types = mtty-2, mttypci-1, mdpy-vga
[mdev_mtty-2]
device_addresses = mtty
[mdev_mttypci-1]
device_addresses = 0000:00:05.0
[mdev_mdpy-vga]
device_addresses = mdpy
"""
MTTY, PCI, MDPY = 'mtty:VGPU=1', '0000:00:05.0:VGPU=1', 'mdpy:VGPU=1'
# A refusal at once takes seconds on this machine; a bounded wait ten more.
BOUND_SECONDS = 60.0


def node_device(machine: Machine, uuid: str) -> dict[str, str]:
    """What libvirt tells of an mdev: Active, Persistent, Autostart."""
    name = f'mdev_{uuid.replace("-", "_")}'
    listed = machine.output(
        'for s in "" --inactive; do virsh -q nodedev-list --cap mdev $s; done'
    ).split()
    (found,) = [line for line in listed if line.startswith(name)]
    lines = machine.output(f'virsh -q nodedev-info {found}').splitlines()
    return {key: value.strip() for key, _, value in (x.partition(':') for x in lines)}


def defined(machine: Machine) -> list[str]:
    """The uuids that mdevctl would start."""
    return machine.output(
        'find /etc/mdevctl.d -mindepth 2 -type f -printf "%f\\n"'
    ).split()


def settle(machine: Machine) -> None:
    machine.wait_for(
        'libvirt has seen them',
        '[ "$(virsh -q nodedev-list --cap mdev | wc -l)" '
        '= "$(ls /sys/bus/mdev/devices | wc -l)" ]',
        timeout=60,
    )


@pytest.mark.parametrize(
    ('resource', 'is_defined'),
    [
        pytest.param(MTTY, True, id='mtty, by libvirt'),
        pytest.param(PCI, True, id='a PCI parent, by libvirt'),
        pytest.param(MDPY, False, id='mdpy, by sysfs'),
    ],
)
def test_what_libvirt_knows_survives_a_reboot_until_it_is_released(
    program: Program, resource: str, is_defined: bool
) -> None:
    machine = program.machine
    program.configure(CONF)
    (given,) = program.allocate(CONSUMER, resource)
    settle(machine)
    told = node_device(machine, given['uuid'])
    expected = 'yes' if is_defined else 'no'
    assert (told['Active'], told['Persistent'], told['Autostart']) == (
        'yes', expected, expected,
    )  # fmt: skip
    assert defined(machine) == ([given['uuid']] if is_defined else [])
    assert program.rows('device', 'release', CONSUMER) == [given]
    assert (program.live(), defined(machine)) == (set(), [])


def refused(program: Program) -> Result:
    result = program.run('device', 'release', CONSUMER, check=False)
    assert result.status == 1
    assert 'in use by guest holder' in result.stderr
    assert result.seconds < BOUND_SECONDS
    (row,) = program.rows('device', 'list')
    assert row['consumer'] == CONSUMER
    return result


@pytest.mark.parametrize('resource', [MTTY, PCI, MDPY])
def test_a_release_under_a_running_guest_is_refused_and_changes_nothing(
    program: Program, resource: str
) -> None:
    machine = program.machine
    program.configure(CONF)
    (given,) = program.allocate(CONSUMER, resource)
    before = defined(machine)
    program.boot('holder', [given['uuid']])
    refused(program)
    assert program.live() == {given['uuid']}
    assert defined(machine) == before
    if before:
        assert node_device(machine, given['uuid'])['Autostart'] == 'yes'
    machine.run('virsh -q destroy holder')
    assert program.rows('device', 'release', CONSUMER) == [given]
    assert (program.live(), defined(machine)) == (set(), [])


def test_a_user_that_opened_it_in_another_way_is_waited_for_with_a_bound(
    program: Program,
) -> None:
    """As iommufd's users do: no group tells of them, so the kernel blocks.

    The group's node is out of sight, which looks the same from here.
    """
    machine = program.machine
    program.configure(CONF)
    (given,) = program.allocate(CONSUMER, MTTY)
    uuid = given['uuid']
    program.boot('holder', [uuid])
    group = machine.output(f'readlink /sys/bus/mdev/devices/{uuid}/iommu_group')
    machine.run(f'mv /dev/vfio/{group.rpartition("/")[2]} /root/group')
    refused(program)
    # The kernel took it off its bus, and has it all the same.
    assert program.live() == set()
    assert program.left('mtty', 'mtty-2') == 11
    refused(program)
    machine.run('virsh -q destroy holder')
    machine.wait_for(
        'the write that was left ends', f'[ ! -e /sys/class/mdev_bus/mtty/{uuid} ]'
    )
    assert program.rows('device', 'release', CONSUMER) == [given]
    assert program.left('mtty', 'mtty-2') == 12
    assert (program.listed(), defined(machine)) == ([], [])


@contextlib.contextmanager
def changed(machine: Machine, do: str, undo: str) -> Iterator[None]:
    machine.run(do)
    try:
        yield
    finally:
        machine.run(undo)
        machine.wait_for('libvirt answers', 'virsh -q nodedev-list --cap mdev_types')


NO_MDEVCTL = ('mv /usr/bin/mdevctl /root/mdevctl', 'mv /root/mdevctl /usr/bin/mdevctl')
SOCKETS = 'libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket'
NO_LIBVIRT = (
    f'systemctl stop {SOCKETS} libvirtd.service',
    f'systemctl start {SOCKETS} libvirtd.service',
)


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        pytest.param(NO_MDEVCTL, 'libvirt could not', id='no mdevctl'),
        pytest.param(NO_LIBVIRT, '', id='no libvirt'),
    ],
)
def test_what_libvirt_cannot_do_the_kernel_does_unless_libvirt_alone_may(
    program: Program, change: tuple[str, str], told: str
) -> None:
    words = ('device', 'allocate', '--consumer', CONSUMER, '--resource', MTTY)
    with changed(program.machine, *change):
        program.configure(f'{CONF}[generic_mdev]\nbackend = libvirt\n')
        assert program.run(*words, check=False).status == 1
        assert program.live() == set()
        program.configure(CONF)
        result = program.run(*words, '-f', 'json')
        (given,) = json.loads(result.stdout)
        assert told in result.stderr
        assert program.live() == {given['uuid']}
        assert program.rows('device', 'release', CONSUMER) == [given]
        assert program.live() == set()


def test_what_libvirt_defined_is_not_forgotten_while_libvirt_is_away(
    program: Program,
) -> None:
    program.configure(CONF)
    (given,) = program.allocate(CONSUMER, MTTY)
    with changed(program.machine, *NO_LIBVIRT):
        result = program.run('device', 'release', CONSUMER, check=False)
        assert result.status == 1
        assert 'libvirt' in result.stderr
    assert program.rows('device', 'release', CONSUMER) == [given]
    assert (program.live(), defined(program.machine)) == (set(), [])


def test_what_somebody_else_made_is_adopted_and_then_goes(program: Program) -> None:
    machine = program.machine
    program.configure(CONF)
    machine.write_text(
        '/root/foreign.xml',
        "<device><parent>mtty_mtty</parent><capability type='mdev'>"
        f"<type id='mtty-2'/><uuid>{FOREIGN}</uuid></capability></device>",
    )
    machine.run('virsh -q nodedev-define /root/foreign.xml')
    name = f'mdev_{FOREIGN.replace("-", "_")}_mtty'
    machine.run(f'virsh -q nodedev-start {name}; virsh -q nodedev-autostart {name}')
    program.boot('holder', [FOREIGN])
    # A guest that nobody told us of has it: it cannot become ours to hand out.
    refused = program.run('device', 'adopt', FOREIGN, check=False)
    assert (refused.status, 'a guest has it' in refused.stderr) == (1, True)
    assert program.rows('device', 'adopt', '--all') == []
    machine.run('virsh -q destroy holder')
    (row,) = program.rows('device', 'adopt', FOREIGN.upper())
    assert (row['uuid'], row['origin']) == (FOREIGN, 'created')
    program.boot('holder', [FOREIGN])
    # A guest names it: it stays, whatever is put right.
    program.run('device', 'recover')
    assert program.live() == {FOREIGN}
    machine.run('virsh -q destroy holder')
    program.run('device', 'recover')
    assert (program.live(), defined(machine)) == (set(), [])
    assert program.listed() == []
