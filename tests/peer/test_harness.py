# SPDX-License-Identifier: Apache-2.0
"""What the suite is worth: it runs what it should, and fails where it should."""

import os
import subprocess
import sys
import unittest

from tests.peer import selection
from tests.runner import stream

# One that runs a server, and one that calls the driver's helpers.
SERVER = r'VGPUTests\.test_create_servers_with_vgpu$'
HELPER = r'LibvirtDriverTestCase\.test_get_all_assigned_mediated_devices$'


class SelectionTest(unittest.TestCase):
    """The names that were looked at are the names that run."""

    def test_nothing_has_come_or_gone(self):
        found = [test.id() for test in selection.select(unittest.TestLoader())]
        self.assertEqual(
            selection.recorded(),
            found,
            'this Nova has others: look at them, then write the names anew with '
            '"python -m tests.peer.selection"',
        )


class HarnessTest(unittest.TestCase):
    """With another driver the suite says something else."""

    def assert_ends(self, driver, last_line, said, *filters):
        told = self._run(driver, *filters)
        self.assertEqual(last_line, told.splitlines()[-1], told)
        self.assertIn(said, told)

    def _run(self, driver, *filters):
        done = subprocess.run(
            [sys.executable, '-m', 'tests.runner', 'tests/peer', *filters],
            # Shorter than the time after which this one's process is given up.
            env=os.environ | {'PEER_DRIVER': driver, 'OS_TEST_TIMEOUT': '300'},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.stdout

    def test_novas_own_driver_passes(self):
        self.assert_ends('in-tree', '2 passed, 0 failed, 0 skipped', '', SERVER, HELPER)

    def test_a_driver_that_forgets_what_guests_have_fails(self):
        last_line = '0 passed, 2 failed, 0 skipped'
        self.assert_ends('broken', last_line, 'MismatchError', SERVER, HELPER)

    def test_novas_own_driver_in_the_place_of_ours_fails(self):
        last_line = '0 passed, 2 failed, 0 skipped'
        self.assert_ends('absent', last_line, 'a driver was made of', SERVER, HELPER)


class PatienceTest(unittest.TestCase):
    """A process that hangs, with all its tests, is no riddle."""

    def test_one_that_hangs_says_where(self):
        hangs = 'import threading\nlock = threading.Lock()\nlock.acquire()\n' * 2
        ran = stream.follow(
            [sys.executable, '-c', hangs + 'lock.acquire()'], print, seconds=2.0
        )
        self.assertTrue(ran.is_cut_short and ran.given_up)
        self.assertIn('File "<string>", line 7 in <module>', ran.said)
