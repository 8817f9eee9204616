# SPDX-License-Identifier: Apache-2.0
"""The cloud by hand: ``python -m tests.cloud --help``."""

from __future__ import annotations

import argparse
import signal
import sys

from tests.cloud import errors
from tests.cloud import place as places
from tests.cloud.cloud import Cloud
from tests.system.machine import MachineError

_HINT = """
The cloud is up. To be its operator, or a user:
  export OS_CLIENT_CONFIG_FILE={clouds}
  export PATH={bin}:$PATH
  openstack --os-cloud admin resource provider list
  openstack --os-cloud user server list
"""


def main() -> int:
    """Run one command; 1, with the error on standard error, if it fails."""
    given = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        status: int = given.function(given)
    except (errors.CloudError, MachineError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m tests.cloud',
        description="OpenStack's services on loopback, and hosts with real mdevs.",
    )
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    start = commands.add_parser('start', help='start it; it runs until "stop"')
    start.add_argument('--hosts', type=int, choices=(1, 2), default=2)
    start.set_defaults(function=_start)
    status = commands.add_parser('status', help='what runs, and its memory')
    status.set_defaults(function=_status)
    logs = commands.add_parser('logs', help='the last lines of what was logged')
    logs.add_argument('name', nargs='*', help='of these services or hosts alone')
    logs.add_argument('--lines', type=int, default=20)
    logs.set_defaults(function=_logs)
    run = commands.add_parser('run', help='run a command on a compute host')
    run.add_argument('host')
    run.add_argument('line', metavar='COMMAND', help='a line for bash')
    run.set_defaults(function=_run)
    stop = commands.add_parser('stop', help='stop it, and remove its files')
    stop.set_defaults(function=_stop)
    return parser


def _start(given: argparse.Namespace) -> int:
    cloud = Cloud.start(given.hosts)
    cloud.leave()
    print(_HINT.format(clouds=cloud.place.path('clouds.yaml'), bin=sys.prefix + '/bin'))
    return 0


def _status(_given: argparse.Namespace) -> int:
    rows = Cloud.find().status()
    for name, state, memory in rows:
        print(f'{name:12} {state:6} {memory:6} MiB')
    print(f'{"together":12} {"":6} {sum(row[2] for row in rows):6} MiB')
    return 0 if all(state == 'runs' for _, state, _ in rows) else 1


def _logs(given: argparse.Namespace) -> int:
    cloud = Cloud.find()
    names = given.name or [name for name, _, _ in cloud.status()]
    for name in names:
        print(f'==> {name}\n{cloud.log(name, given.lines)}\n')
    return 0


def _run(given: argparse.Namespace) -> int:
    hosts = Cloud.find().hosts
    if given.host not in hosts:
        raise errors.NotThere(f'no host {given.host!r}, only: {", ".join(hosts)}')
    result = hosts[given.host].run(given.line, check=False, timeout=600)
    print(result.stdout, end='')
    print(result.stderr, end='', file=sys.stderr)
    return result.status


def _stop(_given: argparse.Namespace) -> int:
    place = places.Place.find()
    Cloud.find().stop()
    print(f'stopped; {place.directory} is removed')
    return 0


if __name__ == '__main__':
    sys.exit(main())
