# SPDX-License-Identifier: Apache-2.0
"""The same storm with Nova's threads in the other of their two kinds.

These tests run on eventlet, unless OS_NOVA_DISABLE_EVENTLET_PATCHING says
otherwise: so does Nova's own choice for its tests.
"""

import importlib.metadata
import os
import subprocess
import sys
import unittest

from nova import monkey_patch

STORM = 'tests.nova.storm.test_spawn.SpawnStorm'
# The first whose nova-compute runs without eventlet.
FIRST = 33


class OtherThreads(unittest.TestCase):
    def test_the_storm(self):
        series = int(importlib.metadata.version('nova').split('.')[0])
        if series < FIRST:
            self.skipTest(f'nova-compute of Nova {series} runs on eventlet alone')
        is_green = monkey_patch.is_patched()
        other = {'OS_NOVA_DISABLE_EVENTLET_PATCHING': '1' if is_green else '0'}
        ran = subprocess.run(
            [sys.executable, '-m', 'unittest', STORM],
            env=os.environ | other | {'PYTHONWARNINGS': 'ignore'},
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        self.assertEqual(0, ran.returncode, ran.stderr[-20000:])
        self.assertIn('Ran 1 test', ran.stderr)
