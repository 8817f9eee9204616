# SPDX-License-Identifier: Apache-2.0
"""A network service that has nothing.

Servers here have no network, yet Nova's API asks for their ports when it shows
or deletes one.  This answers every such question with an empty list, and is the
one service of the cloud that is not OpenStack's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

_VERSIONS = {'versions': [{'id': 'v2.0', 'status': 'CURRENT', 'links': []}]}
_UNLIMITED = {'quota': {'port': -1, 'network': -1, 'security_group': -1}}


def application(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """Answer one request; only reading is known."""
    status, told = '200 OK', _answer(environ['PATH_INFO'].strip('/').split('/'))
    if environ['REQUEST_METHOD'] != 'GET':
        status, told = '405 Method Not Allowed', {}
    body = json.dumps(told).encode()
    headers = [('Content-Type', 'application/json'), ('Content-Length', str(len(body)))]
    start(status, headers)
    return [body]


def _answer(path: list[str]) -> dict[str, Any]:
    if len(path) < 2:
        return _VERSIONS
    if path[1] == 'quotas':
        return _UNLIMITED
    return {path[1].removesuffix('.json').replace('-', '_'): []}
