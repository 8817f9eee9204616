# SPDX-License-Identifier: Apache-2.0
"""``nova-mdev inventory publish`` against a real Placement."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import logging
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

import pytest

from nova_generic_mdev import claims
from nova_generic_mdev import fixture
from nova_generic_mdev import names
from nova_generic_mdev import record
from nova_generic_mdev.cmd import cloud
from nova_generic_mdev.cmd import context
from nova_generic_mdev.cmd import main
from nova_generic_mdev.cmd import processes
from tests.functional import placement_service

pytestmark = pytest.mark.filterwarnings(
    # Placement's, and those of the libraries that it stands on.
    'ignore::DeprecationWarning',
    'ignore::PendingDeprecationWarning',
    'ignore:.*:sqlalchemy.exc.SADeprecationWarning',
    'ignore::sqlalchemy.exc.SAWarning',
)

MACHINE = 'a' * 32
MTTY = """
[devices]
enabled_mdev_types = mtty-2
[mdev_mtty-2]
device_addresses = mtty
mdev_class = mtty
"""
BOTH = """
[devices]
enabled_mdev_types = mtty-2, mtty-1
[mdev_mtty-2]
device_addresses = mtty
mdev_class = mtty
[mdev_mtty-1]
device_addresses = mtty
mdev_class = single
"""
ONLY_SINGLE = """
[devices]
enabled_mdev_types = mtty-1
[mdev_mtty-1]
device_addresses = mtty
mdev_class = single
"""
NOTHING = '[devices]\n'
T1, T2 = names.type_trait('mtty-1'), names.type_trait('mtty-2')
NUMBERS = itertools.count(1)
CONSUMER = 'c0000000-0000-4000-8000-{:012x}'
MDEV = 'd0000000-0000-4000-8000-{:012x}'


class Host:
    """A host as a sysfs tree, its record and its configuration."""

    def __init__(
        self, home: pathlib.Path, service: placement_service.Service, name: str
    ) -> None:
        self.home = home
        self.service = service
        self.root = name
        self.child = f'{name}_mtty_mtty'
        self.status: int | None = None
        self.host = fixture.mtty()
        self.record: bool = True
        self.store = claims.ClaimStore(str(home / 'state'), MACHINE)

    def arguments(self, conf: str, *more: str) -> list[str]:
        """Of the program, without its name."""
        shutil.rmtree(self.home / 'sys', ignore_errors=True)
        fixture.write_sysfs(self.host, self.home / 'sys')
        (self.home / 'nova.conf').write_text(conf)
        state = [f'--state-path={self.home / "state"}'] if self.record else []
        return [
            f'--config-file={self.home / "nova.conf"}',
            f'--sysfs={self.home / "sys"}',
            *state,
            f'--root-provider={self.root}',
            *('inventory', 'publish', '-f', 'json'),
            f'--placement-url={self.service.url}',
            *more,
        ]

    def publish(self, conf: str = MTTY, *more: str) -> list[tuple[str, str, str]]:
        """Run the command; returns its rows."""
        self.service.log.clear()
        self.status = self.run(self.arguments(conf, '--token=admin', *more))
        told = json.loads(self.out) if self.out.strip() else []
        return [(r['provider'], r['change'], r['detail']) for r in told]

    def run(self, arguments: list[str]) -> int:
        """The program, in this process, with the log handlers of one run."""
        root = logging.getLogger()
        before, level = list(root.handlers), root.level
        try:
            return main.main(arguments)
        finally:
            root.handlers[:] = before
            root.setLevel(level)
            self.out, self.err = self.capture.readouterr()

    def give(self, mdev_type: str, resource_class: str) -> str:
        """As nova-compute does: an mdev and a claim; returns the consumer."""
        number = next(NUMBERS)
        uuid, consumer = MDEV.format(number), CONSUMER.format(number)
        self.host.place(uuid, 'mtty_mtty', mdev_type)
        if not self.store.exists():
            self.store.create(record.Claims())
        with self.store.transaction() as session:
            session.add_mdev(
                record.MdevRecord(
                    uuid=uuid,
                    parent='mtty_mtty',
                    mdev_type=mdev_type,
                    origin=record.Origin.CREATED,
                )
            )
            session.add_claim(
                record.Claim(
                    consumer=consumer, uuid=uuid, resource_class=resource_class
                )
            )
        self.last = uuid
        return consumer

    def take(self, uuid: str) -> None:
        """The consumer and its mdev are gone."""
        self.host.lose_mdev(uuid)
        with self.store.transaction() as session:
            session.drop_mdev(uuid)

    def inventories(self) -> dict[str, tuple[int, int, int]]:
        return self.service.inventories(self.child)

    def traits(self) -> set[str]:
        return self.service.traits(self.child)


@pytest.fixture
def host(
    tmp_path: pathlib.Path,
    placement: placement_service.Service,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Host:
    monkeypatch.setattr(claims, 'machine_id', lambda: MACHINE)
    monkeypatch.setattr(processes, 'PROC', str(tmp_path))
    for name in [name for name in os.environ if name.startswith('OS_')]:
        monkeypatch.delenv(name)
    made = Host(tmp_path, placement, f'{request.node.name[:60]}-{next(NUMBERS)}')
    made.capture = capsys
    placement.make_provider(made.root)
    return made


# The first time, and again ------------------------------------------------


def test_a_first_publication(host: Host):
    rows = host.publish()
    assert host.status == 0
    assert [row[:2] for row in rows if row[0]] == [
        (host.child, 'create provider'),
        (host.child, 'set traits'),
        (host.child, 'set inventories'),
    ]
    assert rows[-1][2] == 'CUSTOM_MTTY total=12 reserved=0'
    assert host.inventories() == {'CUSTOM_MTTY': (12, 0, 12)}
    assert host.traits() == {
        T2,
        names.name_trait('Dual port serial'),
        'CUSTOM_MDEV_API_VFIO_PCI',
        'OWNER_NOVA',
    }


def test_the_second_time_nothing_is_written(host: Host):
    host.publish()
    assert host.publish() == []
    assert host.status == 0
    assert host.service.writes == []


def test_nothing_configured(host: Host):
    assert host.publish(NOTHING) == []
    assert host.status == 0
    assert host.service.writes == []


def test_a_dry_run_says_it_all_and_changes_nothing(host: Host):
    told = host.publish(MTTY, '--dry-run')
    assert host.service.writes == []
    assert host.service.children(host.root) == set()
    assert not host.store.exists()
    assert host.publish() == told


def test_quiet_in_a_pipe(host: Host):
    host.publish()
    assert host.err == ''


# Roots ---------------------------------------------------------------------


def test_a_root_is_not_made_unasked(host: Host):
    host.root = 'nobody-made-this'
    assert host.publish() == []
    assert host.status == 1
    assert 'nobody-made-this' in host.err
    assert '--create-root' in host.err
    assert host.service.writes == []


def test_a_root_is_made_when_asked(host: Host):
    host.root, host.child = 'made-here', 'made-here_mtty_mtty'
    told = host.publish(MTTY, '--create-root', '--dry-run')
    assert ('made-here', 'create root', '') in told
    assert host.publish(MTTY, '--create-root') == told
    assert host.inventories() == {'CUSTOM_MTTY': (12, 0, 12)}
    assert host.publish(MTTY, '--create-root') == []


def test_only_the_tree_of_this_root_is_read(host: Host):
    other = host.service.make_provider(f'{host.root}x')
    host.service.make_provider(f'{host.root}x_mtty_mtty', other)
    host.publish()
    assert not [line for line in host.service.log if other in line]


# What is on offer ------------------------------------------------------------


def test_inventories_follow_what_is_given_and_taken(host: Host):
    host.publish(BOTH)
    assert host.inventories() == {
        'CUSTOM_MTTY': (12, 0, 12),
        'CUSTOM_SINGLE': (24, 0, 24),
    }
    host.give('mtty-2', 'CUSTOM_MTTY')
    rows = host.publish(BOTH)
    assert rows == [
        (
            host.child,
            'set inventories',
            'CUSTOM_SINGLE total=24 reserved=2 (was total=24 reserved=0)',
        )
    ]
    assert host.inventories() == {
        'CUSTOM_MTTY': (12, 0, 12),
        'CUSTOM_SINGLE': (24, 2, 24),
    }
    host.take(host.last)
    host.publish(BOTH)
    assert host.inventories()['CUSTOM_SINGLE'] == (24, 0, 24)


def test_with_nothing_to_give_the_provider_stays_the_same(host: Host):
    host.publish()
    uuid = host.service.uuid(host.child)
    host.service.add_trait(host.child, 'CUSTOM_RACK_7')
    others = host.host.fill('mtty_mtty', 'mtty-1')
    host.publish()
    assert host.inventories() == {'CUSTOM_MTTY': (12, 12, 12)}
    for other in others:
        host.host.lose_mdev(other)
    host.publish()
    assert host.inventories() == {'CUSTOM_MTTY': (12, 0, 12)}
    assert host.service.uuid(host.child) == uuid
    assert 'CUSTOM_RACK_7' in host.traits()


def test_a_parent_whose_driver_is_away_keeps_its_provider(host: Host):
    host.publish()
    uuid = host.service.uuid(host.child)
    host.host.lose_parent('mtty_mtty')
    host.publish()
    host.publish()
    assert host.inventories() == {'CUSTOM_MTTY': (12, 12, 12)}
    host.host = fixture.mtty()
    host.publish()
    assert host.inventories() == {'CUSTOM_MTTY': (12, 0, 12)}
    assert host.service.uuid(host.child) == uuid


def test_a_drained_type_keeps_what_is_allocated(host: Host):
    host.publish()
    consumer = host.give('mtty-2', 'CUSTOM_MTTY')
    host.service.allocate(consumer, host.child, CUSTOM_MTTY=1)
    host.publish(MTTY + 'drain = true\n')
    assert host.status == 0
    assert host.inventories() == {'CUSTOM_MTTY': (12, 11, 12)}


# What goes -----------------------------------------------------------------


def test_the_class_goes_first_and_then_the_provider(host: Host):
    host.publish()
    assert host.publish(NOTHING) == [(host.child, 'drop class', 'CUSTOM_MTTY')]
    uuid = host.service.uuid(host.child)
    assert host.inventories() == {}
    assert host.publish(NOTHING) == [(host.child, 'delete provider', uuid)]
    assert host.service.children(host.root) == set()
    assert host.publish(NOTHING) == []
    assert host.store.published() == {}


def test_a_class_that_is_allocated_stays_with_nothing_free(host: Host):
    host.publish()
    consumer = CONSUMER.format(next(NUMBERS))
    host.service.allocate(consumer, host.child, CUSTOM_MTTY=3)
    host.publish(NOTHING)
    assert host.inventories() == {'CUSTOM_MTTY': (12, 12, 12)}
    assert host.publish(NOTHING) == []
    assert host.service.writes == []
    host.service.deallocate(consumer)
    assert host.publish(NOTHING) == [(host.child, 'drop class', 'CUSTOM_MTTY')]


def test_allocated_after_we_asked(host: Host):
    """The refusal (409, in use) is not tried again: the class stays."""
    host.publish()
    consumer = CONSUMER.format(next(NUMBERS))
    host.service.before(
        'PUT',
        '/inventories',
        lambda: host.service.allocate(consumer, host.child, CUSTOM_MTTY=1),
    )
    host.publish(NOTHING)
    assert host.status == 0
    assert host.inventories() == {'CUSTOM_MTTY': (12, 12, 12)}


def test_one_class_for_another(host: Host):
    host.publish()
    rows = host.publish(ONLY_SINGLE)
    changes = [row[1] for row in rows if row[0]]
    assert changes == ['set traits', 'set inventories', 'drop class']
    assert host.inventories() == {'CUSTOM_SINGLE': (24, 0, 24)}
    assert T1 in host.traits()
    assert T2 not in host.traits()
    assert host.publish(ONLY_SINGLE) == []


# What is others' -------------------------------------------------------------


def test_the_children_of_others_are_left_alone(host: Host):
    root = host.service.uuid(host.root)
    numa = f'{host.root}_NUMA0'
    host.service.make_provider(numa, root)
    host.service.add_trait(numa, 'CUSTOM_NUMA')
    generation = _generation(host, numa)
    host.publish()
    host.publish(NOTHING)
    host.publish(NOTHING)
    assert host.service.children(host.root) == {numa}
    assert _generation(host, numa) == generation


def test_a_child_of_the_right_name_that_is_not_ours(host: Host):
    root = host.service.uuid(host.root)
    uuid = host.service.make_provider(host.child, root)
    assert host.publish() == []
    assert host.status == 1
    assert host.child in host.err
    assert uuid in host.err
    assert host.service.writes == []


def test_the_name_is_taken_in_another_tree(host: Host):
    host.service.make_provider(host.child)
    host.publish()
    assert host.status == 1
    assert host.child in host.err
    assert 'not done: create provider' in host.err


def test_an_operators_own_trait_stays(host: Host):
    host.publish()
    host.service.add_trait(host.child, 'CUSTOM_GOLD')
    assert host.publish() == []
    host.publish(ONLY_SINGLE)
    assert 'CUSTOM_GOLD' in host.traits()


def test_the_traits_of_the_configuration_come_and_go(host: Host):
    host.publish(MTTY + 'traits = CUSTOM_FAST\n')
    assert 'CUSTOM_FAST' in host.traits()
    rows = host.publish(MTTY)
    assert rows == [(host.child, 'set traits', '-CUSTOM_FAST')]


def test_without_a_record_no_trait_is_taken_back(host: Host):
    host.record = False
    host.publish(MTTY + 'traits = CUSTOM_FAST\n')
    assert host.publish(MTTY) == []
    assert 'CUSTOM_FAST' in host.traits()


def test_a_record_that_cannot_be_made(host: Host):
    host.record = False
    host.publish(MTTY, '--state-path=/proc/nothing')
    assert host.status == 0
    assert 'cannot be recorded' in host.err
    assert host.inventories() == {'CUSTOM_MTTY': (12, 0, 12)}


def test_what_a_guest_has_that_nobody_told_of_is_its_own(host: Host, monkeypatch):
    uuid = MDEV.format(next(NUMBERS))
    host.host.place(uuid, 'mtty_mtty', 'mtty-2')
    monkeypatch.setattr(context.Context, 'guests', {uuid: True})
    host.publish()
    assert host.inventories() == {'CUSTOM_MTTY': (11, 0, 11)}
    assert uuid not in host.store.load().mdevs


def test_the_record_of_another_machine(host: Host):
    host.publish()
    host.service.log.clear()
    claims.machine_id = lambda: 'b' * 32
    assert host.publish() == []
    assert host.status == 1
    assert 'machine' in host.err
    assert host.service.writes == []


def test_an_unknown_standard_trait_is_a_problem_and_not_published(host: Host):
    host.publish(MTTY + 'traits = HW_NOT_THERE, CUSTOM_FAST\n')
    assert host.status == 0
    assert 'HW_NOT_THERE' in host.err
    assert 'CUSTOM_FAST' in host.traits()
    assert 'HW_NOT_THERE' not in host.traits()


# Conflicts -------------------------------------------------------------------


@pytest.mark.parametrize('part', ['/traits', '/inventories'])
def test_a_write_in_between_is_looked_at_again(host: Host, part: str):
    host.publish(MTTY + 'traits = CUSTOM_FAST\n')
    host.give('mtty-1', 'CUSTOM_SINGLE')
    host.service.before(
        'PUT', part, lambda: host.service.add_trait(host.child, 'CUSTOM_MEANWHILE')
    )
    host.publish(BOTH)
    assert host.status == 0
    assert host.inventories() == {
        'CUSTOM_MTTY': (12, 1, 12),
        'CUSTOM_SINGLE': (24, 0, 24),
    }
    assert host.err == ''
    assert {'CUSTOM_MEANWHILE', T1, T2} <= host.traits()
    assert 'CUSTOM_FAST' not in host.traits()
    assert host.publish(BOTH) == []


def test_somebody_else_makes_the_same_provider(host: Host):
    root = host.service.uuid(host.root)

    def make():
        host.service.make_provider(host.child, root)
        host.service.add_trait(host.child, T2)

    host.service.before('POST', '/resource_providers', make)
    host.publish()
    assert host.status == 0
    assert host.inventories() == {'CUSTOM_MTTY': (12, 0, 12)}


# Names -----------------------------------------------------------------------


def test_types_of_the_longest_names(host: Host):
    parent = fixture.mtty().snapshot().parents['mtty_mtty']
    long = 'mtty-' + 'x' * 250
    kind = dataclasses.replace(parent.types['mtty-2'], id=long, name='y' * 300)
    device = fixture.Device(
        pool=fixture.Independent(counts={long: 4}),
        parents=(dataclasses.replace(parent, types={long: kind}),),
    )
    host.host = fixture.FakeHost(device)
    conf = (
        f'[devices]\nenabled_mdev_types = {long}\n'
        f'[mdev_{long}]\nmdev_class = {"c" * 248}\n'
    )
    host.publish(conf)
    assert host.status == 0
    assert host.inventories() == {f'CUSTOM_{"C" * 248}': (4, 0, 4)}
    assert {names.type_trait(long), names.name_trait('y' * 300)} <= host.traits()
    assert max(map(len, host.traits())) <= 255
    assert host.publish(conf) == []


def test_a_name_that_is_too_long_for_a_provider(host: Host):
    old = host.root
    host.root = old + 'r' * (195 - len(old))
    host.service.make_provider(host.root)
    host.child = names.provider(host.root, 'mtty_mtty')
    assert len(host.child) == 200
    host.publish()
    assert host.inventories() == {'CUSTOM_MTTY': (12, 0, 12)}
    assert host.publish() == []
    host.publish(NOTHING)
    host.publish(NOTHING)
    assert host.service.children(host.root) == set()


# As a program ------------------------------------------------------------------


@pytest.mark.parametrize('how', ['environment', 'file', 'keystoneauth'])
def test_the_program(host: Host, how: str):
    program = pathlib.Path(sys.executable).with_name('nova-mdev')
    token = host.home / 'token'
    token.write_text('admin\n')
    # The machine's own id: a record of this host.
    host.record = False
    arguments = host.arguments(MTTY, '--force')
    environment = {**os.environ}
    if how == 'environment':
        environment |= {'OS_TOKEN': 'admin'}
    elif how == 'file':
        arguments += ['--token-file', str(token)]
    else:
        arguments.remove(f'--placement-url={host.service.url}')
        arguments += ['--os-auth-type=admin_token', '--os-token=admin']
        arguments += [f'--os-endpoint={host.service.url}']
    told = subprocess.run(
        [program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stderr) == (0, '')
    assert len(json.loads(told.stdout)) >= 3
    assert host.inventories() == {'CUSTOM_MTTY': (12, 0, 12)}


def test_it_is_not_said_where_placement_is(host: Host):
    arguments = host.arguments(MTTY)
    arguments.remove(f'--placement-url={host.service.url}')
    assert host.run(arguments) == 1
    assert '--placement-url' in host.err


def test_a_wrong_token(host: Host):
    assert host.run(host.arguments(MTTY, '--token=somebody')) == 1
    assert re.search('403|401', host.err)


def test_nobody_answers(host: Host):
    with socket.create_server(('127.0.0.1', 0)) as silent:
        url = f'http://127.0.0.1:{silent.getsockname()[1]}'
        host.publish(MTTY, f'--placement-url={url}', '--timeout=0.2')
    assert host.status == 1
    assert 'it did not answer in time' in host.err
    assert url in host.err


def test_nobody_listens(host: Host):
    host.publish(MTTY, '--placement-url=http://127.0.0.1:1')
    assert host.status == 1
    assert 'is it running' in host.err


def test_beside_a_nova_compute(host: Host, monkeypatch: pytest.MonkeyPatch):
    (host.home / 'proc/77').mkdir(parents=True)
    (host.home / 'proc/77/cmdline').write_bytes(b'/usr/bin/nova-compute\0')
    monkeypatch.setattr(processes, 'PROC', str(host.home / 'proc'))
    assert host.publish() == []
    assert host.status == 1
    assert 'process 77' in host.err
    assert '--force' in host.err
    assert host.service.log == []
    assert len(host.publish(MTTY, '--dry-run')) >= 3
    assert len(host.publish(MTTY, '--force')) >= 3


def _generation(host: Host, provider: str) -> int:
    uuid = host.service.uuid(provider)
    told = host.service.request('GET', f'/resource_providers/{uuid}')
    return int(told['generation'])


def test_what_a_consumer_holds(host: Host):
    host.publish()
    consumer = CONSUMER.format(next(NUMBERS))
    parser = argparse.ArgumentParser()
    cloud.add_arguments(parser, [])
    client = cloud.client(
        parser.parse_args([f'--placement-url={host.service.url}', '--token=admin'])
    )
    assert client.holdings(consumer, host.root) == {}
    host.service.allocate(consumer, host.child, CUSTOM_MTTY=2)
    uuid = host.service.uuid(host.child)
    assert client.allocations_of(consumer) == {uuid: {'CUSTOM_MTTY': 2}}
    assert client.holdings(consumer, host.root) == {host.child: {'CUSTOM_MTTY': 2}}
    assert client.holdings(consumer, 'another-root') == {}
