# SPDX-License-Identifier: Apache-2.0
"""What keeps the host and the record in agreement, as an operator meets it."""

from __future__ import annotations

import argparse
import json
import sys
import time

import pytest

from nova_generic_mdev import claims
from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import privileged
from nova_generic_mdev import record
from nova_generic_mdev.cmd import context
from nova_generic_mdev.cmd import keep
from nova_generic_mdev.host import auto
from nova_generic_mdev.host import kernel
from tests.unit import scenes
from tests.unit.host import fake_libvirt

CONSUMER = '11111111-1111-4111-8111-111111111111'
UUID, OTHER = scenes.UUIDS[10:12]
CONF = """
[devices]
enabled_mdev_types = mtty-2
[mdev_mtty-2]
device_addresses = mtty
"""
RECOVER = ('device', 'recover', '-f', 'json')
MTTY = 'mtty_mtty'


@pytest.fixture
def host(monkeypatch):
    """What the commands take for this machine's kernel."""
    them = fixture.together(fixture.mtty(), fixture.mdpy())
    monkeypatch.setattr(context.Context, 'reader', them)
    monkeypatch.setattr(kernel, 'KernelHost', lambda reader: reader)
    monkeypatch.setattr(privileged, 'start', lambda: None)
    monkeypatch.setattr(claims, 'machine_id', lambda: 'this machine')
    monkeypatch.setattr(keep, '_POLL_SECONDS', 0.01)
    return them


@pytest.fixture
def store(tmp_path):
    made = claims.ClaimStore(str(tmp_path / 'state'), 'this machine')
    made.create(record.Claims())
    return made


@pytest.fixture
def know(store):
    """Records an mdev of the consumer."""

    def know(uuid=UUID, parent=MTTY, mdev_type='mtty-2', state='ready'):
        with store.transaction() as session:
            session.add_mdev(
                record.MdevRecord(
                    uuid=uuid, parent=parent, mdev_type=mdev_type,
                    origin=record.Origin.CREATED,
                )
            )  # fmt: skip
            if state:
                session.add_claim(
                    record.Claim(
                        consumer=CONSUMER, uuid=uuid, resource_class='VGPU',
                        state=record.ClaimState(state),
                    )
                )  # fmt: skip

    return know


@pytest.fixture
def base(configure, tmp_path):
    return [configure(CONF), f'--state-path={tmp_path / "state"}']


@pytest.fixture
def libvirt(monkeypatch):
    """libvirt answers, and has no guest."""
    connection = fake_libvirt.Connection()
    monkeypatch.setitem(sys.modules, 'libvirt', fake_libvirt.binding(connection))
    return connection


def live(host):
    return sorted(host.snapshot().mdevs)


# Recover


def test_what_came_back_is_listed(call, base, host, know):
    know()
    know(uuid=OTHER, parent='mdpy_mdpy', mdev_type='mdpy-vga')
    result = call(*base, *RECOVER)
    assert (result.status, result.err) == (0, '')
    assert list(result.rows[0]) == ['uuid', 'parent', 'mdev_type', 'origin']
    assert sorted(row['uuid'] for row in result.rows) == live(host) == [UUID, OTHER]
    again = call(*base, *RECOVER)
    assert (again.status, again.rows, again.err) == (0, [], '')


def test_without_a_record_there_is_nothing_to_do(call, base, host, tmp_path):
    result = call(*base, *RECOVER)
    assert (result.status, result.rows, result.err) == (0, [], '')
    assert not (tmp_path / 'state').exists()


def test_the_parents_that_are_missing_are_named(call, base, host, know):
    know()
    know(uuid=OTHER, parent='mdpy_mdpy', mdev_type='mdpy-vga')
    host.lose_parent(MTTY)
    result = call(*base, *RECOVER)
    assert result.status == 1
    assert [row['uuid'] for row in result.rows] == [OTHER]
    (line,) = result.err.splitlines()
    assert UUID in line
    assert MTTY in line


def test_one_that_the_kernel_does_not_make_is_named(call, base, host, know):
    know()
    host.fill(MTTY, 'mtty-1')
    result = call(*base, *RECOVER)
    assert (result.status, result.rows) == (1, [])
    (line,) = result.err.splitlines()
    assert UUID in line
    assert 'cannot give 1 of mtty-2' in line


def comes_after(looks, host, monkeypatch):
    """A parent that is there only when it has been looked for so often."""
    host.lose_parent(MTTY)
    snapshot, seen = host.snapshot, []

    def look(parents=None):
        seen.append(parents)
        if len(seen) == looks:
            host.regain_parent(MTTY)
        return snapshot(parents)

    monkeypatch.setattr(host, 'snapshot', look)


def test_a_parent_that_comes_late_is_waited_for(call, base, host, know, monkeypatch):
    know()
    know(uuid=OTHER, parent='mdpy_mdpy', mdev_type='mdpy-vga')
    comes_after(5, host, monkeypatch)
    result = call(*base, *RECOVER, '--wait=60')
    assert result.status == 0
    assert sorted(row['uuid'] for row in result.rows) == [UUID, OTHER]


