# SPDX-License-Identifier: Apache-2.0
"""What needs Nova and its tests: the drivers, and the libvirt that they ask."""

import inspect
import os

from nova import monkey_patch

# nova-compute of Nova 34 runs on threads of the system, and so is it measured, where
# Nova has the choice.  Where it has not, it cannot copy its provider tree unless
# eventlet patched the locks, before all else.
_patch = getattr(monkey_patch, 'patch', monkey_patch._monkey_patch)
if inspect.signature(_patch).parameters:
    os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', '1')
else:
    _patch()

# First of all: it patches, or forbids, what everything else imports.
import nova.tests.functional  # noqa: E402, F401
