# SPDX-License-Identifier: Apache-2.0
"""The services' databases, made once and copied for each cloud.

To make them takes longer than to start all that uses them. In Nova's table of
cells an address is a pattern that each service fills in from its own
configuration, so that a copy does not say where it was made.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests import mariadb
from tests.cloud import place as places
from tests.cloud import processes
from tests.cloud import settings
from tests.system.machine import cache
from tests.system.machine import host

_MADE_BY = ('keystone', 'glance', 'nova', 'openstack-placement', 'SQLAlchemy')
_DATABASE = '{scheme}://{username}@{hostname}/%s?{query}'
_BUS = '{scheme}://{username}:{password}@{hostname}:{port}/'


def server(place: places.Place) -> mariadb.Server:
    """The cloud's own MariaDB."""
    return mariadb.Server(place.path('data'), place.path('run', 'mariadb.sock'))


def copy(place: places.Place) -> None:
    """Put the databases and Keystone's keys into a place."""
    made = cache.Cache().obtain(_layer())
    for name in ('data', 'keys'):
        shutil.copytree(made / name, place.path('data', name))
    # The cache keeps what all may read; Keystone minds that.
    for path in [place.path('data', 'keys'), *place.path('data', 'keys').rglob('*')]:
        path.chmod(0o700 if path.is_dir() else 0o600)


def _layer() -> cache.Layer:
    versions = {name: importlib.metadata.version(name) for name in _MADE_BY}
    recipe = cache.digest(Path(__file__), Path(inspect.getfile(mariadb)))
    ours = ' '.join((*settings.DATABASES, settings.REGION, settings.PASSWORD))
    inputs = {**versions, 'recipe': recipe, 'of': ours}
    return cache.Layer(name='databases', inputs=inputs, build=_build)


def _build(work: Path, _needs: Mapping[str, Path]) -> None:
    link = work / 'link'
    place = places.Place.make(link)
    try:
        server(place).install()
        with server(place).running():
            _fill(place)
        for name in ('data', 'keys'):
            shutil.move(place.path('data', name), work / name)
    finally:
        place.remove(link)


def _fill(place: places.Place) -> None:
    for name in settings.DATABASES:
        server(place).create(name)
    settings.write(place, server(place).url)
    keys = place.path('data', 'keys')
    for name in ('fernet', 'credential'):
        (keys / name).mkdir(parents=True)
    _manage(place, 'placement', 'db', 'sync')
    _manage(place, 'glance', 'db_sync')
    _manage(place, 'nova', 'api_db', 'sync')
    cell0 = _DATABASE % 'nova_cell0'
    _manage(place, 'nova', 'cell_v2', 'map_cell0', '--database_connection', cell0)
    _manage(place, 'nova', 'db', 'sync')
    _manage(place, 'nova', 'cell_v2', 'create_cell', '--name', 'cell1',
            '--database_connection', _DATABASE % 'nova_cell1',
            '--transport-url', _BUS)  # fmt: skip
    _manage(place, 'keystone', 'db_sync')
    owner = (
        '--keystone-user',
        str(os.geteuid()),
        '--keystone-group',
        str(os.getegid()),
    )
    _manage(place, 'keystone', 'fernet_setup', *owner)
    _manage(place, 'keystone', 'credential_setup', *owner)
    _manage(place, 'keystone', 'bootstrap',
            '--bootstrap-password', settings.PASSWORD,
            '--bootstrap-region-id', settings.REGION)  # fmt: skip


def _manage(place: places.Place, service: str, *words: str) -> None:
    """Run the service's own program for what an operator does once."""
    name = 'glance-api' if service == 'glance' else service
    file = place.path('etc', service, f'{name}.conf')
    command = [processes.program(f'{service}-manage'), '--config-file', str(file)]
    host.run([*command, *words])
