# SPDX-License-Identifier: Apache-2.0
"""A Placement in memory, at the level of HTTP, that fails as it is told to.

It knows as much of the API as is asked of it: generations, and what cannot be
taken away.  The real one is in tests/functional.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import typing as ty
import urllib.parse

import requests
from keystoneauth1 import adapter
from keystoneauth1 import session
from keystoneauth1 import token_endpoint

from nova_generic_mdev.adapters import placement
from nova_generic_mdev.adapters.placement import asking

URL = 'http://placement.test'
STANDARD = frozenset({'VCPU', 'VGPU', 'OWNER_NOVA', 'HW_NUMA_ROOT'})


@dataclasses.dataclass
class Provider:
    name: str
    uuid: str
    parent: str | None = None
    generation: int = 0
    inventories: dict[str, dict[str, ty.Any]] = dataclasses.field(default_factory=dict)
    traits: set[str] = dataclasses.field(default_factory=set)
    used: dict[str, int] = dataclasses.field(default_factory=dict)

    def told(self) -> dict[str, ty.Any]:
        return {
            'name': self.name,
            'uuid': self.uuid,
            'generation': self.generation,
            'parent_provider_uuid': self.parent,
        }


@dataclasses.dataclass
class Answer:
    status: int
    body: object = None
    text: str | None = None
    reason: str = ''


def refusal(status: int, code: str = 'placement.undefined_code') -> Answer:
    return Answer(status, {'errors': [{'code': code, 'detail': f'it says {code}'}]})


CONFLICT = refusal(409, asking.CONCURRENT_UPDATE)
IN_USE = refusal(409, 'placement.inventory.inuse')
DOWN = Answer(503, text='<html>no server</html>', reason='Service Unavailable')

Trouble = Answer | Exception


class Fake(requests.adapters.BaseAdapter):
    """Placement: what it has, what was asked, and what will go wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.providers: dict[str, Provider] = {}
        self.known = set(STANDARD)
        self.allocations: dict[str, ty.Any] = {}
        self.log: list[str] = []
        self.versions: set[str] = set()
        self._trouble: list[tuple[str, str, int, Trouble]] = []
        self._numbers = itertools.count(1)

    def client(self) -> placement.Client:
        """A client of it, as the program makes one."""
        http = requests.Session()
        http.mount(URL, self)
        made = session.Session(auth=token_endpoint.Token(URL, 'a-token'), session=http)
        return placement.Client(
            asking.Asker(
                adapter.Adapter(
                    made,
                    service_type='placement',
                    default_microversion=asking.MICROVERSION,
                )
            )
        )

    def make(self, name: str, parent: str | None = None, *traits: str) -> Provider:
        uuid = f'00000000-0000-4000-8000-{next(self._numbers):012x}'
        above = self.providers[parent].uuid if parent else None
        self.providers[name] = Provider(name, uuid, above, traits=set(traits))
        return self.providers[name]

    def fail(self, method: str, part: str, trouble: Trouble, times: int = 1) -> None:
        """So many times, a request whose path has this part goes wrong."""
        self._trouble.append((method, part, times, trouble))

    @property
    def writes(self) -> list[str]:
        return [line for line in self.log if not line.startswith('GET')]

    # HTTP

    def send(self, request: ty.Any, **kwargs: object) -> requests.Response:
        path = request.path_url
        self.log.append(f'{request.method} {path}')
        self.versions.add(request.headers['OpenStack-API-Version'])
        answer = self._mishap(request.method, path)
        if answer is None:
            body = json.loads(request.body) if request.body else None
            answer = self._answer(request.method, path, body)
        response = requests.Response()
        response.status_code, response.reason = answer.status, answer.reason
        response.url, response.request = request.url, request
        text = json.dumps(answer.body) if answer.text is None else answer.text
        response._content = b'' if answer.status == 204 else text.encode()
        return response

    def close(self) -> None:
        """Nothing is open."""

    def _mishap(self, method: str, path: str) -> Answer | None:
        for index, (wanted, part, times, trouble) in enumerate(self._trouble):
            if wanted == method and part in path:
                self._trouble[index] = (wanted, part, times - 1, trouble)
                if times == 1:
                    del self._trouble[index]
                if isinstance(trouble, Exception):
                    raise trouble
                return trouble
        return None

    def _answer(self, method: str, path: str, body: ty.Any) -> Answer:
        parts = urllib.parse.urlsplit(path)
        kind, *rest = parts.path.strip('/').split('/')
        if kind in ('traits', 'resource_classes'):
            return self._name(method, rest[0])
        if kind == 'allocations':
            return Answer(200, {'allocations': self.allocations.get(rest[0], {})})
        if not rest:
            return self._list(parts.query) if method == 'GET' else self._create(body)
        by_uuid = {p.uuid: p for p in self.providers.values()}
        if rest[0] not in by_uuid:
            return refusal(404)
        return self._provider(by_uuid[rest[0]], method, rest[1:], body)

    def _name(self, method: str, name: str) -> Answer:
        if method == 'PUT':
            if not name.startswith('CUSTOM_'):
                return refusal(400)
            self.known.add(name)
        return Answer(204) if name in self.known else refusal(404)

    def _list(self, query: str) -> Answer:
        asked = dict(urllib.parse.parse_qsl(query))
        found = [
            p.told()
            for p in self.providers.values()
            if p.name == asked.get('name') or asked.get('in_tree') in (p.uuid, p.parent)
        ]
        return Answer(200, {'resource_providers': found})

    def _create(self, body: ty.Any) -> Answer:
        if body['name'] in self.providers:
            return refusal(409, asking.DUPLICATE_NAME)
        above = body.get('parent_provider_uuid')
        made = self.make(body['name'])
        made.parent = above
        return Answer(200, made.told())

    def _provider(
        self, one: Provider, method: str, rest: list[str], body: ty.Any
    ) -> Answer:
        if method == 'DELETE':
            del self.providers[one.name]
            return Answer(204)
        field = rest[0]
        if field == 'allocations':
            held = {c: told.get(one.uuid) for c, told in self.allocations.items()}
            mine = {consumer: told for consumer, told in held.items() if told}
            return Answer(200, {'allocations': mine})
        if field == 'usages':
            return Answer(200, {'usages': one.used})
        if method == 'PUT':
            if body['resource_provider_generation'] != one.generation:
                return CONFLICT
            if field == 'inventories' and one.used.keys() - body[field].keys():
                return IN_USE
            given: ty.Any = body[field]
            if field == 'traits':
                assert set(given) <= self.known
                given = set(given)
            else:
                assert given.keys() <= self.known
            setattr(one, field, given)
            one.generation += 1
        told: ty.Any = getattr(one, field)
        return Answer(
            200,
            {
                field: sorted(told) if field == 'traits' else told,
                'resource_provider_generation': one.generation,
            },
        )
