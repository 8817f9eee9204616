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
UNITS = '/etc/systemd/system'
UNIT = Path(__file__).parents[2] / 'conf/systemd/nova-mdev-recover.service'
CARD, LATE_CARD = '0000:00:05.0', '0000:00:06.0'
CONF = f"""
[devices]
enabled_mdev_types = mtty-2, mttypci-1, mttypci-2, mdpy-vga, mbochs-small
[mdev_mtty-2]
device_addresses = mtty
[mdev_mttypci-1]
device_addresses = {CARD}
max_instances = 1
attributes = assign_adapter=5, assign_domain=4
[mdev_mttypci-2]
device_addresses = {LATE_CARD}
max_instances = 1
attributes = assign_adapter=5, assign_domain=4
[mdev_mdpy-vga]
device_addresses = mdpy
[mdev_mbochs-small]
device_addresses = mbochs
"""
MATRIX = 'adapter 5\ndomain 4'
# Where the udev rule of Debian's mdevctl looks for the program, which the
# package installs elsewhere: without a link there its autostart never fires.
LINK = '/usr/sbin/mdevctl'

# What runs on a compute host when all mdevs are there: it writes down which.
NOVA_COMPUTE = """
[Unit]
Description=in the place of nova-compute
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'ls /sys/bus/mdev/devices > /root/at-nova-compute'
[Install]
WantedBy=multi-user.target
"""
LATE_PARENTS = """
[Unit]
Description=late parents
After=systemd-udev-settle.service
[Service]
Type=oneshot
ExecStart=/bin/bash -ex /root/late-parents
[Install]
WantedBy=multi-user.target
"""
# Two drivers load when recovery waits for them, and a card is bound when it waits
# for that alone.
LATE = f"""
waits() {{
    until journalctl -b -o cat -u {UNIT.name} | grep -q "^waiting up to 120 s for $1"
    do sleep 0.5; done
    ls /sys/bus/mdev/devices > /root/$2
}}
waits mdpy early
card=/sys/bus/pci/devices/{LATE_CARD}
echo nobody > $card/driver_override
modprobe mttypci
modprobe mdpy
waits pci_0000_00_06_0 later
echo > $card/driver_override
echo {LATE_CARD} > /sys/bus/pci/drivers_probe
"""
BLACKLIST = '/etc/modprobe.d/late.conf'


@pytest.fixture
def recovering(program: Program) -> Iterator[Program]:
    """The program, with its systemd unit, on a host with something like Nova."""
    machine = program.machine
    text = UNIT.read_text().replace('/usr/bin/nova-mdev', '/usr/local/bin/nova-mdev')
    machine.write_text(f'{UNITS}/{UNIT.name}', text)
    machine.write_text(f'{UNITS}/nova-compute.service', NOVA_COMPUTE)
    machine.write_text(f'{UNITS}/late-parents.service', LATE_PARENTS)
    machine.write_text('/root/late-parents', LATE)
    machine.run(
        f'rm -f /root/at-nova-compute; systemctl daemon-reload; '
        f'systemctl -q enable {UNIT.name} nova-compute libvirt-guests'
    )
    yield program
    machine.run(
        f'systemctl -q disable {UNIT.name} nova-compute late-parents; '
        f'cd {UNITS}; rm -f {UNIT.name} nova-compute.service late-parents.service; '
        f'[ -e {LINK} ] || ln -s ../bin/mdevctl {LINK}; rm -f {BLACKLIST}'
    )


def devices(program: Program) -> dict[str, tuple[str, ...]]:
    """Parent, type, origin and consumer by uuid, of what is live."""
    return {
        row['uuid']: (row['parent'], row['mdev_type'], row['origin'], row['consumer'])
        for row in program.rows('device', 'list')
        if row['state'] in ('claimed', 'in-use')
    }


