# SPDX-License-Identifier: Apache-2.0
"""``config check``: everything that is wrong, at once, and its exit status."""

from __future__ import annotations

import csv
import io
import os
import pathlib
import subprocess
import sys

import pytest

from nova_generic_mdev import fixture

CHECK = ('config', 'check', '-f', 'json')
COLUMNS = ['severity', 'group', 'option', 'problem', 'remedy']

# Every mistake of the design that a file can hold, on mtty and mdpy.
EVERYTHING = """
[devices]
enabled_mdev_types = mdpy-vga, ../x, mtty-1, mtty-2, mdpy-hd, mdpy-xga, second, mtty-2
[mdev_mdpy-vga]
mdev_class = not a class
device_addresses = 0000:01:00.0, 0000:02:*
traits = HW_NOT_STANDARD
max_instances = 0
max_instances_per_device = many
on_release = never
drain = perhaps
attributes = nothing
[mdev_mtty-1]
device_addresses = mtty
[mdev_mtty-2]
device_addresses = mtty_mtty
[mdev_mdpy-hd]
device_addresses = m*, mtty
attributes = assign_adapter=5
[mdev_mdpy-xga]
device_addresses = mdpy*
[mdev_misspelt]
max_instances = 1
[vgpu_mtty-1]
drian = true
[generic_mdev]
backend = magic
reuse_found = perhaps
state_path = here
"""
ITSELF = [
    ('error', 'devices', 'enabled_mdev_types'),
    ('error', 'generic_mdev', 'backend'),
    ('error', 'generic_mdev', 'reuse_found'),
    ('error', 'generic_mdev', 'state_path'),
    ('error', 'mdev_mdpy-hd', 'attributes'),
    ('error', 'mdev_mdpy-hd', 'device_addresses'),  # mtty-1 names mtty too
    ('error', 'mdev_mdpy-vga', 'attributes'),
    ('error', 'mdev_mdpy-vga', 'drain'),
    ('error', 'mdev_mdpy-vga', 'max_instances'),
    ('error', 'mdev_mdpy-vga', 'max_instances_per_device'),
    ('error', 'mdev_mdpy-vga', 'mdev_class'),
    ('error', 'mdev_mdpy-vga', 'on_release'),
    ('warning', 'devices', 'enabled_mdev_types'),
    ('warning', 'mdev_mdpy-vga', 'traits'),
    ('warning', 'mdev_misspelt', ''),
    ('warning', 'mdev_second', 'device_addresses'),
    ('warning', 'vgpu_mtty-1', 'drian'),
]
# What only a host can tell.
ON_THE_HOST = [
    ('error', 'mdev_mdpy-hd', 'device_addresses'),  # not on mtty
    ('error', 'mdev_mdpy-hd', 'device_addresses'),  # its count is nonsense
    ('error', 'mdev_mdpy-xga', 'device_addresses'),  # mdpy-hd is there already
    ('error', 'mdev_mtty-2', 'device_addresses'),  # mtty-1 has that class
    ('warning', '', ''),  # the count, and where it is
    ('warning', 'mdev_mdpy-vga', 'device_addresses'),  # not there
    ('warning', 'mdev_mdpy-vga', 'device_addresses'),  # no match
]


@pytest.fixture
def host(write):
    """mtty and mdpy, with one count that is nonsense."""
    root = write(fixture.together(fixture.mtty(), fixture.mdpy()))
    types = root / 'devices/virtual/mdpy/mdpy/mdev_supported_types'
    (types / 'mdpy-hd/available_instances').write_text(f'1{"0" * 23}\n')
    return f'--sysfs={root}'


def places(result):
    return sorted((r['severity'], r['group'], r['option']) for r in result.rows)


@pytest.mark.parametrize(
    ('text', 'status'),
    [
        pytest.param('', 0, id='nothing configured'),
        pytest.param('[devices]\nenabled_mdev_types = mtty-2', 0, id='all is well'),
        pytest.param('[devices]\nenabled_mdev_types = nope', 0, id='only warnings'),
        pytest.param('[generic_mdev]\nbackend = magic', 1, id='an error'),
        pytest.param(
            '[devices]\nenabled_mdev_types = mtty-2\n'
            '[mdev_mtty-2]\ndevice_addresses = mdpy',
            1,
            id='an error that stops nothing',
        ),
    ],
)
@pytest.mark.parametrize('output', ['table', 'json', 'yaml', 'csv', 'value'])
def test_exit_status(call, configure, write, text, status, output):
    root = write(fixture.together(fixture.mtty(), fixture.mdpy()))
    result = call(configure(text), f'--sysfs={root}', 'config', 'check', '-f', output)
    assert (result.status, result.err) == (status, '')


def test_columns(call, configure, host):
    out = call(configure(EVERYTHING), host, 'config', 'check', '-f', 'csv').out
    assert next(csv.reader(io.StringIO(out))) == COLUMNS


def test_everything_at_once(call, configure, host):
    result = call(configure(EVERYTHING), host, *CHECK)
    assert places(result) == sorted(ITSELF + ON_THE_HOST)
    assert (result.status, result.err) == (1, '')


def test_errors_come_first(call, configure, host):
    severities = [r['severity'] for r in call(configure(EVERYTHING), host, *CHECK).rows]
    assert severities == sorted(severities)


