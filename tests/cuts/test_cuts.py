# SPDX-License-Identifier: Apache-2.0
"""Whenever the engine is killed, the next start loses nothing and leaves nothing."""

from __future__ import annotations

import concurrent.futures
import os
import typing as ty

import pytest

from nova_generic_mdev.host import auto
from tests.cuts import cutting
from tests.cuts import faults
from tests.cuts import results
from tests.cuts import stories


class Job(ty.NamedTuple):
    story: str
    backend: auto.Backend
    fault: str | None = None


CUTS = [Job(story.name, b) for story in stories.STORIES for b in story.backends]
FAULTS = [Job(f.story, auto.Backend.AUTO, name) for name, f in faults.FAULTS.items()]
# What reaches beyond the process, whichever function of ours asks for it.
KINDS = {
    'mkdir', 'open', 'execute',
    'kernel.create', 'kernel.set_attribute', 'kernel.remove',
    'libvirt.nodeDeviceDefineXML', 'device.create', 'device.setAutostart',
    'device.undefine',
}  # fmt: skip


class Reports:
    """What came of each job, done by as many at once as there are processors."""

    def __init__(self) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
        self._asked: dict[Job, concurrent.futures.Future[results.Report]] = {}

    def ask(self, job: Job) -> concurrent.futures.Future[results.Report]:
        if job not in self._asked:
            self._asked[job] = self._pool.submit(cutting.everywhere, *job)
        return self._asked[job]

    def of(self, job: Job) -> results.Report:
        return self.ask(job).result()

    def end(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope='module')
def reports(request):
    asked = Reports()
    for item in request.session.items:
        if 'job' in getattr(item, 'fixturenames', ()):
            asked.ask(item.callspec.params['job'])
    yield asked
    asked.end()


@pytest.mark.parametrize('job', CUTS, ids=lambda job: f'{job.story}, {job.backend}')
def test_it_ends_as_if_it_had_not_been_cut(job, reports):
    report = reports.of(job)
    assert report.problems == ()
    assert report.cuts >= 2 * len(report.points) > 0


@pytest.mark.parametrize('job', FAULTS, ids=lambda job: job.fault)
def test_a_mistake_is_not_overlooked(job, reports):
    assert reports.of(job).problems


def test_effects_of_each_kind_are_cut(reports):
    """Nobody lists effects; were one not seen, nothing would be cut there."""
    seen = {point.split(' ')[0] for job in CUTS for point in reports.of(job).points}
    assert seen >= KINDS
