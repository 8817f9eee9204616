# SPDX-License-Identifier: Apache-2.0
"""Nova's and Placement's test fixtures, on databases of a real server."""

import functools

import fixtures
import nova.conf
from nova import context
from nova import objects
from nova.db import migration
from nova.db.api import api as api_db
from nova.db.main import api as main_db
from nova.tests.functional import fixtures as functional_fixtures
from oslo_config import cfg
from oslo_config import fixture as config_fixture
from oslo_db.sqlalchemy import enginefacade
from oslo_db.sqlalchemy import test_fixtures
from oslo_utils.fixture import uuidsentinel
from placement import conf as placement_conf
from placement import db_api as placement_db
from placement import deploy
from placement.db.sqlalchemy import migration as placement_migration
from placement.objects import resource_class
from placement.objects import trait

CONF = nova.conf.CONF
# One bus serves all: nova.tests sees to that.
_BUS = 'fake://nowhere/'
# All services are in one process, where each would have a pool of its own.
_POOL = {'max_pool_size': 50, 'max_overflow': 100}
_CELLS = (('cell0', objects.CellMapping.CELL0_UUID), ('cell1', uuidsentinel.cell1))


class Facade(fixtures.Fixture):
    """What one module takes for its database is this one."""

    def __init__(self, facade, url, settings):
        self._facade = facade
        self._settings = dict(settings) | _POOL | {'connection': url}

    def _setUp(self):
        ours = enginefacade.transaction_context()
        ours.configure(**self._settings)
        self.useFixture(test_fixtures.ReplaceEngineFacadeFixture(self._facade, ours))
        self.addCleanup(lambda: ours.writer.get_engine().dispose())


class Nova(fixtures.Fixture):
    """Nova's database of the API; its others are the cells'."""

    def __init__(self, server):
        self._server = server

    def _setUp(self):
        url = self._server.url('nova_api')
        self.useFixture(Facade(api_db.context_manager, url, CONF.api_database))
        migration.db_sync(database='api')


class Cells(fixtures.Fixture):
    """The databases of the cells, each chosen as in a real service.

    Whoever is not told of a cell, as nova-compute, is in the first.
    """

    def __init__(self, server):
        self._server = server
        #: by the cell's name
        self.mappings = {}

    def _setUp(self):
        for name, uuid in _CELLS:
            url = self._server.url(f'nova_{name}')
            if name == 'cell1':
                facade = Facade(main_db.context_manager, url, CONF.database)
                self.useFixture(facade)
            self.mappings[name] = self._mapping(name, uuid, url)

    def _mapping(self, name, uuid, url):
        admin = context.get_admin_context()
        cell = objects.CellMapping(
            context=admin, uuid=uuid, name=name, transport_url=_BUS,
            database_connection=url,
        )  # fmt: skip
        cell.create()
        with context.target_cell(admin, cell) as there:
            migration.db_sync(database='main', context=there)
            self.addCleanup(main_db.get_engine(context=there).dispose)
        return cell


class Placement(fixtures.Fixture):
    """Placement's database, and in the place of Nova's module what uses it."""

    def __init__(self, server):
        self._server = server

    def _setUp(self):
        config = self.useFixture(config_fixture.Config(cfg.ConfigOpts()))
        placement_conf.register_opts(config.conf)
        url = self._server.url('placement')
        config.config(connection=url, group='placement_database')
        # The scheduler tries the first candidate of a host, and no other: all
        # users would compete for one parent.
        config.config(randomize_allocation_candidates=True, group='placement')
        config.conf([], default_config_files=[])
        settings = dict(config.conf.placement_database)
        settings.pop('sync_on_startup', None)
        facade = Facade(placement_db.placement_context_manager, url, settings)
        self.useFixture(facade)
        self._forget()
        self.addCleanup(self._forget)
        placement_migration.create_schema(placement_db.get_placement_engine())
        deploy.update_database(config.conf)
        self.PlacementFixture = functools.partial(
            functional_fixtures.PlacementFixture,
            conf_fixture=config,
            db=False,
            register_opts=False,
        )

    def _forget(self):
        # What is known of a database that is not this one.
        trait._TRAITS_SYNCED = False
        resource_class._RESOURCE_CLASSES_SYNCED = False
