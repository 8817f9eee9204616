# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ with a directory and ports of its own, on loopback.

Its name service, epmd, is one for all brokers of a computer and outlives them:
ours is a service of this cloud.
"""

from __future__ import annotations

import os

from tests.cloud import place as places
from tests.cloud import processes
from tests.system.machine import host

_SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'
NEEDS = {_SERVER: 'rabbitmq-server', 'epmd': 'erlang-base'}

# One scheduler that does not spin while it waits: this broker has little to do.
_ERLANG = '+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}'


def start(place: places.Place) -> None:
    """Start it; `processes.wait_for_port` says when it is there."""
    names = str(place.port('epmd'))
    command = [str(host.find('epmd')), '-port', names, '-address', '127.0.0.1']
    processes.start(place, 'epmd', command)
    processes.wait_for_port(place, 'epmd', 'epmd')
    processes.start(place, 'rabbit', [_SERVER], _environment(place))


def url(place: places.Place, host: str = '127.0.0.1') -> str:
    """Where the services find it."""
    return f'rabbit://guest:guest@{host}:{place.port("rabbit")}/'


def _environment(place: places.Place) -> dict[str, str]:
    data = place.path('data', 'rabbit')
    data.mkdir(exist_ok=True)
    ours = {
        'NODENAME': f'cloud{os.getpid()}@localhost',
        'NODE_IP_ADDRESS': '127.0.0.1',
        'NODE_PORT': str(place.port('rabbit')),
        'DIST_PORT': str(place.port('erlang')),
        'MNESIA_BASE': str(data / 'mnesia'),
        'LOG_BASE': str(data / 'log'),
        'LOGS': '-',
        'CONF_ENV_FILE': str(data / 'none'),
        'CONFIG_FILE': str(data / 'none'),
        'ENABLED_PLUGINS_FILE': str(data / 'plugins'),
        'SERVER_ADDITIONAL_ERL_ARGS': _ERLANG,
    }
    return {
        'HOME': str(data),
        'ERL_EPMD_ADDRESS': '127.0.0.1',
        'ERL_EPMD_PORT': str(place.port('epmd')),
        **{f'RABBITMQ_{name}': value for name, value in ours.items()},
    }
