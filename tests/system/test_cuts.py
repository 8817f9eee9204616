# SPDX-License-Identifier: Apache-2.0
"""Killed at each kind of effect, on a real kernel and libvirt, and started again.

All effects are cut on machines in memory (``tests/cuts``).  Here it is seen that
what real ones do is what those assume.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import pytest

from tests.system.program import CONF as CONF_FILE
from tests.system.program import TWO_TYPES
from tests.system.program import Ended
from tests.system.program import Program
from tests.system.program import Step

pytestmark = pytest.mark.long

ME = '5e1f0000-0000-4000-8000-0000000000c1'
OTHER = '5e1f0000-0000-4000-8000-0000000000c2'
STRANGER = '11111111-2222-4333-8444-0000000000c3'
LIBVIRT_ALONE = Step(
    bash=f"printf '[generic_mdev]\\nbackend = libvirt\\n' >> {CONF_FILE}"
)
# The one is made by libvirt, the other by the kernel.
RESOURCES = ('mtty:VGPU=1', 'mdpy:VGPU=1')
KILLED = 128 + 9
RECOVER = Step(words=('device', 'recover'))
RELEASE = Step(words=('device', 'release', ME, '-f', 'json'))
LIST = Step(words=('device', 'list', '-f', 'json'))
LIVE = Step(bash='ls /sys/bus/mdev/devices')
DEFINED = Step(bash='find /etc/mdevctl.d -mindepth 2 -type f -printf "%f\\n"')
Knife = tuple[str, str, int]


def allocate(consumer: str, *resources: str) -> Step:
    asked = [word for resource in resources for word in ('--resource', resource)]
    return Step(
        words=('device', 'allocate', '--consumer', consumer, *asked, '-f', 'json')
    )


class Scene:
    """The program, somebody's mdev that it knows, and a stranger's.

    What is done, and what has to come of it, is noted first: it is done at once.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._noted: list[tuple[Step, Callable[[Ended], None]]] = []
        self._rows: list[dict[str, Any]] = []
        machine = program.machine
        program.configure(TWO_TYPES)
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

    @property
    def mine(self) -> list[dict[str, Any]]:
        """What we had when it was looked last."""
        return [row for row in self._rows if row['consumer'] == ME]

    def do(self, step: Step) -> None:
        """Something that succeeds."""

        def check(ended: Ended) -> None:
            assert ended.status == 0, (step, ended)

        self._noted.append((step, check))

    def cut(self, knife: Knife, step: Step) -> None:
        """A command that does not come to its end."""

        def check(ended: Ended) -> None:
            assert ended.status == KILLED, (knife, ended)

        self._noted.append((Step(words=step.words, knife=knife), check))

    def look(self, expected: Callable[[], bool]) -> None:
        """Nothing is left over and nothing is lost; and what we have is expected."""

        def check(ended: Ended) -> None:
            self._rows = ended.rows
            assert all(row['state'] == 'claimed' for row in self.mine)
            assert {row['uuid'] for row in self._rows} == self._known()
            assert expected(), self.mine

        self._noted.append((LIST, check))
        self._noted.append((LIVE, self._are_live))
        self._noted.append((DEFINED, self._are_defined))

    def _known(self) -> set[str]:
        others = {row['uuid'] for row in self._rows if row['consumer'] == OTHER}
        assert others == {self._other['uuid']}
        return others | {STRANGER} | {row['uuid'] for row in self.mine}

    def _are_live(self, ended: Ended) -> None:
        assert set(ended.stdout.split()) == self._known()

    def _are_defined(self, ended: Ended) -> None:
        by_kernel = {r['uuid'] for r in self.mine if r['parent'] != 'mtty_mtty'}
        assert set(ended.stdout.split()) == self._known() - by_kernel

    def play(self) -> None:
        """Do what was noted, and compare."""
        ended = self.program.series([step for step, _ in self._noted])
        for (step, check), each in zip(self._noted, ended, strict=True):
            try:
                check(each)
            except AssertionError as error:
                error.add_note(self._so_far(step, ended))
                raise
        self._noted.clear()

    def _so_far(self, last: Step, ended: Sequence[Ended]) -> str:
        steps = [step for step, _ in self._noted]
        at = next(n for n, step in enumerate(steps) if step is last)
        told = zip(steps[: at + 1], ended, strict=False)
        return '\n'.join(f'{step}\n    {each}' for step, each in told)


@pytest.fixture
def scene(program: Program) -> Scene:
    return Scene(program)


def everywhere(effects: str) -> Iterator[Knife]:
    """Before and after each of these: ``KIND:NUMBER``, or the first of its kind."""
    for effect in effects.split():
        kind, _, number = effect.partition(':')
        for side in ('before', 'after'):
            yield side, kind, int(number or 1)


def test_an_allocation_is_cut(scene: Scene) -> None:
    for knife in everywhere('commit create define start autostart commit:2'):
        scene.cut(knife, allocate(ME, *RESOURCES))
        scene.do(RECOVER)
        amount = 2 if knife == ('after', 'commit', 2) else 0
        scene.look(lambda n=amount: len(scene.mine) == n)
    scene.play()
    given = scene.mine
    # It was given, and is given again.
    scene.do(allocate(ME, *RESOURCES))
    scene.look(lambda: scene.mine == given)
    scene.do(RELEASE)
    scene.look(lambda: not scene.mine)
    scene.play()


def test_a_release_is_cut(scene: Scene) -> None:
    release_is_cut(scene, 'autostart remove undefine commit', *RESOURCES)
    # What is live is the kernel's to remove, unless libvirt alone may act.
    scene.do(LIBVIRT_ALONE)
    release_is_cut(scene, 'destroy', RESOURCES[0])
    scene.play()


def release_is_cut(scene: Scene, effects: str, *resources: str) -> None:
    for knife in everywhere(effects):
        scene.do(allocate(ME, *resources))
        scene.cut(knife, RELEASE)
        scene.do(RECOVER)
        # What was not released yet is there, whole, and is released again.
        scene.look(lambda: len(scene.mine) <= len(resources))
        scene.do(RELEASE)
        scene.look(lambda: not scene.mine)


def test_a_recovery_is_cut(scene: Scene) -> None:
    given = scene.program.allocate(ME, *RESOURCES)
    uuids = ' '.join(row['uuid'] for row in given)
    lose = f'for u in {uuids}; do echo 1 > /sys/bus/mdev/devices/$u/remove; done'
    for knife in everywhere('commit start create commit:4'):
        scene.do(Step(bash=lose))
        scene.cut(knife, RECOVER)
        scene.do(RECOVER)
        scene.look(lambda: {row['uuid'] for row in scene.mine} == set(uuids.split()))
    scene.do(RELEASE)
    scene.look(lambda: not scene.mine)
    scene.play()
