# SPDX-License-Identifier: Apache-2.0
"""A record that cannot be used, and a libvirt that says odd things, for real."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.system.machine import Result
from tests.system.machine import image
from tests.system.program import STATE
from tests.system.program import TWO_TYPES
from tests.system.program import Program
from tests.system.program import Step
from tests.system.test_effects import defined

ME = '5e1f0000-0000-4000-8000-0000000000d1'
OTHER = '5e1f0000-0000-4000-8000-0000000000d2'
THIRD = '5e1f0000-0000-4000-8000-0000000000d4'
STRANGER = '11111111-2222-4333-8444-0000000000d3'
MTTY, MDPY = 'mtty:VGPU=1', 'mdpy:VGPU=1'
RECORD = f'{STATE}/claims.sqlite'
PYTHON = f'{image.VENV}/bin/python'
NEWER = (
    f'{PYTHON} -c "import sqlite3; '
    f"sqlite3.connect('{RECORD}').execute('PRAGMA user_version = 99')\""
)


@contextlib.contextmanager
def small_disk(program: Program) -> Iterator[None]:
    """The record is on a file system of its own."""
    program.machine.run(f'mkdir -p {STATE}; mount -t tmpfs -o size=256k none {STATE}')
    try:
        yield
    finally:
        program.machine.run(f'umount {STATE}')


def refused(program: Program, *words: str) -> Result:
    """A command that says what is wrong, and changes nothing."""
    live = program.live()
    result = program.run(*words, check=False)
    assert result.status == 1, result
    assert 'Traceback' not in result.stderr
    assert program.live() == live
    return result


def allocate(consumer: str, resource: str) -> tuple[str, ...]:
    return 'device', 'allocate', '--consumer', consumer, '--resource', resource


def test_a_full_disk(program: Program) -> None:
    program.configure(TWO_TYPES)
    with small_disk(program):
        (others,) = program.allocate(OTHER, MTTY)
        # While the journal is there, a change needs no more room.
        program.machine.run(
            f'rm {RECORD}-journal; cat /dev/zero > {STATE}/more', check=False
        )
        result = refused(program, *allocate(ME, MTTY))
        assert RECORD in result.stderr
        assert 'full' in result.stderr
        # The mdev is gone before its row; so this is done the next time.
        released = program.run('device', 'release', OTHER, check=False)
        assert (released.status, 'full' in released.stderr) == (1, True)
        program.machine.run(f'rm {STATE}/more')
        (row,) = program.rows('device', 'list')
        assert (row['uuid'], row['consumer']) == (others['uuid'], OTHER)
        assert program.rows('device', 'release', OTHER) == [others]
        (given,) = program.allocate(ME, MTTY)
        assert program.live() == {given['uuid']}
        assert program.rows('device', 'release', ME) == [given]
        assert (program.live(), defined(program.machine)) == (set(), [])


@pytest.mark.parametrize(
    ('damage', 'told'),
    [
        pytest.param(NEWER, 'its version is 99', id='newer'),
        pytest.param(f'truncate -s 5000 {RECORD}', 'move it away', id='truncated'),
    ],
)
def test_a_record_that_cannot_be_read(program: Program, damage: str, told: str) -> None:
    program.configure(TWO_TYPES)
    (given,) = program.allocate(ME, MTTY)
    program.machine.run(f'cp -p {RECORD} /root/record; {damage}')
    for words in (allocate(OTHER, MDPY), ('device', 'release', ME)):
        assert told in refused(program, *words).stderr
    program.machine.run(f'cp -p /root/record {RECORD}')
    assert program.rows('device', 'release', ME) == [given]
    assert (program.live(), defined(program.machine)) == (set(), [])


def test_a_process_that_hangs_while_it_writes(program: Program) -> None:
    program.configure(TWO_TYPES)
    (others,) = program.allocate(OTHER, MTTY)
    machine = program.machine
    step = Step(words=allocate(ME, MDPY), knife=('stop', 'commit', 1))
    machine.write_text('/root/hung.json', program.asked([step]).decode())
    pid = machine.output(
        f'{" ".join(program.runner())} </root/hung.json >/root/hung 2>&1 & echo $!'
    )
    stopped = f'pgrep -P {pid} -r T'
    # It loads the whole program first.
    machine.wait_for('it hangs', stopped, timeout=300)
    hung = machine.output(stopped)
    holder = f'another program has it open; "fuser {RECORD}" names it'
    assert holder in refused(program, *allocate(THIRD, MTTY)).stderr
    # The mdev is gone before its row; so this is done the next time.
    released = program.run('device', 'release', OTHER, check=False)
    assert (released.status, holder in released.stderr) == (1, True)
    # Who only looks waits for nobody.
    (row,) = program.rows('device', 'list')
    assert (row['uuid'], row['state']) == (others['uuid'], 'missing')
    machine.run(f'kill -CONT {hung}')
    machine.wait_for('it goes on', f'[ ! -e /proc/{pid} ]', timeout=60)
    assert len(program.live()) == 1, machine.output('cat /root/hung')
    assert program.rows('device', 'release', OTHER) == [others]
    assert len(program.rows('device', 'release', ME)) == 1
    assert (program.live(), defined(machine)) == (set(), [])


def test_libvirt_has_what_sysfs_has_not_and_one_uuid_twice(program: Program) -> None:
    program.configure(TWO_TYPES)
    machine = program.machine
    for parent, mdev_type in (
        ('mtty_mtty', 'mtty-2'),
        ('pci_0000_00_05_0', 'mttypci-1'),
    ):
        machine.write_text(
            '/root/stranger.xml',
            f"<device><parent>{parent}</parent><capability type='mdev'>"
            f"<type id='{mdev_type}'/><uuid>{STRANGER}</uuid></capability></device>",
        )
        machine.run('virsh -q nodedev-define /root/stranger.xml')
    assert defined(machine) == [STRANGER, STRANGER]
    given = program.allocate(ME, MTTY, MDPY)
    uuids = {row['uuid'] for row in given}
    assert program.live() == uuids
    program.run('device', 'recover')
    rows = program.rows('device', 'list')
    states = dict.fromkeys(uuids, 'claimed') | {STRANGER: 'inactive'}
    assert {row['uuid']: row['state'] for row in rows} == states
    assert program.rows('device', 'release', ME) == given
    assert program.live() == set()
    assert defined(machine) == [STRANGER, STRANGER]
