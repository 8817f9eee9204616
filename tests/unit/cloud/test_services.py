# SPDX-License-Identifier: Apache-2.0
"""What the cloud's program decides and keeps, without a cloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cloud import errors
from tests.cloud import networks
from tests.cloud import place as places
from tests.cloud import processes
from tests.cloud import settings


@pytest.fixture
def place(tmp_path: Path) -> places.Place:
    """A place that goes with the test."""
    made = places.Place.make(tmp_path / 'link')
    yield made
    made.remove(tmp_path / 'link')


def test_a_place_is_found_with_its_ports(place: places.Place, tmp_path: Path) -> None:
    found = places.Place.find(tmp_path / 'link')
    assert found.directory == place.directory
    assert found.url('nova') == place.url('nova')
    assert len({place.port(name) for name in places.PORTS}) == len(places.PORTS)


def test_there_is_one_place(place: places.Place, tmp_path: Path) -> None:
    with pytest.raises(errors.NotThere, match='stop it first'):
        places.Place.make(tmp_path / 'link')


def test_what_fails_says_its_last_lines(place: places.Place) -> None:
    processes.start(place, 'loud', ['sh', '-c', 'echo the reason; exit 3'])
    with pytest.raises(errors.ServiceFailed) as caught:
        processes.wait(place, 'loud', 'it never is', lambda: False, 60)
    processes.stop(place, 'loud')
    assert caught.value.name == 'loud'
    assert 'the reason' in str(caught.value)


def test_what_is_late_says_what_was_waited_for(place: places.Place) -> None:
    processes.start(place, 'idle', ['sleep', '60'])
    try:
        with pytest.raises(errors.ServiceFailed, match='it is there: not within'):
            processes.wait(place, 'idle', 'it is there', lambda: False, 0.2)
    finally:
        processes.stop(place, 'idle')
    assert processes.known(place) == {}


def test_settings_keep_their_case_and_percent_signs() -> None:
    told = settings.text({'DEFAULT': {'Name': '50%'}, 'api': {'a': 1}})
    assert told.splitlines() == ['[DEFAULT]', 'Name = 50%', '', '[api]', 'a = 1', '']


@pytest.mark.parametrize(
    ('method', 'path', 'status', 'told'),
    [
        pytest.param('GET', '/v2.0/ports', '200 OK', {'ports': []}, id='a list'),
        pytest.param(
            'GET', '/v2.0/security-groups', '200 OK', {'security_groups': []},
            id='one with a dash',
        ),
        pytest.param('POST', '/v2.0/ports', '405 Method Not Allowed', {}, id='no more'),
    ],
)  # fmt: skip
def test_networks_has_nothing(
    method: str, path: str, status: str, told: dict[str, list[str]]
) -> None:
    seen: list[str] = []
    environ = {'REQUEST_METHOD': method, 'PATH_INFO': path}
    (body,) = networks.application(environ, lambda line, _: seen.append(line))
    assert (seen, json.loads(body)) == ([status], told)
