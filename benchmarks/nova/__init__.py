# SPDX-License-Identifier: Apache-2.0
"""What needs Nova and its tests: the drivers, and the libvirt that they ask."""

import os

# nova-compute of Nova 34 runs on threads of the system, and so is it measured.
os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', '1')
# First of all: it patches, or forbids, what everything else imports.
import nova.tests.functional  # noqa: F401