def test_each_problem_has_a_remedy_and_is_one_line(call, configure, host):
    for row in call(configure(EVERYTHING), host, *CHECK).rows:
        assert row['problem'].isprintable()
        assert row['remedy'].isprintable()
        assert row['remedy']


def test_without_a_host_all_that_is_wrong_without_one_is_told(
    call, configure, tmp_path
):
    gone = tmp_path / 'gone'
    result = call(configure(EVERYTHING), f'--sysfs={gone}', *CHECK)
    # That both name mtty, only a host can tell.
    assert places(result) == sorted([*ITSELF, ('error', '', '')])
    assert result.status == 2
    (row,) = (r for r in result.rows if not r['group'])
    assert str(gone) in row['problem']
    assert '--sysfs' in row['remedy']


def test_without_a_host_a_good_configuration_is_not_called_good(
    call, configure, tmp_path
):
    text = '[devices]\nenabled_mdev_types = mtty-2'
    result = call(configure(text), f'--sysfs={tmp_path / "gone"}', *CHECK)
    assert (result.status, len(result.rows)) == (2, 1)


def missing(path: pathlib.Path) -> None:
    pass


def directory(path: pathlib.Path) -> None:
    path.mkdir()


def garbage(path: pathlib.Path) -> None:
    path.write_bytes(bytes(range(256)) * 8)


def zeros(path: pathlib.Path) -> None:
    path.write_bytes(b'\0' * 100)


def no_section(path: pathlib.Path) -> None:
    path.write_text('enabled_mdev_types = mtty-2\n')


def half_a_section(path: pathlib.Path) -> None:
    path.write_text('[devices\n')


def no_assignment(path: pathlib.Path) -> None:
    path.write_text('[devices]\nenabled_mdev_types\n')


@pytest.mark.parametrize(
    'make',
    [missing, directory, garbage, zeros, no_section, half_a_section, no_assignment],
    ids=lambda make: make.__name__,
)
@pytest.mark.parametrize('is_seen', [True, False], ids=['a host', 'no host'])
def test_a_file_that_cannot_be_read(call, write, tmp_path, make, is_seen):
    path = tmp_path / 'bad.conf'
    make(path)
    root = write(fixture.mtty()) if is_seen else tmp_path / 'gone'
    result = call(f'--config-file={path}', f'--sysfs={root}', *CHECK)
    assert result.status == 2
    assert places(result) == [('error', '', '')] * (1 if is_seen else 2)
    assert str(path) in result.rows[0]['problem']
    assert 'Errno' not in result.rows[0]['problem']


@pytest.mark.parametrize(
    'make', [missing, directory, garbage], ids=lambda make: make.__name__
)
@pytest.mark.parametrize('command', ['inventory', 'device'])
def test_the_other_commands_say_so_and_fail(call, host, tmp_path, make, command):
    path = tmp_path / 'bad.conf'
    make(path)
    state = f'--state-path={tmp_path}' if command == 'device' else '--root-provider=x'
    result = call(f'--config-file={path}', host, state, command, 'list')
    if command == 'device':
        # With the state path named it needs no configuration.
        assert (result.status, result.err.count('\n')) == (0, 1)
    else:
        assert (result.status, result.out) == (1, '')
        assert str(path) in result.err
        assert '[]' not in result.err


@pytest.mark.parametrize('make', [missing, garbage], ids=lambda make: make.__name__)
def test_a_directory_of_files_that_cannot_be_read(call, host, tmp_path, make):
    folder = tmp_path / 'conf.d'
    if make is garbage:
        folder.mkdir()
        garbage(folder / 'a.conf')
    result = call(f'--config-dir={folder}', host, *CHECK)
    assert result.status == 2
    assert str(folder) in result.rows[0]['problem']


def test_later_files_win(call, configure, write, tmp_path):
    first = configure('[devices]\nenabled_mdev_types = mtty-2')
    later = tmp_path / 'later.conf'
    later.write_text('[devices]\nenabled_mdev_types = nope')
    root = write(fixture.mtty())
    rows = call(first, f'--config-file={later}', f'--sysfs={root}', *CHECK).rows
    assert 'nope' in rows[0]['problem']


@pytest.mark.parametrize(
    'command',
    [
        pytest.param(['config', 'check'], id='config check'),
        pytest.param(['parent', 'list'], id='parent list'),
        pytest.param(['--help'], id='help'),
    ],
)
@pytest.mark.parametrize('module', ['libvirt', 'oslo_privsep'])
def test_is_never_imported(configure, write, command, module):
    """In a process of its own: nothing of this one has imported it before."""
    script = (
        'import sys\n'
        'from nova_generic_mdev.cmd import main\n'
        'try:\n'
        '    main.main(sys.argv[2:])\n'
        'finally:\n'
        '    sys.exit(42 if sys.argv[1] in sys.modules else 0)\n'
    )
    text = '[devices]\nenabled_mdev_types = mtty-2'
    arguments = [configure(text), f'--sysfs={write(fixture.mtty())}', *command]
    done = subprocess.run(
        [sys.executable, '-c', script, module, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, 'PYTHONWARNINGS': 'ignore'},
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout
