# SPDX-License-Identifier: Apache-2.0
"""The program itself: help, mistakes on its command line, and its exit status."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

from nova_generic_mdev import fixture

COMMANDS = [
    'parent list', 'device list', 'device xml', 'device allocate', 'device release',
    'inventory list', 'config check',
]  # fmt: skip
OPTIONS = [
    '--config-file', '--config-dir', '--sysfs', '--state-path', '--root-provider',
    '--libvirt-uri',
]  # fmt: skip


@pytest.mark.parametrize(
    ('arguments', 'status', 'out', 'err'),
    [
        pytest.param([], 2, '', 'usage: nova-mdev', id='no command'),
        pytest.param(['frobnicate'], 2, '', "'frobnicate' is not", id='an unknown one'),
        pytest.param(['parent'], 2, '', 'parent list', id='half a command'),
        pytest.param(['--frob'], 2, '', "'--frob' is not", id='an unknown option'),
        pytest.param(
            ['parent', 'list', '--frob'], 2, '', '--frob', id='one of a command'
        ),
        pytest.param(['device', 'xml'], 2, '', 'UUID', id='no argument'),
        pytest.param(
            ['parent', 'list', '-f', 'xml'], 2, '', "'xml'", id='an unknown format'
        ),
        pytest.param(['--help'], 0, 'usage: nova-mdev', '', id='help'),
        pytest.param(['help'], 0, 'usage: nova-mdev', '', id='help as a command'),
        pytest.param(
            ['help', 'parent', 'list'],
            0,
            'usage: nova-mdev parent list',
            '',
            id='help on a command',
        ),
        pytest.param(
            ['parent', 'list', '--help'],
            0,
            'usage: nova-mdev parent list',
            '',
            id='help of a command',
        ),
        pytest.param(
            ['--version'],
            0,
            importlib.metadata.version('nova-generic-mdev'),
            '',
            id='version',
        ),
    ],
)
def test_the_command_line(call, arguments, status, out, err):
    result = call(*arguments)
    assert result.status == status
    assert out in result.out
    assert err in result.err
    assert bool(result.out) is bool(out)
    assert 'Traceback' not in result.err


@pytest.mark.parametrize('word', COMMANDS + OPTIONS)
def test_help_names(call, word):
    assert word in call('--help').out


def test_help_has_a_line_for_each_command(call):
    lines = call('--help').out.rpartition('Commands:\n')[2].splitlines()
    told = dict(re.split(' {2,}', line.strip()) for line in lines)
    assert list(told) == sorted(told)
    installed = importlib.metadata.entry_points(group='nova_mdev.commands')
    names = {entry.name.replace('_', ' ') for entry in installed}
    assert told.keys() == names | {'complete', 'help'}
    assert told['parent drain'].startswith('Let parent devices run empty')
    assert len({line.index(told[line[2:].split('  ')[0]]) for line in lines}) == 1


@pytest.mark.parametrize('command', COMMANDS)
def test_each_command_says_what_it_does(call, command):
    out = call('help', *command.split()).out
    assert len([line for line in out.split('\n\n')[1].splitlines() if line]) >= 1


def test_an_error_is_one_line_without_a_traceback(call, tmp_path):
    result = call(f'--sysfs={tmp_path / "gone"}', 'parent', 'list')
    assert result.status == 1
    assert len(result.err.splitlines()) == 1


def test_a_library_that_is_going_away_is_not_the_operators_business(configure):
    """oslo.privsep imports eventlet where it is, on most hosts that run Nova."""
    if importlib.util.find_spec('eventlet') is None:
        pytest.skip('eventlet is not installed')
    text = '[devices]\nenabled_mdev_types = a-1\n[generic_mdev]\nbackend = libvirt'
    script = pathlib.Path(sys.executable).with_name('nova-mdev')
    done = subprocess.run(
        [str(script), configure(text), 'config', 'check'],
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if k != 'PYTHONWARNINGS'},
    )
    assert (done.returncode, done.stderr) == (0, '')


@pytest.fixture
def program(tmp_path):
    """Runs the program in a process, in a shell's pipe."""

    def program(pipe: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        script = pathlib.Path(sys.executable).with_name('nova-mdev')
        command = [str(script), *arguments]
        return subprocess.run(
            ['bash', '-c', f'set -o pipefail; "$@" | {pipe}', 'bash', *command],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, 'PYTHONWARNINGS': 'ignore', 'HOME': str(tmp_path)},
        )

    return program


@pytest.mark.parametrize('command', [['parent', 'list'], ['config', 'check']])
@pytest.mark.parametrize('output', ['table', 'csv'])
def test_nobody_reads_to_the_end(program, write, configure, command, output):
    """The size of a pipe's buffer is 64 KiB; this is more."""
    types = ','.join(f'{"x" * 200}-{n}' for n in range(1000))
    text = f'[devices]\nenabled_mdev_types = {types}'
    root = write(fixture.sriov_card(vfs=200))
    done = program('true', configure(text), f'--sysfs={root}', *command, '-f', output)
    assert (done.returncode, done.stderr) == (141, '')


def test_nobody_reads_at_all(program, write):
    """Less than a buffer: it is refused only when the program ends."""
    done = program('true', f'--sysfs={write(fixture.mtty())}', 'parent', 'list')
    assert done.stderr == ''
    assert done.returncode in (0, 141)


def test_the_first_line_is_there(program, write):
    root = write(fixture.sriov_card(vfs=200))
    done = program('head -1', f'--sysfs={root}', 'parent', 'list', '-f', 'csv')
    assert done.stdout.startswith('"parent","address"')
    assert done.stderr == ''
