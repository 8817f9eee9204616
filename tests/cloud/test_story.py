# SPDX-License-Identifier: Apache-2.0
"""The main job as people live it, through the openstack client, in order."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud import processes
from tests.cloud import settings
from tests.cloud.cloud import Cloud
from tests.cloud.hands import IMAGE
from tests.cloud.hands import Hands

HOST = 'compute1'
NAME = 'with-a-serial-device'
_ECHO = re.compile(r"guest: echo port \w+ wrote '(.*)' read '(.*)' ok")


class Client:
    """The openstack client of one person."""

    def __init__(self, cloud: Cloud, who: str) -> None:
        self._environment = {
            'OS_CLIENT_CONFIG_FILE': str(cloud.place.path('clouds.yaml')),
            'OS_CLOUD': who,
            'PYTHONWARNINGS': 'ignore',
        }

    def __call__(self, line: str) -> str:
        """What one command prints."""
        print(f'$ openstack {line}')
        done = subprocess.run(
            [processes.program('openstack'), *line.split()],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f'openstack {line}: {done.stderr}'
        print(done.stdout)
        return done.stdout

    def rows(self, line: str) -> list[dict[str, Any]]:
        """What one command lists."""
        rows: list[dict[str, Any]] = json.loads(self(f'{line} -f json'))
        return rows

    def show(self, line: str) -> dict[str, Any]:
        """What one command shows."""
        shown: dict[str, Any] = json.loads(self(f'{line} -f json'))
        return shown


@pytest.fixture(scope='module')
def operator(cloud: Cloud) -> Client:
    """Who may do everything."""
    return Client(cloud, settings.ADMIN)


@pytest.fixture(scope='module')
def user(cloud: Cloud) -> Client:
    """Who has a project and no more."""
    return Client(cloud, settings.USER)


def _providers(operator: Client) -> dict[str, str]:
    rows = operator.rows('resource provider list')
    return {row['name']: row['uuid'] for row in rows}


def test_an_operator_sees_what_a_host_offers(operator: Client) -> None:
    providers = _providers(operator)
    parents = ('mtty_mtty', 'mdpy_mdpy', 'pci_0000_00_05_0', 'pci_0000_00_06_0')
    assert {f'{HOST}_{parent}' for parent in parents} <= set(providers)

    of_mtty = providers[f'{HOST}_mtty_mtty']
    rows = operator.rows(f'resource provider inventory list {of_mtty}')
    totals = {row['resource_class']: row['total'] for row in rows}
    assert totals == {'CUSTOM_MTTY': 24, 'CUSTOM_MTTY_DUAL': 12}

    rows = operator.rows(f'resource provider trait list {of_mtty}')
    traits = {row['name'] for row in rows}
    assert {'CUSTOM_MDEV_TYPE_MTTY_1', 'CUSTOM_MDEV_TYPE_MTTY_2'} <= traits

    of_pci = providers[f'{HOST}_pci_0000_00_05_0']
    rows = operator.rows(f'resource provider trait list {of_pci}')
    assert 'CUSTOM_ON_PCI' in {row['name'] for row in rows}


@pytest.fixture
def flavor(operator: Client) -> Iterator[str]:
    """A flavor that an operator makes for serial devices."""
    operator(
        'flavor create --ram 64 --vcpus 1 --disk 1 '
        '--property resources:CUSTOM_MTTY=1 serial'
    )
    yield 'serial'
    operator('flavor delete serial')


def test_a_user_has_a_server_with_a_device(
    operator: Client, user: Client, hands: Hands, flavor: str
) -> None:
    user(f'server create --flavor {flavor} --image {IMAGE} --no-network --wait {NAME}')
    shown = user.show(f'server show {NAME}')
    try:
        assert shown['status'] == 'ACTIVE'

        lines = _wait_for_console(user)
        assert [m[1] == m[2] for m in map(_ECHO.search, lines) if m] == [True]

        (device,) = hands.check(shown['id'])
        assert device[1] == 'CUSTOM_MTTY'
        held = operator.rows(f'resource provider allocation show {shown["id"]}')
        assert {'CUSTOM_MTTY': 1} in [row['resources'] for row in held]
    finally:
        user(f'server delete --wait {NAME}')
    hands.check_gone(shown['id'])


def _wait_for_console(user: Client) -> list[str]:
    deadline = time.monotonic() + 200
    while True:
        told = user(f'console log show {NAME}')
        if 'guest: done' in told:
            return told.splitlines()
        assert time.monotonic() < deadline, told


@pytest.mark.parametrize(
    ('flavor', 'classes', 'ports'),
    [
        pytest.param('mtty-dual', ['CUSTOM_MTTY_DUAL'], 2, id='another type'),
        pytest.param('mtty-on-pci', ['CUSTOM_MTTY_PCI'], 1, id='chosen by a trait'),
        pytest.param(
            'mtty-and-display', ['CUSTOM_MTTY', 'VGPU'], 1, id='of two parents'
        ),
    ],
)
def test_flavors(hands: Hands, flavor: str, classes: list[str], ports: int) -> None:
    server = hands.boot(flavor)
    try:
        hands.wait_for_echo(server, ports)
        assert sorted(name for _, name in hands.check(server)) == classes
    finally:
        hands.delete(server)
    hands.check_gone(server)