def test_it_waits_no_longer_than_told(call, base, host, know):
    know()
    host.lose_parent(MTTY)
    start = time.monotonic()
    result = call(*base, *RECOVER, '--wait=0.3')
    assert 0.3 <= time.monotonic() - start < 30
    assert result.status == 1


def test_it_does_not_wait_when_nothing_is_missing(call, base, host, know):
    know()
    host.fill(MTTY, 'mtty-1')
    start = time.monotonic()
    assert call(*base, *RECOVER, '--wait=600').status == 1
    assert time.monotonic() - start < 60


@pytest.mark.parametrize('seconds', ['-1', 'soon', 'nan', 'inf', ''])
def test_times_that_are_none(call, base, host, seconds):
    result = call(*base, *RECOVER, f'--wait={seconds}')
    assert result.status == 2
    assert 'is not a number of seconds' in result.err


def test_what_is_waited_for_is_told_once(call, base, host, know, monkeypatch):
    """In the journal of the unit, too, where it holds up the guests."""
    know()
    comes_after(8, host, monkeypatch)
    result = call(*base, *RECOVER, '--wait=60')
    assert result.status == 0
    assert result.err.count(f'waiting up to 60 s for {MTTY}') == 1
    assert json.loads(result.out)


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('[generic_mdev]\nbackend = magic', id='no such backend'),
        pytest.param('[devices]\nenabled_mdev_types = ../x', id='no such type'),
        pytest.param('[mdev_mtty-2]\nmdev_class = -', id='no such class'),
        pytest.param('[generic_mdev]\nreuse_found = perhaps', id='neither yes nor no'),
        pytest.param('', id='nothing configured'),
    ],
)
def test_no_mistake_in_nova_conf_keeps_devices_away(
    call, configure, host, know, tmp_path, text
):
    know()
    broken = [configure(text), f'--state-path={tmp_path / "state"}']
    result = call(*broken, *RECOVER)
    assert (result.status, live(host)) == (0, [UUID])
    assert [row['uuid'] for row in result.rows] == [UUID]


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('no section', id='no section'),
        pytest.param('[devices', id='half a section'),
        pytest.param('\0' * 50, id='zeros'),
        pytest.param(None, id='missing'),
        pytest.param('[generic_mdev]\nstate_path = here', id='not a whole path'),
        pytest.param('[DEFAULT]\nstate_path = $nowhere', id='it leads nowhere'),
    ],
)
@pytest.mark.parametrize('is_named', [True, False], ids=['named', 'by default'])
def test_a_configuration_that_cannot_be_read_is_done_without(
    call, host, know, tmp_path, monkeypatch, text, is_named
):
    """The record is where it is by default, or where the command line says."""
    know()
    default = str(tmp_path / 'state')
    monkeypatch.setattr('nova_generic_mdev.opts.state_path', state_path(default))
    path = tmp_path / 'broken.conf'
    if text is not None:
        path.write_text(text)
    named = [f'--state-path={default}'] if is_named else []
    result = call(f'--config-file={path}', *named, *RECOVER)
    assert (result.status, live(host)) == (0, [UUID])
    if not (is_named and text and 'state_path' in text):
        assert 'going on with the record in' in result.err


def state_path(default):
    """The real reading, but for what it is when nothing is configured."""
    from nova_generic_mdev import opts

    real = opts.state_path

    def read(conf):
        path = real(conf)
        return default if path == '/var/lib/nova/mdev' else path

    return read


def test_nobody_knows_where_the_record_is(call, host, tmp_path, monkeypatch):
    gone = tmp_path / 'nothing'
    monkeypatch.setattr('nova_generic_mdev.opts.state_path', state_path(str(gone)))
    result = call(f'--config-file={tmp_path / "missing"}', *RECOVER)
    assert (result.status, result.rows) == (1, [])
    assert str(gone) in result.err


def test_the_helpers_options_are_read(call, base, host, know, monkeypatch):
    know()
    read = []
    monkeypatch.setattr(privileged, 'configure', read.append)
    call(*base, *RECOVER)
    assert read == [[base[0]]]


def test_without_privilege_it_says_so(call, base, host, know, monkeypatch):
    def refuse():
        raise exceptions.HostError('privileged helper', 'run as root')

    know()
    monkeypatch.setattr(privileged, 'start', refuse)
    result = call(*base, *RECOVER)
    assert (result.status, result.out) == (1, '')
    assert 'run as root' in result.err


def test_a_record_of_another_machine_is_not_acted_on(
    call, base, host, know, monkeypatch
):
    know()
    monkeypatch.setattr(claims, 'machine_id', lambda: 'another')
    result = call(*base, *RECOVER)
    assert result.status == 1
    assert 'it is of machine this machine' in result.err
    assert live(host) == []


def test_another_hosts_tree_is_not_acted_on(call, base, tmp_path, know):
    know()
    result = call(*base, f'--sysfs={tmp_path}', *RECOVER)
    assert result.status == 1
    assert 'leave out --sysfs' in result.err


