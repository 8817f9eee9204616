# SPDX-License-Identifier: Apache-2.0
"""What can be done to a server on its host: its devices stay its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud.hands import Hands

HOST = 'compute1'


@pytest.fixture(scope='module')
def server(hands: Hands) -> Iterator[str]:
    """A server with two devices of one parent."""
    server = hands.boot('mtty-two', HOST)
    hands.wait_for_echo(server, 2)
    yield server
    hands.delete(server)
    hands.check_gone(server)


def test_two_devices_in_one_server(hands: Hands, server: str) -> None:
    assert hands.check(server) == [(f'{HOST}_mtty_mtty', 'CUSTOM_MTTY')] * 2


@pytest.mark.parametrize('kind', ['SOFT', 'HARD'])
def test_reboot(hands: Hands, server: str, kind: str) -> None:
    devices, before = hands.check(server), hands.console(server)
    hands.act(server, reboot={'type': kind})
    hands.until(server, 'ACTIVE')
    hands.wait_for_echo(server, 2, before)
    assert hands.check(server) == devices


def test_stop_and_start(hands: Hands, server: str) -> None:
    devices, before = hands.check(server), hands.console(server)
    hands.act(server, **{'os-stop': None})
    hands.until(server, 'SHUTOFF')
    assert hands.check(server) == devices
    hands.act(server, **{'os-start': None})
    hands.until(server, 'ACTIVE')
    hands.wait_for_echo(server, 2, before)
    assert hands.check(server) == devices


def test_rebuild(hands: Hands, server: str) -> None:
    devices, before = hands.check(server), hands.console(server)
    image = hands.show(server).image.id
    hands.act(server, rebuild={'imageRef': image})
    hands.until(server, 'ACTIVE')
    hands.wait_for_echo(server, 2, before)
    assert hands.check(server) == devices


def test_restart_of_nova_compute(hands: Hands, server: str) -> None:
    devices = hands.check(server)
    host = hands.cloud.hosts[HOST]
    host.run('systemctl restart nova-compute', timeout=120)
    hands.wait_until_up(HOST)
    assert hands.check(server) == devices


def test_shelve_and_unshelve(hands: Hands, server: str) -> None:
    before = hands.console(server)
    hands.act(server, shelve=None)
    hands.until(server, 'SHELVED_OFFLOADED')
    hands.check_gone(server)
    hands.act(server, unshelve={'host': HOST})
    hands.until(server, 'ACTIVE')
    hands.wait_for_echo(server, 2, before)
    assert hands.check(server) == [(f'{HOST}_mtty_mtty', 'CUSTOM_MTTY')] * 2
