# SPDX-License-Identifier: Apache-2.0
"""The machine is what it says: real drivers, real libvirt, guests that answer.

Nothing of ``nova_generic_mdev`` is used here: these are the facts that its own
system tests stand on.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from tests import pools
from tests.system.guest import domain
from tests.system.machine import CommandFailed
from tests.system.machine import DidNotComeUp
from tests.system.machine import Machine
from tests.system.machine import MachineDied
from tests.system.machine import TimedOut

UUID = '11111111-2222-4333-8444-{:012x}'.format
PCI_PARENTS = ('0000:00:05.0', '0000:00:06.0')

TYPES = {
    'mtty/mtty-1': ('Single port serial', ''),
    'mtty/mtty-2': ('Dual port serial', ''),
    'mdpy/mdpy-vga': ('mdpy-vga', 'virtual display, 640x480 framebuffer'),
    'mdpy/mdpy-xga': ('mdpy-xga', 'virtual display, 1024x768 framebuffer'),
    'mdpy/mdpy-hd': ('mdpy-hd', 'virtual display, 1920x1080 framebuffer'),
    'mbochs/mbochs-small': ('mbochs-small', 'virtual display, 4 MB video memory'),
    'mbochs/mbochs-medium': ('mbochs-medium', 'virtual display, 16 MB video memory'),
    'mbochs/mbochs-large': ('mbochs-large', 'virtual display, 64 MB video memory'),
    **{f'{p}/mttypci-1': ('Single port serial', '') for p in PCI_PARENTS},
    **{f'{p}/mttypci-2': ('Dual port serial', '') for p in PCI_PARENTS},
}
REAL_SEQUENCES = [s for s in pools.POOL_SEQUENCES if s.real]


def sysfs_name(parent: str) -> str:
    """The name in /sys/class/mdev_bus of a parent named as libvirt does."""
    if parent.startswith('pci_'):
        domain_, bus, slot, function = parent.removeprefix('pci_').split('_')
        return f'{domain_}:{bus}:{slot}.{function}'
    return parent.partition('_')[2]


def type_path(parent: str, mdev_type: str) -> str:
    return f'/sys/class/mdev_bus/{parent}/mdev_supported_types/{mdev_type}'


def create(machine: Machine, parent: str, mdev_type: str, number: int) -> str:
    """Create an mdev through sysfs; its uuid."""
    uuid = UUID(number)
    machine.run(f'echo {uuid} > {type_path(parent, mdev_type)}/create')
    return uuid


def available(machine: Machine, parents: pools.Left) -> dict[str, dict[str, int]]:
    """available_instances of all types of some parents."""
    counts: dict[str, dict[str, int]] = {}
    for parent in parents:
        types = type_path(sysfs_name(parent), '*')
        lines = machine.output(f'grep -H . {types}/available_instances').splitlines()
        found = [re.search(r'/([^/]+)/available_instances:(\d+)', x) for x in lines]
        counts[parent] = {match[1]: int(match[2]) for match in found if match}
    return counts


def test_parents_and_types_of_the_drivers(machine: Machine) -> None:
    listed = machine.output(
        'cd /sys/class/mdev_bus; for t in */mdev_supported_types/*; do '
        'echo "${t%%/*}/${t##*/}|$(cat $t/name)|$(cat $t/device_api)|'
        '$(cat $t/description 2>/dev/null)"; done'
    )
    rows = [line.split('|') for line in listed.splitlines()]
    assert {key: (name, text) for key, name, _, text in rows} == TYPES
    assert {api for _, _, api, _ in rows} == {'vfio-pci'}


@pytest.mark.parametrize('sequence', REAL_SEQUENCES, ids=lambda s: s.id)
def test_real_pools_run_out_as_the_tables_say(
    clean_machine: Machine, sequence: pools.PoolSequence
) -> None:
    assert available(clean_machine, sequence.start) == sequence.start
    number = 0
    for step in sequence.steps:
        uuids = ' '.join(UUID(number + n) for n in range(step.times))
        number += step.times
        path = type_path(sysfs_name(step.parent), step.mdev_type)
        clean_machine.run(f'set -e; for u in {uuids}; do echo $u > {path}/create; done')
        assert available(clean_machine, step.left) == step.left
    parent, mdev_type, error = sequence.refused
    with pytest.raises(CommandFailed, match=os.strerror(error)):
        create(clean_machine, sysfs_name(parent), mdev_type, number + 1)


@pytest.mark.parametrize(
    ('uuid', 'error'),
    [
        pytest.param(UUID(1), errno.EEXIST, id='one-that-is-there'),
        pytest.param('junk', errno.EINVAL, id='no-uuid'),
    ],
)
def test_kernel_refuses_a_uuid(clean_machine: Machine, uuid: str, error: int) -> None:
    create(clean_machine, 'mtty', 'mtty-1', 1)
    with pytest.raises(CommandFailed, match=os.strerror(error)):
        clean_machine.run(f'echo {uuid} > {type_path("mtty", "mtty-1")}/create')


def test_libvirt_lists_the_parents_that_it_knows(machine: Machine) -> None:
    listed = machine.output('virsh -q nodedev-list --cap mdev_types').split()
    assert listed == ['mtty_mtty', 'pci_0000_00_05_0', 'pci_0000_00_06_0']


def test_libvirt_lists_mdevs_of_all_drivers(clean_machine: Machine) -> None:
    made = [
        create(clean_machine, 'mtty', 'mtty-1', 1),
        create(clean_machine, 'mdpy', 'mdpy-hd', 2),
        create(clean_machine, 'mbochs', 'mbochs-small', 3),
        create(clean_machine, PCI_PARENTS[0], 'mttypci-2', 4),
    ]
    parents = ['mtty', 'mdpy', 'mbochs', '0000_00_05_0']
    pairs = zip(made, parents, strict=True)
    names = {f'mdev_{uuid.replace("-", "_")}_{parent}' for uuid, parent in pairs}

    def listed() -> set[str]:
        return set(clean_machine.output('virsh -q nodedev-list --cap mdev').split())

    clean_machine.wait_for('libvirt lists them', lambda: listed() == names, 30)


def test_mdevctl_starts_what_is_defined_to_start(clean_machine: Machine) -> None:
    """udev runs mdevctl from where Debian does not install it; we link it."""
    xml = (
        "<device><parent>mtty_mtty</parent><capability type='mdev'>"
        f"<type id='mtty-2'/><uuid>{UUID(1)}</uuid></capability></device>"
    )
    clean_machine.write_text('/root/device.xml', xml)
    clean_machine.run('virsh nodedev-define /root/device.xml')
    node = f'mdev_{UUID(1).replace("-", "_")}_mtty'
    clean_machine.run(f'virsh nodedev-autostart {node}')
    clean_machine.run('modprobe -r mtty && modprobe mtty')
    clean_machine.wait_for('it is there', f'test -e /sys/bus/mdev/devices/{UUID(1)}')


def test_guest_gets_back_what_it_writes(clean_machine: Machine) -> None:
    """Devices of every driver in one guest, by hand-written XML."""
    made = [
        create(clean_machine, 'mtty', 'mtty-2', 1),
        create(clean_machine, PCI_PARENTS[1], 'mttypci-1', 2),
        create(clean_machine, 'mdpy', 'mdpy-vga', 3),
        create(clean_machine, 'mbochs', 'mbochs-small', 4),
    ]
    xml = domain.firmware_xml('echo', [domain.hostdev_xml(uuid) for uuid in made])
    clean_machine.write_text('/root/echo.xml', xml)
    clean_machine.run('virsh create /root/echo.xml', timeout=120)
    console = domain.console_path('echo')
    clean_machine.wait_for('the guest is done', f"grep -q 'guest: done' {console}")

    said = clean_machine.read_text(console).splitlines()

    assert [line for line in said if re.search('echo|framebuffer', line)] == [
        'guest: framebuffer 00:04 size 00200000 wrote 11223344 read 11223344 ok',
        'guest: framebuffer 00:05 size 00400000 wrote 11223344 read 11223344 ok',
        "guest: echo port c000 wrote 'hello-0' read 'hello-0' ok",
        "guest: echo port c008 wrote 'hello-1' read 'hello-1' ok",
        "guest: echo port c010 wrote 'hello-2' read 'hello-2' ok",
    ]
    assert said.count('guest: pci 00:02 4348:3253') == 1


def test_guest_without_a_device_echoes_nothing(clean_machine: Machine) -> None:
    clean_machine.write_text('/root/bare.xml', domain.firmware_xml('bare'))
    clean_machine.run('virsh create /root/bare.xml', timeout=120)
    console = domain.console_path('bare')
    clean_machine.wait_for('the guest is done', f"grep -q 'guest: done' {console}")
    assert 'echo' not in clean_machine.read_text(console)


def test_commands_have_status_output_and_input(machine: Machine) -> None:
    result = machine.run(
        'cat; echo out; echo err >&2; exit 7', check=False, stdin=b'in '
    )
    assert (result.status, result.stdout, result.stderr) == (7, 'in out\n', 'err\n')
    with pytest.raises(CommandFailed, match='status 3') as caught:
        machine.run('echo said; exit 3')
    assert (caught.value.status, caught.value.output) == (3, 'said')


def test_command_that_takes_too_long_is_killed(machine: Machine) -> None:
    with pytest.raises(TimedOut, match='before'):
        machine.run('echo before; sleep 987', timeout=2)
    machine.wait_for('it is gone', '! pgrep -f "sleep 98[7]"')


def test_words_are_not_read_by_a_shell(machine: Machine) -> None:
    assert machine.output(['/bin/echo', '$HOME', 'a  b']) == '$HOME a  b'


def test_files_arrive_whole_with_their_mode(machine: Machine, tmp_path: Path) -> None:
    source, target = tmp_path / 'source', tmp_path / 'target'
    source.write_bytes(os.urandom(3_000_001))
    source.chmod(0o751)
    machine.put(source, '/root/new/directory/file')
    machine.get('/root/new/directory/file', target)
    assert target.read_bytes() == source.read_bytes()
    assert machine.output('stat -c %a /root/new/directory/file') == '751'
    machine.write_text('/root/new/text', 'é\n', mode=0o600)
    assert machine.read_text('/root/new/text') == 'é\n'


def test_waiting_tells_what_was_seen_last(machine: Machine) -> None:
    with pytest.raises(TimedOut, match=r'(?s)never.*status=1'):
        machine.wait_for('never', 'false', timeout=1)


def test_machine_without_its_disk_says_so() -> None:
    """It ends at once, long before the time that it is given."""
    machine = Machine('broken', kernel_words='root=/dev/nowhere')
    with pytest.raises(DidNotComeUp, match='there is no disk /dev/nowhere') as caught:
        machine.start(timeout=120)
    assert 'QEMU ended' in caught.value.reason
    assert machine.directory is None


def test_kernel_that_cannot_go_on_shows_its_last_lines() -> None:
    machine = Machine('panics', kernel_words='rdinit=/nowhere root=none')
    with pytest.raises(DidNotComeUp, match='Kernel panic'):
        machine.start(timeout=120)


def test_end_of_the_machine_ends_a_wait() -> None:
    machine = Machine('dies', pci_parents=0)
    machine.start(libvirt=False)
    machine.run('(sleep 2; echo o > /proc/sysrq-trigger) > /dev/null 2>&1 &')
    with pytest.raises(MachineDied, match='QEMU ended'):
        machine.run('sleep 100', timeout=100)
    directory = machine.directory
    assert directory is not None
    machine.stop()
    assert not directory.exists()