def test_a_crash_is_put_right_first(call, base, host, store, know, libvirt):
    """What it left would take the place of what has to come back."""
    know()
    know(uuid=OTHER, state='pending')
    host.place(OTHER, MTTY, 'mtty-2')
    for uuid in host.fill(MTTY, 'mtty-1'):
        assert uuid
    host.lose_mdev(UUID)
    result = call(*base, *RECOVER)
    assert (result.status, result.err) == (0, '')
    assert [row['uuid'] for row in result.rows] == [UUID]
    assert OTHER not in live(host)
    assert list(store.load().mdevs) == [UUID]


def test_without_libvirt_what_a_guest_may_have_comes_back(
    call, base, host, store, know
):
    know(state='pending')
    assert call(*base, *RECOVER).status == 0
    assert live(host) == [UUID]
    assert list(store.load().claims) == [UUID]


def test_what_cannot_be_put_right_does_not_keep_devices_away(
    call, base, host, know, libvirt, monkeypatch
):
    def refuse(*arguments):
        raise exceptions.ClaimsError('claims', 'another process holds it')

    know()
    monkeypatch.setattr('nova_generic_mdev.engine.Engine.reconcile', refuse)
    result = call(*base, *RECOVER)
    assert (result.status, live(host)) == (0, [UUID])
    assert 'another process holds it' in result.err


@pytest.mark.parametrize(
    ('text', 'made'),
    [
        pytest.param('sysfs', 'sysfs', id='sysfs'),
        pytest.param('magic', 'auto', id='one that there is not'),
    ],
)
def test_the_backend_is_the_configured_one(
    call, configure, host, know, tmp_path, monkeypatch, text, made
):
    know()
    seen = []
    real = auto.AutoHost.__init__

    def note(self, kernel_host, backend=auto.Backend.AUTO, source=None):
        seen.append(backend)
        real(self, kernel_host, backend, source)

    monkeypatch.setattr(auto.AutoHost, '__init__', note)
    conf = configure(f'[generic_mdev]\nbackend = {text}')
    call(conf, f'--state-path={tmp_path / "state"}', *RECOVER)
    assert [backend.value for backend in seen] == [made]


def test_libvirt_alone_needs_no_privilege(
    call, configure, host, know, tmp_path, monkeypatch
):
    def refuse():
        raise AssertionError

    know()
    host.place(UUID, MTTY, 'mtty-2')
    monkeypatch.setattr(privileged, 'start', refuse)
    conf = configure('[generic_mdev]\nbackend = libvirt')
    assert call(conf, f'--state-path={tmp_path / "state"}', *RECOVER).status == 0


# Adopt and disown


@pytest.fixture
def unprivileged(host, monkeypatch):
    """They change the record only: nobody starts the helper."""

    def refuse():
        raise AssertionError

    monkeypatch.setattr(privileged, 'start', refuse)


def origins(call, base):
    rows = call(*base, 'device', 'list', '-f', 'json').rows
    return {row['uuid']: row['origin'] for row in rows}


@pytest.mark.usefixtures('unprivileged')
def test_adopt_and_disown(call, base, host, store):
    for uuid in (UUID, OTHER):
        host.place(uuid, MTTY, 'mtty-2')
    assert origins(call, base) == {UUID: '', OTHER: ''}
    result = call(*base, 'device', 'adopt', UUID.upper(), '-f', 'json')
    assert (result.status, [r['origin'] for r in result.rows]) == (0, ['created'])
    assert origins(call, base) == {UUID: 'created', OTHER: ''}
    result = call(*base, 'device', 'disown', '--all', '-f', 'json')
    assert sorted(row['uuid'] for row in result.rows) == [UUID, OTHER]
    assert origins(call, base) == {UUID: 'found', OTHER: 'found'}
    again = call(*base, 'device', 'disown', UUID, OTHER, '-f', 'json')
    assert (again.status, again.rows) == (0, [])


@pytest.mark.usefixtures('unprivileged')
@pytest.mark.parametrize('verb', ['adopt', 'disown'])
@pytest.mark.parametrize(
    ('arguments', 'status', 'told'),
    [
        pytest.param([], 2, 'UUID', id='none'),
        pytest.param([UUID, '--all'], 2, 'not allowed with', id='some and all'),
        pytest.param(['x'], 1, 'is not a valid uuid', id='no uuid'),
        pytest.param([OTHER], 1, 'nova-mdev device list', id='unknown'),
        pytest.param([UUID, OTHER], 1, 'nova-mdev device list', id='one is unknown'),
    ],
)
def test_what_cannot_be_adopted(call, base, host, store, verb, arguments, status, told):
    host.place(UUID, MTTY, 'mtty-2')
    result = call(*base, 'device', verb, *arguments, '-f', 'json')
    assert result.status == status
    assert told in result.err
    assert store.load() == record.Claims()


@pytest.mark.usefixtures('unprivileged')
def test_adopting_on_another_hosts_tree(call, base, tmp_path, write):
    root = write(fixture.mtty())
    result = call(*base, f'--sysfs={root}', 'device', 'adopt', '--all')
    assert result.status == 1
    assert 'leave out --sysfs' in result.err


def test_seconds_are_a_number():
    assert keep._seconds('1.5') == 1.5
    with pytest.raises(argparse.ArgumentTypeError):
        keep._seconds('1e999')
