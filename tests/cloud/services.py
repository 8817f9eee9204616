# SPDX-License-Identifier: Apache-2.0
"""The services on this computer, and the order in which they can start."""

from __future__ import annotations

import sys

from tests import mariadb
from tests.cloud import catalogue
from tests.cloud import databases
from tests.cloud import place as places
from tests.cloud import processes
from tests.cloud import rabbit
from tests.cloud import settings
from tests.system.machine import packages
from tests.system.machine import progress

NEEDS = {**mariadb.NEEDS, **rabbit.NEEDS}
# Imports take most of it; a busy computer takes its time.
_PATIENCE = 180.0

# name: what is served
_APPLICATIONS = {
    'keystone': 'keystone.wsgi.api:application',
    'placement': 'placement.wsgi.api:application',
    'glance': 'glance.wsgi.api:application',
    'network': 'tests.cloud.networks:application',
    'nova': 'nova.wsgi.osapi_compute:application',
}
_WORKERS = {'conductor': 'nova-conductor', 'scheduler': 'nova-scheduler'}


def start(place: places.Place) -> None:
    """Start all, and wait until each answers.

    :raises ServiceFailed: one does not; says its last lines.
    """
    packages.ensure(NEEDS)
    databases.copy(place)
    server = databases.server(place)
    settings.write(place, server.url)
    with progress.step('starting databases, RabbitMQ and Keystone'):
        processes.start(place, 'mariadb', server.command)
        rabbit.start(place)
        processes.wait(place, 'mariadb', 'it answers', server.answers, _PATIENCE)
        _serve(place, 'keystone')
        processes.wait_for_port(place, 'keystone', 'keystone', _PATIENCE)
        catalogue.fill(place)
    with progress.step('starting Placement, Glance and Nova'):
        # The workers need RabbitMQ at once, the APIs only later.
        processes.wait_for_port(place, 'rabbit', 'rabbit', _PATIENCE)
        for name in ('placement', 'glance', 'network', 'nova'):
            _serve(place, name)
        for name, program in _WORKERS.items():
            conf = place.path('etc', 'nova', 'nova.conf')
            command = [processes.program(program), '--config-file', str(conf)]
            processes.start(place, name, command)
        _wait(place)


def _serve(place: places.Place, name: str) -> None:
    command = [sys.executable, '-m', 'tests.cloud.serve', _APPLICATIONS[name]]
    directory = str(place.path('etc', name))
    environment = {
        f'OS_{name.upper()}_CONFIG_DIR': directory,
        'PYTHONPATH': str(places.REPOSITORY),
    }
    processes.start(place, name, [*command, str(place.port(name))], environment)


def _wait(place: places.Place) -> None:
    for name in ('placement', 'glance', 'network', 'nova'):
        processes.wait_for_port(place, name, name, _PATIENCE)
    # A host that asks the conductor before it listens waits ten seconds more.
    processes.wait(
        place,
        'conductor',
        'it listens',
        lambda: 'Starting conductor node' in place.log('conductor').read_text(),
        _PATIENCE,
    )


def stop(place: places.Place) -> None:
    """Stop all that run; those first that use the others."""
    running = processes.known(place)
    order = ['conductor', 'scheduler', *reversed(_APPLICATIONS), 'rabbit']
    for name in [*order, *sorted(set(running) - set(order))]:
        if name in running:
            processes.stop(place, name)
