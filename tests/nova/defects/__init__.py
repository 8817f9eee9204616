# SPDX-License-Identifier: Apache-2.0
"""One test or more for each thing that Nova's own driver does wrong with mdevs.

With our driver each must pass.  With ``NOVA_MDEV_TEST_DRIVER`` set to
``libvirt.LibvirtDriver`` each passes if Nova's own driver fails it, for the
reason that the test gives; see :mod:`~.rows`.
"""