def recovered(machine: Machine) -> str:
    """Wait for the unit; what it said, also where it did not work."""
    state = f'systemctl is-active {UNIT.name}'
    machine.wait_for(
        'the unit has run', f'{state} | grep -qE "^(active|failed)"', timeout=300
    )
    journal = machine.output(f'journalctl -b -o cat -u {UNIT.name}')
    assert machine.output(f'{state} || true') == 'active', journal
    return journal


def matrix(machine: Machine, uuid: str) -> str:
    """The attributes that an mdev of the card has."""
    return machine.output(f'cat /sys/bus/mdev/devices/{uuid}/matrix')


def listed(machine: Machine, path: str) -> set[str]:
    """The mdevs that somebody wrote down."""
    return set(machine.read_text(path).split())


def test_late_parents_are_waited_for_and_hold_back_no_other(
    recovering: Program,
) -> None:
    """In order, and nothing but recovery brings anything back.

    Two drivers load late, and a card is bound later still.
    """
    program, machine = recovering, recovering.machine
    machine.run(f'rm {LINK}')
    program.configure(CONF)
    given = program.allocate(
        CONSUMER, 'mtty:VGPU=1', 'mbochs:VGPU=1', 'mdpy:VGPU=1',
        f'{CARD}:VGPU=1', f'{LATE_CARD}:VGPU=1',
    )  # fmt: skip
    uuids = {row['parent']: row['uuid'] for row in given}
    before = devices(program)
    assert len(before) == 5
    identity = machine.output('cat /etc/machine-id')
    machine.write_text('/root/kept', 'kept')
    machine.write_text(BLACKLIST, 'blacklist mdpy\nblacklist mttypci\n')
    machine.run('systemctl daemon-reload; systemctl -q enable late-parents')

    machine.reboot()
    journal = recovered(machine)

    assert machine.output('cat /etc/machine-id; cat /root/kept') == f'{identity}\nkept'
    awaited = 'mdpy_mdpy, pci_0000_00_05_0, pci_0000_00_06_0'
    assert f'waiting up to 120 s for {awaited}\n' in journal
    early = {uuids['mtty_mtty'], uuids['mbochs_mbochs']}
    assert listed(machine, '/root/early') == early
    assert listed(machine, '/root/later') == before.keys() - {uuids['pci_0000_00_06_0']}
    machine.wait_for('Nova has begun', 'test -s /root/at-nova-compute', timeout=60)
    assert listed(machine, '/root/at-nova-compute') == before.keys()
    assert devices(program) == before
    assert matrix(machine, uuids['pci_0000_00_05_0']) == MATRIX
    assert matrix(machine, uuids['pci_0000_00_06_0']) == MATRIX
    assert program.run('device', 'recover').status == 0
    assert len(program.rows('device', 'release', CONSUMER)) == 5
    assert (program.live(), defined(machine)) == (set(), [])


def test_they_are_back_after_the_power_went(
    recovering: Program,
) -> None:
    """With an mdevctl that brings back what libvirt knows, at the same time."""
    program, machine = recovering, recovering.machine
    program.configure(CONF)
    # What is installed is there after a power cut; what is claimed by itself.
    machine.run('sync')
    given = program.allocate(
        CONSUMER, 'mtty:VGPU=2', f'{CARD}:VGPU=1', 'mdpy:VGPU=1', 'mbochs:VGPU=1'
    )
    before = devices(program)
    assert len(defined(machine)) == 3

    machine.reboot(clean=False)
    recovered(machine)

    assert devices(program) == before
    assert program.live() == before.keys()
    machine.wait_for('Nova has begun', 'test -s /root/at-nova-compute', timeout=60)
    assert listed(machine, '/root/at-nova-compute') == before.keys()
    (card,) = (row['uuid'] for row in given if row['parent'].startswith('pci'))
    assert matrix(machine, card) == MATRIX
    assert program.run('device', 'recover').status == 0
    said = program.boot('again', [row['uuid'] for row in given])
    assert said.count(' ok') == 7  # five ports, and two framebuffers
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
