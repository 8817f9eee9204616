# SPDX-License-Identifier: Apache-2.0
"""A real Placement: the service from PyPI on SQLite, in a thread of this process.

As a program it serves until it is stopped::

    python -m tests.functional.placement_service --state DIR [--port PORT]
"""

from __future__ import annotations

import argparse
import collections.abc as cabc
import contextlib
import logging
import pathlib
import typing as ty
from wsgiref import simple_server

import requests
import webob
from oslo_config import cfg
from placement import conf as placement_conf
from placement import db_api
from placement import deploy

from tests.functional import serving

# What noauth2 takes for the administrator's.
TOKEN = 'admin'  # noqa: S105
# Newer than what the tested code asks with: it sees more.
_MICROVERSION = 'placement 1.38'
_PROJECT = {'project_id': 'a-project', 'user_id': 'a-user'}


def application(state: pathlib.Path) -> ty.Any:
    """Placement's WSGI application; one in a process, for its database is global.

    :param state: a directory; the database in it is made if it is not there
    """
    conf = cfg.ConfigOpts()
    placement_conf.register_opts(conf)
    conf.set_override('auth_strategy', 'noauth2', group='api')
    database = f'sqlite:///{state / "placement.sqlite"}'
    conf.set_override('connection', database, group='placement_database')
    conf.set_override('sync_on_startup', True, group='placement_database')
    conf([], project='placement', default_config_files=[])
    logging.getLogger('placement').setLevel(logging.WARNING)
    db_api.configure(conf)
    return deploy.loadapp(conf)


class Service:
    """Placement at an address, and what a test does beside the tested code.

    Requests are served one after another: SQLite takes one writer at a time.
    """

    def __init__(self, state: pathlib.Path, port: int = 0) -> None:
        self._application = application(state)
        self._before: list[tuple[str, str, cabc.Callable[[], object]]] = []
        #: method and path of each request so far
        self.log: list[str] = []
        self._server = simple_server.make_server(
            '127.0.0.1', port, self._serve, handler_class=_Quiet
        )
        self.port = int(self._server.server_port)
        self.url = f'http://127.0.0.1:{self.port}'

    @contextlib.contextmanager
    def running(self) -> cabc.Iterator[Service]:
        """Serve in a thread."""
        with serving.in_thread(self._server):
            yield self

    def serve(self) -> None:
        """Serve until it is interrupted."""
        self._server.serve_forever()

    def before(self, method: str, part: str, do: cabc.Callable[[], object]) -> None:
        """Do something, once, before a request whose path has this part is served."""
        self._before.append((method, part, do))

    def _serve(self, environ: dict[str, ty.Any], start: ty.Any) -> ty.Any:
        method, path = environ['REQUEST_METHOD'], environ['PATH_INFO']
        self.log.append(f'{method} {path}')
        for wanted in list(self._before):
            if wanted[0] == method and wanted[1] in path:
                self._before.remove(wanted)
                wanted[2]()
        return self._application(environ, start)

    @property
    def writes(self) -> list[str]:
        """The requests that change something."""
        return [one for one in self.log if not one.startswith('GET ')]

    # What operators and other services do

    def request(self, method: str, path: str, body: object | None = None) -> ty.Any:
        """One request past the server: also while it serves another."""
        session = requests.Session()
        session.mount('local://', _Local(self._application))
        response = session.request(
            method,
            f'local://placement{path}',
            json=body,
            headers={'X-Auth-Token': TOKEN, 'OpenStack-API-Version': _MICROVERSION},
        )
        assert response.status_code < 400, f'{method} {path}: {response.text}'
        return response.json() if response.content else None

    def make_provider(self, name: str, parent: str | None = None) -> str:
        """Make a provider; returns its uuid."""
        told = {'name': name}
        if parent is not None:
            told['parent_provider_uuid'] = parent
        return str(self.request('POST', '/resource_providers', told)['uuid'])

    def uuid(self, name: str) -> str:
        """The uuid of a provider that is there."""
        (one,) = self.request('GET', f'/resource_providers?name={name}')[
            'resource_providers'
        ]
        return str(one['uuid'])

    def children(self, root: str) -> set[str]:
        """The names of what is below a root."""
        told = self.request('GET', f'/resource_providers?in_tree={self.uuid(root)}')
        return {one['name'] for one in told['resource_providers']} - {root}

    def inventories(self, provider: str) -> dict[str, tuple[int, int, int]]:
        """By class: total, reserved, max_unit."""
        path = f'/resource_providers/{self.uuid(provider)}/inventories'
        return {
            c: (one['total'], one['reserved'], one['max_unit'])
            for c, one in self.request('GET', path)['inventories'].items()
        }

    def used(self, provider: str) -> dict[str, int]:
        """By class: how much consumers hold."""
        path = f'/resource_providers/{self.uuid(provider)}/usages'
        return dict(self.request('GET', path)['usages'])

    def traits(self, provider: str) -> set[str]:
        """A provider's traits."""
        path = f'/resource_providers/{self.uuid(provider)}/traits'
        return set(self.request('GET', path)['traits'])

    def add_trait(self, provider: str, trait: str) -> None:
        """Give a provider a trait more, as an operator does."""
        self.request('PUT', f'/traits/{trait}')
        path = f'/resource_providers/{self.uuid(provider)}/traits'
        now = self.request('GET', path)
        now['traits'].append(trait)
        self.request('PUT', path, now)

    def allocate(self, consumer: str, provider: str, **resources: int) -> None:
        """Give a consumer something of one provider; replaces what it had."""
        held = {'resources': resources}
        body = {
            'allocations': {self.uuid(provider): held},
            'consumer_generation': None,
            'consumer_type': 'INSTANCE',
            **_PROJECT,
        }
        self.request('PUT', f'/allocations/{consumer}', body)

    def deallocate(self, consumer: str) -> None:
        """Take all from a consumer."""
        self.request('DELETE', f'/allocations/{consumer}')


class _Quiet(simple_server.WSGIRequestHandler):
    # Head and body are written one after the other: do not wait between them.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the service's log is the test's."""


class _Local(requests.adapters.BaseAdapter):
    """Calls the application, without a socket."""

    def __init__(self, application: ty.Any) -> None:
        super().__init__()
        self._application = application

    def send(self, request: ty.Any, **kwargs: object) -> requests.Response:
        """One request."""
        path = request.path_url
        asked = webob.Request.blank(path, method=request.method)
        asked.headers.update(request.headers)
        asked.body = request.body or b''
        told = asked.get_response(self._application)
        response = requests.Response()
        response.status_code = told.status_int
        response._content = told.body
        response.headers.update(told.headers)
        return response

    def close(self) -> None:
        """Nothing is open."""


def main() -> None:
    """Serve as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--state', type=pathlib.Path, required=True)
    parser.add_argument('--port', type=int, default=8778)
    options = parser.parse_args()
    options.state.mkdir(parents=True, exist_ok=True)
    Service(options.state, options.port).serve()


if __name__ == '__main__':
    main()
