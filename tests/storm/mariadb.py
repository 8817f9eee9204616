# SPDX-License-Identifier: Apache-2.0
"""A MariaDB that a test has for itself."""

import pathlib

import fixtures

from tests import mariadb
from tests.system.machine import errors
from tests.system.machine import packages


def missing():
    """Install what is needed; why that cannot be done, or nothing."""
    try:
        packages.ensure(mariadb.NEEDS)
    except errors.MachineError as e:
        return f'MariaDB is needed: {e}'
    return ''


class MariaDB(fixtures.Fixture):
    """One server, which ends with the test."""

    def _setUp(self):
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self._server = mariadb.Server(directory)
        self._server.install()
        self._server.start()
        self.addCleanup(self._server.stop)

    def url(self, name):
        """A new, empty database; returns SQLAlchemy's URL of it."""
        return self._server.create(name)
