# SPDX-License-Identifier: Apache-2.0
"""A live migration that a test can hold half way."""

import contextlib
import threading

from nova.tests.fixtures import libvirt as fakelibvirt

from tests.nova import guests
from tests.nova import libvirtd

# What Nova calls it when libvirt refuses; releases differ.
FAILED = ('failed', 'error')
_SECONDS = 60


class Migrating:
    """For a test case."""

    @contextlib.contextmanager
    def migrating(self, server, ends=('completed',), *, refused=False):
        """Migrate a server; the block runs while its guest is on the way.

        :param ends: what the migration may be at its end
        :param refused: libvirt refuses, after the block
        """
        source = self.libvirtds[self.where(server)]
        there, go_on = threading.Event(), threading.Event()

        def hold(guest):
            there.set()
            go_on.wait(_SECONDS)
            if refused:
                code = fakelibvirt.VIR_ERR_OPERATION_FAILED
                raise guests.error(code, 'no route')

        source.during_migration = hold
        body = {'os-migrateLive': {'host': None, 'block_migration': 'auto'}}
        self.admin_api.post_server_action(server['id'], body)
        self.assertTrue(there.wait(_SECONDS), 'the guest never left')
        try:
            yield
        finally:
            go_on.set()
            source.during_migration = libvirtd.nothing
        self._wait_for_migration_status(server, ends)
