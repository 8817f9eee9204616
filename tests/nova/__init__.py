# SPDX-License-Identifier: Apache-2.0
"""Nova's services and the driver, with real Placement, in one process.

These tests need ``nova.tests`` (which Nova's wheel ships) and run with unittest
or stestr.  :data:`DRIVER` says which driver they drive.
"""

import os

# First of all: it patches what everything else imports.
import nova.tests.functional  # noqa: F401

OURS = 'generic_mdev.GenericMdevDriver'
IN_TREE = 'libvirt.LibvirtDriver'
DRIVER = os.environ.get('NOVA_MDEV_TEST_DRIVER', OURS)
