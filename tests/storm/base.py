# SPDX-License-Identifier: Apache-2.0
"""The test case: Nova's services on threads, on databases that stand them."""

import fixtures

from tests.nova import base
from tests.storm import databases
from tests.storm import mariadb


class TestCase(base.TestCase):
    """As with SQLite, but that each service does its own when it wants to."""

    # Nova's tests let the API wait for the end of what it only begins.
    CAST_AS_CALL = False

    def setUp(self):
        missing = mariadb.missing()
        if missing:
            self.skipTest(missing)
        self.server = self.useFixture(mariadb.MariaDB())
        placement = self.useFixture(databases.Placement(self.server))
        replaced = {
            'nova.tests.fixtures.Database': self._database,
            'nova.tests.functional.integrated_helpers.func_fixtures': placement,
        }
        for name, ours in replaced.items():
            self.useFixture(fixtures.MonkeyPatch(name, ours))
        super().setUp()
        self.flags(instances=-1, cores=-1, ram=-1, group='quota')

    def _database(self, database):
        self.assertEqual('api', database)
        return databases.Nova(self.server)

    def _setup_cells(self):
        cells = self.useFixture(databases.Cells(self.server))
        self.cell_mappings.update(cells.mappings)
