# SPDX-License-Identifier: Apache-2.0
"""A story on a machine: what there is before, the request, and how it goes on."""

from __future__ import annotations

import itertools
import os
import pathlib
import uuid as uuidlib

from nova_generic_mdev import exceptions
from nova_generic_mdev.host import auto
from tests.cuts import lines
from tests.cuts import machines
from tests.cuts import pictures
from tests.cuts import restarts
from tests.cuts import results
from tests.cuts import stories


class Trial:
    """One story, which forks of this process tell in their ways.

    :param top: a directory of its own, for the files of each way
    """

    def __init__(
        self, story: stories.Story, backend: auto.Backend, top: pathlib.Path
    ) -> None:
        self.story = story
        self._top = top
        self._copies = itertools.count()
        (top / 'first').mkdir()
        self.machine = machines.Machine(top / 'first', backend)
        _number_uuids('a')
        stage = self._acting()
        if not story.is_new:
            stories.surroundings(stage)
        story.before(stage)
        self.before = pictures.taken(self.machine)

    def move(self) -> None:
        """Leave the files as they are to who comes next."""
        self.machine.move(self._top / f'{os.getpid()}-{next(self._copies)}')

    def tell(self, line: lines.Line | None = None) -> str | None:
        """The request; what kind of error refused it."""
        stage = self._acting(line)
        _number_uuids('c')
        return self._ask(stage)

    def go_on(self, kind: restarts.Kind) -> results.Outcome:
        """Start again, ask for the same again, and end."""
        _number_uuids('e')
        stage = self._acting()
        kind.run(self.machine, stage.engine)
        restarted = pictures.taken(self.machine)
        refused = self._ask(stage)
        # Nova's next periodic update.
        stage.engine.reconcile(self.machine.elsewhere())
        repeated = pictures.taken(self.machine)
        for consumer in (stories.ME, stories.HEIR):
            _release(stage, consumer)
        return results.Outcome(
            restarted, repeated, refused, pictures.taken(self.machine)
        )

    def _acting(self, line: lines.Line | None = None) -> stories.Stage:
        if line is None:
            acting = self.machine.engine(stories.RULES)
        else:
            acting = self.machine.engine(
                stories.RULES,
                kernel=line.object(lines.KERNEL, 'kernel'),
                libvirt=line.object(lines.LIBVIRT, 'libvirt'),
            )
        return stories.Stage(self.machine, acting)

    def _ask(self, stage: stories.Stage) -> str | None:
        try:
            self.story.act(stage)
        except exceptions.MdevError as e:
            return type(e).__name__
        return None


def _release(stage: stories.Stage, consumer: str) -> None:
    try:
        stage.engine.release(consumer)
    except exceptions.InUse:
        # It is let go in no story.
        return


def _number_uuids(letter: str) -> None:
    """The same ones in the same order, and none of anybody else's."""
    numbers = itertools.count(1)
    uuidlib.uuid4 = lambda: uuidlib.UUID(
        f'{letter * 8}-0000-4000-8000-{next(numbers):012x}'
    )
