# SPDX-License-Identifier: Apache-2.0
"""What is shipped to be installed elsewhere, held to what it is for.

The command lines are those that oslo.privsep makes; who judges them is
oslo.rootwrap, sudo and systemd themselves, where they are there.
"""

from __future__ import annotations

import configparser
import getpass
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from nova_generic_mdev import privileged

CONF = pathlib.Path(__file__).parents[2] / 'conf'
FILTERS = CONF / 'rootwrap.d/generic-mdev.filters'
SUDOERS = CONF / 'sudoers.d/nova-generic-mdev'
UNIT = CONF / 'systemd/nova-mdev-recover.service'
CONTEXT = 'nova_generic_mdev.privileged.context'
NOVA_CONF = '/etc/nova/nova.conf'
SOCK = '/tmp/tmpab3_x9zq/privsep.sock'  # noqa: S108
TAIL = ['--privsep_context', CONTEXT, '--privsep_sock_path', SOCK]


def command(*files: str) -> list[str]:
    """What the helper is started with, after ``sudo`` or ``sudo nova-rootwrap``."""
    return ['privsep-helper', *files, *TAIL]


def test_this_is_the_command_that_the_library_makes():
    made = privileged.context.helper_command(SOCK)
    assert made[made.index('privsep-helper') :] == command()


ALLOWED = [
    pytest.param(command(), id='no file is named'),
    pytest.param(command('--config-file', NOVA_CONF), id='one file'),
    pytest.param(
        command('--config-file', NOVA_CONF, '--config-file', '/etc/nova/nova-cpu.conf'),
        id='two files',
    ),
    pytest.param(
        command('--config-file', NOVA_CONF, '--config-dir', '/etc/nova/nova.conf.d/'),
        id='a file and a directory',
    ),
    pytest.param(
        command(
            '--config-file', NOVA_CONF, '--config-file', '/etc/nova/nova-compute.conf',
            '--config-dir', '/etc/nova/nova.conf.d',
        ),
        id='two files and a directory',
    ),
]  # fmt: skip


def changed(old: str, new: str) -> list[str]:
    line = command('--config-file', NOVA_CONF)
    return [word.replace(old, new) for word in line]


FORBIDDEN = [
    pytest.param(
        changed(CONTEXT, 'nova.privsep.sys_admin_pctxt'), id='another context'
    ),
    pytest.param(changed(CONTEXT, CONTEXT + 'x'), id='a context that begins like it'),
    pytest.param(changed(CONTEXT, CONTEXT.replace('.', '_')), id='a dot is a dot'),
    pytest.param(changed(NOVA_CONF, '/etc/../tmp/x'), id='a way out of /etc'),
    pytest.param(changed(NOVA_CONF, '/etc/nova/../../tmp/x'), id='a longer way out'),
    pytest.param(changed(NOVA_CONF, '/etc/nova/..'), id='above'),
    pytest.param(changed(NOVA_CONF, '/tmp/nova.conf'), id='a file of anybody'),  # noqa: S108
    pytest.param(changed(NOVA_CONF, 'nova.conf'), id='a file in this directory'),
    pytest.param(changed(SOCK, '/tmp/../etc/x'), id='a socket elsewhere'),  # noqa: S108
    pytest.param(changed(SOCK, SOCK + '/x'), id='a socket below'),
    pytest.param([*command(), '--config-file', '/tmp/x'], id='more at the end'),  # noqa: S108
    pytest.param(changed(SOCK, f'{SOCK} --config-file /tmp/x'), id='more in a word'),
    pytest.param(changed(SOCK, f'{SOCK}\n--config-file'), id='more on a line'),
    pytest.param(command('--user', 'root'), id='another option'),
    pytest.param(command('--config-file=/tmp/x'), id='an option in one word'),
    pytest.param(['privsep-helper'], id='nothing'),
    pytest.param(['sh', '-c', 'id'], id='another program'),
]


# rootwrap


@pytest.fixture(scope='module')
def allows():
    """Whether oslo.rootwrap, with our filters alone, would run a command."""
    wrapper = pytest.importorskip('oslo_rootwrap.wrapper')
    loaded = wrapper.load_filters([str(FILTERS.parent)])
    # Its own that lets any helper start is not what is tried here.
    filters = [one for one in loaded if one.name != 'privsep-helper']

    def allows(words: list[str]) -> bool:
        # It need not be installed to be judged.
        return any(one.match(words) for one in filters)

    assert filters
    return allows


@pytest.mark.parametrize('words', ALLOWED)
def test_rootwrap_lets_the_helper_start(allows, words):
    assert allows(words)


