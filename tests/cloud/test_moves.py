# SPDX-License-Identifier: Apache-2.0
"""Servers that go from one host to the other, and their devices with them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud import seeing
from tests.cloud.hands import Hands

HERE, THERE = 'compute1', 'compute2'
pytestmark = pytest.mark.two_hosts


def _one(host: str) -> list[seeing.Device]:
    return [(f'{host}_mtty_mtty', 'CUSTOM_MTTY')]


@pytest.fixture
def server(hands: Hands) -> Iterator[str]:
    """A server with one device, on the first host."""
    server = hands.boot('mtty', HERE)
    hands.wait_for_echo(server, 1)
    assert hands.check(server) == _one(HERE)
    yield server
    hands.delete(server)
    hands.check_gone(server)


def test_cold_migration(hands: Hands, server: str) -> None:
    before = hands.console(server)
    hands.act(server, migrate={'host': THERE})
    hands.until(server, 'VERIFY_RESIZE')
    # The migration holds what the server has left behind.
    assert hands.held_by_migration(server) == _one(HERE)
    hands.wait_for_echo(server, 1, before)
    assert hands.check(server) == _one(THERE)
    hands.act(server, confirmResize=None)
    hands.until(server, 'ACTIVE')
    assert hands.held_by_migration(server) == []
    hands.check_left(server, HERE)


def test_resize_and_revert(hands: Hands, server: str) -> None:
    before = hands.console(server)
    flavor = hands.api.compute.find_flavor('mtty-two').id
    hands.act(server, resize={'flavorRef': flavor})
    hands.until(server, 'VERIFY_RESIZE')
    hands.wait_for_echo(server, 2, before)
    assert len(hands.check(server)) == 2
    hands.act(server, revertResize=None)
    hands.until(server, 'ACTIVE')
    hands.wait_for_echo(server, 1, before)
    assert hands.check(server) == _one(HERE)
    hands.check_left(server, THERE)


def test_live_migration(hands: Hands, server: str) -> None:
    before = hands.console(server)
    hands.act(server, **{'os-migrateLive': {'host': THERE, 'block_migration': 'auto'}})
    hands.until_migrated(server)
    assert hands.show(server).compute_host == THERE
    assert hands.check(server) == _one(THERE)
    hands.check_left(server, HERE)
    # It goes on where it was: it is not started anew, and its device answers.
    hands.wait('it ticks on', lambda: 'guest: tick' in hands.console(server))
    after = hands.console(server)
    assert 'guest: firmware up' not in after.removeprefix(before)
    assert 'WRONG' not in after


def test_reboot_of_the_host(hands: Hands, server: str) -> None:
    devices = hands.check(server)
    uuids = seeing.in_guest(hands.cloud.hosts[HERE], server)
    hands.reboot_host(HERE)
    assert seeing.mdevs(hands.cloud.hosts[HERE]) >= set(uuids)
    hands.until(server, 'SHUTOFF')
    hands.act(server, **{'os-start': None})
    hands.until(server, 'ACTIVE')
    hands.wait_for_echo(server, 1)
    assert hands.check(server) == devices


def test_evacuation_when_a_host_is_cut_off(hands: Hands, server: str) -> None:
    uuids = set(seeing.in_guest(hands.cloud.hosts[HERE], server))
    with hands.without(HERE):
        hands.act(server, evacuate={'host': THERE})
        # Nova leaves it to its owner to start it; and notes last where it is, so
        # that a start before that is sent to the host that is not there.
        hands.until(server, 'SHUTOFF')
        hands.wait('it is there', lambda: hands.show(server).compute_host == THERE)
        hands.act(server, **{'os-start': None})
        hands.until(server, 'ACTIVE')
        hands.wait_for_echo(server, 1)
        # What it had stays allocated until its host is back and has let go of it.
        assert hands.check(server) == _one(HERE) + _one(THERE)
    here = hands.cloud.hosts[HERE]
    hands.wait('its devices are gone', lambda: not uuids & seeing.mdevs(here))
    hands.check_left(server, HERE)
    hands.wait('so is the rest', lambda: hands.check(server) == _one(THERE))
