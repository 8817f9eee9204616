# SPDX-License-Identifier: Apache-2.0
"""As much of an identity service as ``auth_type = password`` asks of one.

A real Keystone is a service of its own with a database; what matters here is that
the program finds its way from credentials over a token and a catalog to Placement.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import json
import typing as ty
from http import server

from tests.functional import serving

USER, PASSWORD, PROJECT = 'placement', 'of the tests', 'service'
REGION = 'RegionOne'


class Identity:
    """Gives whoever knows the password a token, and a catalog with Placement.

    :param placement: Placement's address
    :param token: what Placement takes for the administrator's
    """

    def __init__(self, placement: str, token: str) -> None:
        self.placement, self.token = placement, token
        #: how many tokens were given
        self.given = 0
        self._server = server.ThreadingHTTPServer(('127.0.0.1', 0), self._handler())
        self.url = f'http://127.0.0.1:{self._server.server_port}/v3'

    @contextlib.contextmanager
    def running(self) -> cabc.Iterator[Identity]:
        """Serve in a thread."""
        with serving.in_thread(self._server):
            yield self

    @property
    def version(self) -> dict[str, ty.Any]:
        """What is told of this service to whoever has no token yet."""
        link = {'rel': 'self', 'href': self.url}
        return {'version': {'id': 'v3.14', 'status': 'stable', 'links': [link]}}

    def answer(self, asked: dict[str, ty.Any]) -> tuple[int, dict[str, ty.Any]]:
        """Status and body of an answer to a request for a token."""
        auth = asked['auth']
        user = auth['identity']['password']['user']
        project = auth['scope']['project']['name']
        if (user['name'], user['password'], project) != (USER, PASSWORD, PROJECT):
            message = 'The request you have made requires authentication.'
            return 401, {'error': {'code': 401, 'message': message}}
        self.given += 1
        endpoints = [
            {
                'id': interface, 'interface': interface, 'region': REGION,
                'region_id': REGION, 'url': self.placement,
            }
            for interface in ('internal', 'public')
        ]  # fmt: skip
        service = {'type': 'placement', 'name': 'placement', 'endpoints': endpoints}
        return 201, {
            'token': {
                'methods': ['password'],
                'user': {'name': USER, 'id': 'u', 'domain': {'id': 'default'}},
                'issued_at': '2026-01-01T00:00:00.000000Z',
                'expires_at': '2099-01-01T00:00:00.000000Z',
                'catalog': [{'id': 'placement', **service}],
            }
        }

    def _handler(self) -> type[server.BaseHTTPRequestHandler]:
        identity = self

        class Handler(server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say(200, identity.version)

            def do_POST(self) -> None:
                length = int(self.headers['Content-Length'])
                self._say(*identity.answer(json.loads(self.rfile.read(length))))

            def _say(self, status: int, body: dict[str, ty.Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(content)))
                if status == 201:
                    self.send_header('X-Subject-Token', identity.token)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: what was asked shows in what was given."""

        return Handler
