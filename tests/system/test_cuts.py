# SPDX-License-Identifier: Apache-2.0
"""Killed at each kind of effect, on a real kernel and libvirt, and started again.

All effects are cut on machines in memory (``tests/cuts``).  Here it is seen that
what real ones do is what those assume.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.machine import image
from tests.system.program import CONF as CONF_FILE
from tests.system.program import Program
from tests.system.test_effects import defined
from tests.system.test_effects import settle

ME = '5e1f0000-0000-4000-8000-0000000000c1'
OTHER = '5e1f0000-0000-4000-8000-0000000000c2'
STRANGER = '11111111-2222-4333-8444-0000000000c3'
CONF = """
[devices]
enabled_mdev_types = mtty-2, mdpy-vga
[mdev_mtty-2]
device_addresses = mtty
[mdev_mdpy-vga]
device_addresses = mdpy
"""
LIBVIRT_ALONE = '[generic_mdev]\nbackend = libvirt\n'
# The one is made by libvirt, the other by the kernel.
RESOURCES = ('mtty:VGPU=1', 'mdpy:VGPU=1')
KNIFE = Path(__file__).with_name('cut.py')
KILLED = 128 + 9
SIDES = ('before', 'after')


class Scene:
    """The program, somebody's mdev that it knows, and a stranger's."""

    def __init__(self, program: Program) -> None:
        self.program = program
        machine = program.machine
        program.configure(CONF)
        machine.put(KNIFE, f'/root/{KNIFE.name}')
        (self._other,) = program.allocate(OTHER, RESOURCES[0])
        machine.write_text(
            '/root/stranger.xml',
            "<device><parent>pci_0000_00_05_0</parent><capability type='mdev'>"
            f"<type id='mttypci-1'/><uuid>{STRANGER}</uuid></capability></device>",
        )
        name = f'mdev_{STRANGER.replace("-", "_")}_0000_00_05_0'
        machine.run(
            'virsh -q nodedev-define /root/stranger.xml && '
            f'virsh -q nodedev-start {name} && virsh -q nodedev-autostart {name}'
        )

    def cut(self, side: str, effect: str, number: int, *words: str) -> None:
        """Run a command that does not come to its end."""
        python = f'{image.VENV}/bin/python'
        result = self.program.machine.run(
            [python, f'/root/{KNIFE.name}', side, effect, str(number), *words],
            check=False,
            timeout=180,
        )
        assert result.status == KILLED, f'{result.stdout}{result.stderr}'

    def restart(self) -> list[dict[str, Any]]:
        """Start again; what we have then, with nothing left over and nothing lost."""
        self.program.run('device', 'recover')
        return self.mine()

    def mine(self) -> list[dict[str, Any]]:
        rows = self.program.rows('device', 'list')
        mine = [row for row in rows if row['consumer'] == ME]
        others = {row['uuid'] for row in rows if row['consumer'] == OTHER}
        assert others == {self._other['uuid']}
        assert all(row['state'] == 'claimed' for row in mine)
        by_libvirt = {r['uuid'] for r in mine if r['parent'] == 'mtty_mtty'}
        kept = {STRANGER} | others
        assert self.program.live() == {row['uuid'] for row in mine} | kept
        assert set(defined(self.program.machine)) == by_libvirt | kept
        assert {row['uuid'] for row in rows} == {row['uuid'] for row in mine} | kept
        return mine


@pytest.fixture
def scene(program: Program) -> Scene:
    return Scene(program)


def everywhere(effects: str) -> Iterator[Any]:
    """Before and after each of these: ``KIND:NUMBER``, or the first of its kind."""
    for effect in effects.split():
        kind, _, number = effect.partition(':')
        for side in SIDES:
            yield side, kind, int(number or 1)


def test_an_allocation_is_cut(scene: Scene) -> None:
    asked = [word for resource in RESOURCES for word in ('--resource', resource)]
    words = ('device', 'allocate', '--consumer', ME, *asked)
    for place in everywhere('commit create define start autostart commit:2'):
        scene.cut(*place, *words)
        mine = scene.restart()
        is_done = place == ('after', 'commit', 2)
        assert len(mine) == (2 if is_done else 0), place
    # It was given, and is given again.
    assert {row['uuid'] for row in scene.program.allocate(ME, *RESOURCES)} == {
        row['uuid'] for row in mine
    }
    scene.program.rows('device', 'release', ME)
    assert scene.mine() == []


def test_a_release_is_cut(scene: Scene) -> None:
    release_is_cut(scene, 'autostart remove undefine commit', *RESOURCES)
    # What is live is the kernel's to remove, unless libvirt alone may act.
    scene.program.machine.write_text(CONF_FILE, f'{CONF}{LIBVIRT_ALONE}')
    release_is_cut(scene, 'destroy', RESOURCES[0])


def release_is_cut(scene: Scene, effects: str, *resources: str) -> None:
    for place in everywhere(effects):
        scene.program.allocate(ME, *resources)
        settle(scene.program.machine)
        scene.cut(*place, 'device', 'release', ME)
        # What was not released yet is there, whole, and is released again.
        if scene.restart():
            scene.program.rows('device', 'release', ME)
        assert scene.mine() == [], place


def test_a_recovery_is_cut(scene: Scene) -> None:
    program, machine = scene.program, scene.program.machine
    program.allocate(ME, *RESOURCES)
    before = scene.mine()
    for place in everywhere('commit start create commit:4'):
        for row in before:
            machine.run(f'echo 1 > /sys/bus/mdev/devices/{row["uuid"]}/remove')
        settle(machine)
        scene.cut(*place, 'device', 'recover')
        assert scene.restart() == before, place
    program.rows('device', 'release', ME)
    assert scene.mine() == []
