# SPDX-License-Identifier: Apache-2.0
"""The benchmarks run, on the smallest of hosts; how fast is nobody's concern here."""

import contextlib
import pathlib
import tempfile
import unittest
from unittest import mock

from benchmarks import hosts
from benchmarks import names
from benchmarks import run as runlib
from benchmarks import timing
from benchmarks.nova import workers

TINY = hosts.Size(parents=2, types=1, mdevs=2, guests=2)


class SmokeTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        with contextlib.ExitStack() as stack:
            place = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self.addCleanup(stack.pop_all().close)
        self.said = []
        self.run_of = runlib.Run(1, place, place, self.said.append)

    def told(self):
        results = self.run_of.results.all
        self.assertEqual(len(results), len(self.said))
        return {(result.what, result.subject) for result in results}

    def test_every_driver_is_measured_in_every_operation(self):
        self.run_of.together([TINY])
        whats = names.UPDATE, names.CHANGED, names.ALLOCATION
        expected = {(what, kind) for what in whats for kind in names.KINDS}
        self.assertEqual(expected, self.told())
        calls = {
            (result.what, result.subject): result.calls
            for result in self.run_of.results.all
        }
        self.assertEqual(2 + 2 * 2 + 2 * 2, calls[names.UPDATE, names.IN_TREE])
        self.assertEqual(0, calls[names.UPDATE, names.OURS])

    def test_the_bare_reads(self):
        self.run_of.together([TINY], [names.OURS], floors=[TINY])
        bare = [told for told in self.told() if told[0].startswith(names.bare(''))]
        whats = names.UPDATE, names.CHANGED
        expected = {(names.bare(w), s) for w in whats for s in (names.PYTHON, names.C)}
        self.assertEqual(expected, set(bare))

    def test_what_many_do_at_once(self):
        self.run_of.storms(TINY, names.COMPARED, 8)
        expected = {(names.STORM, kind) for kind in names.COMPARED}
        expected |= {(names.RELEASES, names.OURS)}
        self.assertEqual(expected, self.told())

    def test_what_is_compared_is_measured_in_turns(self):
        asked = []

        class Worker(contextlib.ExitStack):
            def __init__(self, kind, size, *places):
                super().__init__()
                self.kind, self.size = kind, size

            def __call__(self, operation):
                asked.append((operation, self.kind))
                return timing.Once(seconds=1.0)

        with mock.patch.object(workers, 'Worker', Worker):
            self.run_of.together([TINY], names.COMPARED)
        operations = 'update', 'update_after_change', 'allocation'
        turn = names.COMPARED
        self.assertEqual([(o, kind) for o in operations for kind in turn * 2], asked)

    def test_what_fails_in_a_worker_is_told(self):
        place = self.run_of._memory
        with (
            workers.Worker(names.OURS, TINY, place, place) as worker,
            self.assertRaisesRegex(RuntimeError, "no attribute 'sleep'"),
        ):
            worker('sleep')

    def test_what_a_start_needs(self):
        self.run_of.recoveries(TINY)
        expected = {(names.RECOVERY, k) for k in names.COMPARED}
        self.assertEqual(expected, self.told())

    def test_whole_commands(self):
        self.run_of.programs(TINY)
        names = 'nova-mdev --help', 'nova-mdev inventory list', 'nova-mdev audit'
        self.assertEqual({('command', name) for name in names}, self.told())
        self.assertTrue(all(result.memory for result in self.run_of.results.all))
