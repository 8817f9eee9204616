# SPDX-License-Identifier: Apache-2.0
"""Nova's services and the driver, with real Placement, in one process.

These tests need ``nova.tests`` (which Nova's wheel ships) and run with unittest
or stestr.  :data:`DRIVER` says which driver they drive.
"""

import os

# First of all, and in this order: the one or, in 2025.2, the other patches what
# everything else imports.  Where oslo.db comes before that, all green threads of a
# request share one transaction.
import nova.tests.functional

# isort: split
import nova.test  # noqa: F401

OURS = 'generic_mdev.GenericMdevDriver'
IN_TREE = 'libvirt.LibvirtDriver'
DRIVER = os.environ.get('NOVA_MDEV_TEST_DRIVER', OURS)
