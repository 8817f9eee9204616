# SPDX-License-Identifier: Apache-2.0
"""``config check`` starts the helper once, where there would be work for it."""

from __future__ import annotations

import pytest

from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import privileged
from nova_generic_mdev.cmd import context

CHECK = ('config', 'check', '-f', 'json')
ENABLED = '[devices]\nenabled_mdev_types = mtty-2\n'


@pytest.fixture
def starts(monkeypatch):
    """Counts the starts; the helper is refused."""
    counted = []

    def refuse():
        counted.append(1)
        raise exceptions.HostError('privileged helper', 'exited non-zero (1)')

    monkeypatch.setattr(privileged, 'start', refuse)
    return counted


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(context.Context, 'reader', fixture.mtty())


@pytest.mark.usefixtures('here')
def test_what_refuses_is_named(call, configure, starts):
    result = call(configure(ENABLED), *CHECK)
    (row,) = result.rows
    assert (row['severity'], row['group'], row['option']) == (
        'warning', 'generic_mdev_privileged', 'helper_command',
    )  # fmt: skip
    assert 'exited non-zero (1)' in row['problem']
    assert 'rootwrap' in row['remedy']
    assert (result.status, len(starts)) == (0, 1)


@pytest.mark.usefixtures('here')
def test_one_that_starts_is_no_problem(call, configure, monkeypatch):
    monkeypatch.setattr(privileged, 'start', lambda: None)
    result = call(configure(ENABLED), *CHECK)
    assert (result.status, result.rows) == (0, [])


@pytest.mark.usefixtures('here')
def test_it_is_started_as_it_is_configured(call, configure, monkeypatch):
    """Not sudo: the command of the operator, which is not there."""

    def start(method):
        program = privileged.context.helper_command('x')[0]
        raise FileNotFoundError(2, 'No such file', program)

    monkeypatch.setattr(privileged.os, 'geteuid', lambda: 1000)
    monkeypatch.setattr(privileged.priv_context, '_HELPER_COMMAND_PREFIX', ['sudo'])
    monkeypatch.setattr(privileged.context, 'start', start)
    own = '[generic_mdev_privileged]\nhelper_command = /nonexistent/start --me\n'
    (row,) = call(configure(ENABLED + own), *CHECK).rows
    assert '/nonexistent/start' in row['problem']


@pytest.mark.usefixtures('here')
@pytest.mark.parametrize(
    'text',
    [
        pytest.param('', id='nothing is enabled'),
        pytest.param(f'{ENABLED}[generic_mdev]\nbackend = libvirt', id='libvirt alone'),
    ],
)
def test_it_is_not_started_for_nothing(call, configure, starts, text):
    assert call(configure(text), *CHECK).status == 0
    assert starts == []


def test_it_is_not_started_for_another_hosts_tree(call, configure, write, starts):
    root = write(fixture.mtty())
    assert call(configure(ENABLED), f'--sysfs={root}', *CHECK).rows == []
    assert starts == []


@pytest.mark.usefixtures('here')
@pytest.mark.parametrize(
    'command', ['parent list', 'device list', 'inventory list', f'device xml {"0" * 8}']
)
def test_no_other_command_that_looks_starts_it(
    call, configure, starts, tmp_path, command
):
    state = f'--state-path={tmp_path / "state"}'
    call(configure(ENABLED), state, '--root-provider=x', *command.split())
    assert starts == []
