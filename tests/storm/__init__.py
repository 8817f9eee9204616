# SPDX-License-Identifier: Apache-2.0
"""A storm through Nova's API, with real Placement, on a database for it.

These need MariaDB: SQLite under one process does not hold when several threads
write, and Nova's own fixtures therefore let one write at a time.
"""

import importlib.metadata
import os

# The first Nova whose nova-compute runs on threads.
_FIRST = 33

# Before anything of Nova is imported, which chooses then.
if int(importlib.metadata.version('nova').split('.')[0]) >= _FIRST:
    os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', '1')

import tests.nova  # noqa: E402, F401
