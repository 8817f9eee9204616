# SPDX-License-Identifier: Apache-2.0
"""``nova-mdev audit`` on a real kernel, libvirt and Placement: made by hand, found,
and mended where that is safe.

Each kind is in ``auditing``; what none of the scenes can make is there, too,
with the reason.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator

import pytest

from tests.functional import placement_service
from tests.system.auditing import SCENES
from tests.system.auditing.damage import End
from tests.system.auditing.host import Host
from tests.system.auditing.places import CARD
from tests.system.auditing.places import MBOCHS
from tests.system.auditing.places import Server
from tests.system.machine import Machine
from tests.system.program import Program

_UDEV = 'systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udevd.service'
_LIBVIRT = (
    'libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd-tcp.socket'
)


@dataclasses.dataclass
class Made:
    """What the damages of a scene are found as, and what becomes of each."""

    found: dict[tuple[str, str], End] = dataclasses.field(default_factory=dict)
    servers: dict[str, Server] = dataclasses.field(default_factory=dict)

    def of(self, end: End) -> set[tuple[str, str]]:
        """All of which this becomes."""
        return {key for key, each in self.found.items() if each is end}

    def mdevs(self, *names: str) -> set[str]:
        """The mdevs of some damages' servers."""
        return {self.servers[name].mdev for name in names}


@pytest.fixture
def host(program: Program, placement: placement_service.Service) -> Iterator[Host]:
    made = Host(program, placement)
    yield made
    made.heal()


def serve(host: Host, scene: str) -> Made:
    """A server for each damage that needs one; all agree."""
    damages = [one for one in SCENES[scene] if one.needs_server]
    servers = {one.name: Server(name=one.name, place=one.place) for one in damages}
    host.serve(servers.values())
    assert host.audit() == (0, {})
    return Made(servers=servers)


def damage(host: Host, scene: str, made: Made) -> None:
    """Do all that the scene has."""
    for one in SCENES[scene]:
        server = made.servers.get(one.name, Server(name='nobody', place=one.place))
        found = one.do(host, server)
        assert found.keys() == one.kinds.keys()
        made.found |= {(k.value, what): one.kinds[k] for k, what in found.items()}


def is_found_and_mended(host: Host, made: Made) -> None:
    """Exactly what was made; a dry run does nothing; what is safe is mended."""
    status, rows = host.audit()
    assert (status, rows.keys()) == (1, made.found.keys())
    before = host.everything()
    follows = made.of(End.FOLLOWS)
    status, rows = host.audit('--dry-run')
    told = {key: row['remedy'] for key, row in rows.items()}
    would = {key for key in told if re.match('would (?!not )', told[key])}
    assert (status, would - follows) == (1, made.of(End.MENDED)), rows
    assert host.everything() == before
    status, rows = host.audit('--fix')
    done = {key for key, row in rows.items() if row['remedy'].startswith('done: ')}
    assert (status, done - follows) == (1, made.of(End.MENDED)), rows
    status, rows = host.audit()
    assert (status, rows.keys()) == (1, made.of(End.LEFT))


@pytest.mark.long
def test_what_happened_to_mdevs_and_consumers(host: Host) -> None:
    made = serve(host, 'mdevs')
    assert made.mdevs(*made.servers) == host.live()
    damage(host, 'mdevs', made)
    host.settle()
    before = host.live()
    guests = host.machine.output('virsh -q list --all --name')

    is_found_and_mended(host, made)

    # Made again; and taken what was nobody's, no guest had, and we had made.
    missing = made.mdevs('missing')
    taken = made.mdevs('orphan', 'unfinished', 'gone')
    assert (before & missing, taken - before) == (set(), set())
    assert host.live() == (before | missing) - taken
    assert host.machine.output('virsh -q list --all --name') == guests
    defined = host.machine.output('find /etc/mdevctl.d -type f')
    for name in ('defined-only', 'forgotten-by-all', *('orphan', 'gone')):
        assert made.servers[name].mdev not in defined
    assert defined.count(made.servers['defined-twice'].mdev) == 2


def test_what_happened_to_parents_and_providers(host: Host) -> None:
    made = serve(host, 'providers')
    damage(host, 'providers', made)
    before = host.live()

    is_found_and_mended(host, made)

    assert host.live() == before
    assert host.placement.traits(host.provider(MBOCHS)) == set()


@contextlib.contextmanager
def no_events(machine: Machine) -> Iterator[None]:
    """libvirt hears of nothing that happens meanwhile, until it is started again."""
    machine.run(f'systemctl stop {_UDEV}')
    try:
        yield
    finally:
        machine.run(f'systemctl start {_UDEV}')
        machine.run('systemctl restart libvirtd', timeout=120)


def test_libvirt_that_did_not_see_what_happened(host: Host) -> None:
    made = serve(host, 'views')
    with no_events(host.machine):
        damage(host, 'views', made)
        is_found_and_mended(host, made)
    # The remedy that the audit tells was to start libvirtd again.
    host.settle()
    status, rows = host.audit()
    assert (status, {kind for kind, _ in rows}) == (1, {'foreign mdev'})


def test_one_that_cannot_be_asked(host: Host) -> None:
    """The others are told all the same, and what differs among them."""
    server = Server(name='one', place=CARD)
    host.serve([server])
    host.placement.deallocate(server.consumer)
    with without_libvirt(host.machine):
        result = host.program.run('audit', '-f', 'value', check=False)
    assert result.status == 2
    assert 'libvirt could not be asked' in result.stderr
    assert 'device without allocation' in result.stdout
    host.program.environment['OS_PLACEMENT_URL'] = 'http://127.0.0.1:1'
    result = host.program.run('audit', '-f', 'value', check=False)
    assert (result.status, result.stdout) == (2, '')
    assert 'placement could not be asked' in result.stderr
    assert host.audit('--without', 'placement') == (0, {})


@contextlib.contextmanager
def without_libvirt(machine: Machine) -> Iterator[None]:
    machine.run(f'systemctl stop {_LIBVIRT} libvirtd.service')
    try:
        yield
    finally:
        machine.run(f'systemctl start {_LIBVIRT}')