@pytest.mark.parametrize('words', FORBIDDEN)
def test_rootwrap_lets_nothing_else_start(allows, words):
    assert not allows(words)


def test_rootwrap_runs_it_as_root():
    filters = configparser.RawConfigParser()
    filters.read(FILTERS)
    for value in dict(filters['Filters']).values():
        kind, program, user = (word.strip() for word in value.split(',')[:3])
        assert (kind, program, user) == ('RegExpFilter', 'privsep-helper', 'root')


# sudo


def sudoers_rules() -> list[str]:
    """The regular expression of each command that is allowed."""
    text = SUDOERS.read_text().replace('\\\n', ' ')
    return re.findall(r'/usr/bin/privsep-helper (\^\S.*?\$)(?=,|\s*$)', text, re.M)


def sudo_allows(words: list[str]) -> bool:
    """As sudoers(5) says: an extended regular expression on all arguments."""
    arguments = ' '.join(words[1:])
    return words[0] == 'privsep-helper' and any(
        re.search(rule, arguments) for rule in sudoers_rules()
    )


@pytest.mark.parametrize('words', ALLOWED)
def test_sudo_lets_the_helper_start(words):
    assert sudo_allows(words)


@pytest.mark.parametrize('words', FORBIDDEN)
def test_sudo_lets_nothing_else_start(words):
    assert not sudo_allows(words)


def test_sudoers_has_no_wildcard():
    """It would match blanks, and so any more arguments."""
    lines = [x for x in SUDOERS.read_text().splitlines() if not x.startswith('#')]
    outside = re.sub(r'\^.*\$', '', '\n'.join(lines))
    assert '*' not in outside
    assert 'ALL = (root) NOPASSWD:' in outside


def test_visudo_takes_it(tmp_path):
    visudo = shutil.which('visudo', path='/usr/sbin:/sbin:/usr/bin:/bin')
    if visudo is None:
        pytest.skip('visudo is not installed')
    done = subprocess.run(
        [visudo, '-c', '-f', str(SUDOERS)], capture_output=True, text=True, check=False
    )
    # It also minds the owner and the mode, which git does not keep.
    assert 'syntax error' not in done.stdout + done.stderr
    copy = tmp_path / 'sudoers'
    shutil.copyfile(SUDOERS, copy)
    copy.chmod(0o440)
    if getpass.getuser() == 'root':
        done = subprocess.run([visudo, '-c', '-f', str(copy)], check=False)
        assert done.returncode == 0


# systemd


@pytest.fixture(scope='module')
def unit():
    """Each setting with all of its words."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        name, mark, value = line.partition('=')
        if mark and not line.startswith('#'):
            found.setdefault(name, []).extend(value.split())
    return found


@pytest.mark.parametrize(
    'other',
    [
        'libvirt-guests.service', 'nova-compute.service',
        'openstack-nova-compute.service', 'devstack@n-cpu.service',
    ],
)  # fmt: skip
def test_devices_are_back_before_whoever_starts_guests(unit, other):
    assert other in unit['Before']


@pytest.mark.parametrize(
    'other',
    [
        'systemd-udev-settle.service', 'systemd-modules-load.service',
        'local-fs.target', 'remote-fs.target',
        'libvirtd.socket', 'libvirtd.service',
        'virtnodedevd.socket', 'virtnodedevd.service',
        'virtqemud.socket', 'virtqemud.service',
    ],
)  # fmt: skip
def test_devices_come_back_after_what_they_need(unit, other):
    assert other in unit['After']


def test_what_is_not_installed_is_not_required(unit):
    assert 'Requires' not in unit
    assert not {u for u in unit['Wants'] if 'libvirt' in u or 'nova' in u}


def test_systemd_gives_it_more_time_than_it_waits(unit):
    start = ' '.join(unit['ExecStart'])
    (wait,) = re.findall(r'device recover --wait (\d+)', start)
    (limit,) = unit['TimeoutStartSec']
    assert int(limit) >= int(wait) + 120


def test_systemd_takes_it(tmp_path):
    analyze = shutil.which('systemd-analyze')
    if analyze is None:
        pytest.skip('systemd-analyze is not installed')
    # It also looks for the program and the units that are named.
    copy = tmp_path / UNIT.name
    text = UNIT.read_text().replace('/usr/bin/nova-mdev', '/bin/true')
    copy.write_text(text)
    done = subprocess.run(
        [analyze, 'verify', str(copy)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, 'SYSTEMD_LOG_LEVEL': 'warning'},
    )
    told = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert told == []
