# SPDX-License-Identifier: Apache-2.0
"""After a reboot claimed mdevs are what they were, before a guest needs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.machine import Machine
from tests.system.program import Program
from tests.system.test_effects import defined

CONSUMER = '5e1f0000-0000-4000-8000-0000000000b0'
UNIT = Path(__file__).parents[2] / 'conf/systemd/nova-mdev-recover.service'
INSTALLED = f'/etc/systemd/system/{UNIT.name}'
CONF = """
[devices]
enabled_mdev_types = mtty-2, mttypci-1, mdpy-vga, mbochs-small
[mdev_mtty-2]
device_addresses = mtty
[mdev_mttypci-1]
device_addresses = 0000:00:05.0
[mdev_mdpy-vga]
device_addresses = mdpy
[mdev_mbochs-small]
device_addresses = mbochs
"""
RESOURCES = ('mtty:VGPU=2', '0000:00:05.0:VGPU=1', 'mdpy:VGPU=1', 'mbochs:VGPU=1')
# Where the udev rule of Debian's mdevctl looks for the program, which the
# package installs elsewhere: without a link there its autostart never fires.
LINK = '/usr/sbin/mdevctl'


@pytest.fixture
def recovering(program: Program) -> Iterator[Program]:
    """The program, with its systemd unit."""
    machine = program.machine
    text = UNIT.read_text().replace('/usr/bin/nova-mdev', '/usr/local/bin/nova-mdev')
    machine.write_text(INSTALLED, text)
    machine.run(f'systemctl daemon-reload; systemctl -q enable {UNIT.name}')
    yield program
    machine.run(
        f'systemctl -q disable {UNIT.name}; rm -f {INSTALLED}; '
        f'[ -e {LINK} ] || ln -s ../bin/mdevctl {LINK}'
    )


def devices(program: Program) -> dict[str, tuple[str, ...]]:
    """Parent, type, origin and consumer by uuid, of what is live."""
    return {
        row['uuid']: (row['parent'], row['mdev_type'], row['origin'], row['consumer'])
        for row in program.rows('device', 'list')
        if row['state'] == 'claimed'
    }


def recovered(machine: Machine) -> None:
    """Wait for the unit, and say with its own words why it did not work."""
    state = f'systemctl is-active {UNIT.name}'
    machine.wait_for(
        'the unit has run', f'{state} | grep -qE "^(active|failed)"', timeout=240
    )
    journal = machine.output(f'journalctl -b -o cat -u {UNIT.name}')
    assert machine.output(f'{state} || true') == 'active', journal


@pytest.mark.parametrize(
    ('is_mended', 'is_clean'),
    [
        pytest.param(False, True, id='mdevctl as Debian has it'),
        pytest.param(True, True, id='mdevctl mended'),
        pytest.param(True, False, id='the power goes'),
    ],
)
def test_claimed_ones_are_back_as_they_were(
    recovering: Program, is_mended: bool, is_clean: bool
) -> None:
    program, machine = recovering, recovering.machine
    if not is_mended:
        machine.run(f'rm {LINK}')
    program.configure(CONF)
    # What is installed is there after a power cut; what is claimed by itself.
    machine.run('sync')
    given = program.allocate(CONSUMER, *RESOURCES)
    before = devices(program)
    assert len(before) == len(given) == 5
    assert len(defined(machine)) == 3

    machine.reboot(clean=is_clean)
    recovered(machine)

    assert devices(program) == before
    assert program.live() == before.keys()
    assert program.run('device', 'recover').status == 0
    on_mtty = [row['uuid'] for row in given if row['parent'] == 'mtty_mtty']
    said = program.boot('again', on_mtty[:1])
    assert "wrote 'hello-0' read 'hello-0' ok" in said
    machine.run('virsh -q destroy again')
    assert len(program.rows('device', 'release', CONSUMER)) == 5
    assert (program.live(), defined(machine)) == (set(), [])


def test_the_unit_is_ordered_as_it_has_to_be(recovering: Program) -> None:
    machine = recovering.machine
    order = machine.output(f'systemctl show -p Before -p After {UNIT.name}')
    before, after = '', ''
    for line in order.splitlines():
        before = line if line.startswith('Before=') else before
        after = line if line.startswith('After=') else after
    assert 'libvirt-guests.service' in before
    assert 'nova-compute.service' in before
    assert 'systemd-udev-settle.service' in after
    assert 'libvirtd.socket' in after
    assert machine.output('systemctl --failed --no-legend') == ''


def test_a_parent_that_comes_late_is_waited_for(recovering: Program) -> None:
    program, machine = recovering, recovering.machine
    program.configure(CONF)
    (given,) = program.allocate(CONSUMER, 'mdpy:VGPU=1')
    machine.run('echo 1 > /sys/bus/mdev/devices/*/remove; modprobe -r mdpy')
    missing = program.run('device', 'recover', check=False)
    assert missing.status == 1
    assert 'mdpy_mdpy' in missing.stderr
    machine.run('(sleep 5; modprobe mdpy) >/dev/null 2>&1 </dev/null &')
    (row,) = program.rows('device', 'recover', '--wait', '60')
    assert row == given
    assert program.live() == {given['uuid']}
    program.rows('device', 'release', CONSUMER)
