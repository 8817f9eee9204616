# SPDX-License-Identifier: Apache-2.0
"""Carries out what mends the findings of an audit, and looks what came of it."""

from __future__ import annotations

import collections.abc as cabc
import functools

from nova_generic_mdev import audit
from nova_generic_mdev import engine as enginelib
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev.adapters import placement
from nova_generic_mdev.cmd import act
from nova_generic_mdev.cmd import context as contextlib
from nova_generic_mdev.cmd import processes
from nova_generic_mdev.cmd import publish
from nova_generic_mdev.cmd import witnesses
from nova_generic_mdev.host import nodedev

_Found = cabc.Iterable[audit.Finding]


@model.value
class Outcome:
    """What came of it.

    :param told: each finding, and what to say of it now
    :param left: what still differs
    """

    told: tuple[tuple[audit.Finding, str], ...]
    left: tuple[audit.Finding, ...]


class Mender:
    """Mends what is safe, one step after another; one that fails stops no other.

    :param say: told of each step before it is taken
    """

    def __init__(
        self,
        run: contextlib.Context,
        look: witnesses.Look,
        say: cabc.Callable[[int, int, str], object],
    ) -> None:
        self._run = run
        self._look = look
        self._say = say
        self._done: dict[audit.Step, str] = {}
        self._failed: dict[audit.Step, str] = {}
        self._published: tuple[placement.Row, ...] = ()

    def would(self, finding: audit.Finding, told: audit.Witnesses) -> str:
        """What is said of a finding where nothing is done."""
        steps = audit.steps(finding, told)
        if not steps:
            return finding.remedy
        try:
            told_of = [self._plan_of(step, finding) for step in steps]
        except exceptions.MdevError as e:
            return f'would not be done: {e}'
        return 'would ' + '; '.join(told_of)

    def _plan_of(self, step: audit.Step, finding: audit.Finding) -> str:
        if not isinstance(step, audit.Publish):
            return str(step)
        _check_alone()
        return _of_provider(finding, self._rows_to_publish, str(step))

    @functools.cached_property
    def _rows_to_publish(self) -> tuple[placement.Row, ...]:
        return self._publisher().rows()

    def mend(self, seen: witnesses.Seen) -> Outcome:
        """Take all steps, and look again: what is not found any more was mended."""
        steps = audit.plan(seen.found, seen.told)
        for number, step in enumerate(steps):
            self._say(number + 1, len(steps), str(step))
            try:
                self._done[step] = self._take(step)
            except exceptions.MdevError as e:
                self._failed[step] = str(e)
        after = self._look.twice() if steps else seen
        left = {witnesses.key_of(one) for one in after.found}
        known = {witnesses.key_of(one) for one in seen.found}
        new = [one for one in after.found if witnesses.key_of(one) not in known]
        return Outcome(
            told=(
                *((o, self._said_of(o, seen.told, left)) for o in seen.found),
                *((one, one.remedy) for one in new),
            ),
            left=after.found,
        )

    def _said_of(
        self,
        finding: audit.Finding,
        told: audit.Witnesses,
        left: cabc.Container[tuple[audit.Kind, audit.Subject]],
    ) -> str:
        steps = audit.steps(finding, told)
        done = '; '.join(self._told_of(s, finding) for s in steps if s in self._done)
        failed = '; '.join(self._failed[s] for s in steps if s in self._failed)
        if witnesses.key_of(finding) not in left:
            return f'done: {done or "it is gone with another"}'
        if failed:
            return f'not done: {failed}'
        return f'tried: {done}; {finding.remedy}' if steps else finding.remedy

    def _told_of(self, step: audit.Step, finding: audit.Finding) -> str:
        if isinstance(step, audit.Publish):
            return _of_provider(finding, self._published, self._done[step])
        return self._done[step]

    # The steps

    @functools.cached_property
    def _engine(self) -> enginelib.Engine:
        return act.engine_of(self._run)

    def _take(self, step: audit.Step) -> str:
        """Take a step; returns what it did."""
        match step:
            case audit.Adopt():
                given = self._engine.adopt(step.consumer, dict(step.classes))
                return _did('claimed', given, f'for {step.consumer}')
            case audit.Release():
                return self._release(step.consumer)
            case audit.Undefine():
                return self._undefine(step.uuid, step.parent)
            case audit.Reconcile():
                return self._reconcile(step.uuid)
            case audit.Restore():
                given = self._engine.restore(step.consumer)
                return _did('made again', given)
            case audit.Publish():
                return self._publish()

    def _release(self, consumer: str) -> str:
        def is_needed() -> bool:
            told = self._look.witnesses()
            return not audit.may_be_released(consumer, told)

        return _did('released', self._engine.release(consumer, is_needed))

    def _undefine(self, uuid: str, parent: str) -> str:
        if uuid in self._run.reader.snapshot().mdevs:
            return f'mdev {uuid} is there by now'
        with (
            nodedev.acting(self._run.libvirt_uri) as devices,
            devices.undefined(uuid, parent),
        ):
            return f'undefined mdev {uuid}'

    def _reconcile(self, uuid: str) -> str:
        libvirt = self._look.libvirt()
        if libvirt is None or libvirt.unread:
            raise exceptions.HostError(
                f'mdev {uuid}', 'nobody can tell whether a guest has it'
            )
        elsewhere = enginelib.Elsewhere(
            guests={u for guest in libvirt.guests for u in guest.mdevs},
            defined=audit.defined(libvirt),
        )
        taken = self._engine.reconcile(elsewhere, {uuid})
        return _did('removed', taken) if taken else f'settled mdev {uuid}'

    def _publish(self) -> str:
        _check_alone()
        publisher = self._publisher()
        publisher.publish()
        done = list(publisher.done)
        if done:
            # A provider goes in an update of its own, after what was on it.
            publisher = self._publisher()
            publisher.publish()
            done += publisher.done
        self._published = tuple(done)
        return 'published'

    def _publisher(self) -> placement.Publisher:
        run, client = self._run, self._look.client
        if client is None:
            raise exceptions.PlacementError('Placement', 'it cannot be reached')
        return placement.Publisher(
            client,
            run.root_provider,
            lambda: publish.look(run),
            remember=lambda published: publish.remember(run, published),
            say=lambda _number, _total, _row: None,
        )


def _check_alone() -> None:
    pid = processes.nova_compute(processes.PROC)
    if pid is not None:
        raise exceptions.HostError(
            f'process {pid}',
            'a nova-compute of this host publishes, in its next periodic update',
        )


def _did(what: str, devices: cabc.Collection[enginelib.Device], more: str = '') -> str:
    told = ', '.join(f'mdev {device.uuid}' for device in devices)
    return ' '.join(filter(None, (what, told or 'nothing', more)))


def _of_provider(
    finding: audit.Finding, rows: cabc.Iterable[placement.Row], otherwise: str
) -> str:
    """What concerns the provider that a finding is about."""
    mine = (row for row in rows if row.provider == finding.subject.name)
    return '; '.join(f'{row.change} {row.detail}'.strip() for row in mine) or otherwise
