# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pathlib

import pytest

from nova_generic_mdev.cmd import processes


@pytest.mark.parametrize(
    ('arguments', 'is_it'),
    [
        pytest.param(['/usr/bin/nova-compute'], True, id='by its path'),
        pytest.param(['nova-compute', '--config-file', 'x'], True, id='by its name'),
        pytest.param(
            ['/usr/bin/python3', '/usr/bin/nova-compute', '--config-file', 'x'],
            True,
            id='a script',
        ),
        pytest.param(
            ['/v/bin/python3.11', '-u', '/v/bin/nova-compute'], True, id='options'
        ),
        pytest.param(['/bin/sh', '/opt/nova-compute'], True, id='a wrapper'),
        pytest.param(['python3', '-m', 'nova.cmd.compute'], True, id='a module'),
        pytest.param(
            ['nova-compute: master process [/usr/bin/nova-compute --x]'],
            True,
            id='with a title',
        ),
        pytest.param(['nova-compute: ComputeWorker(0)'], True, id="a worker's title"),
        pytest.param(['python3', '/usr/bin/nova-conductor'], False, id='another'),
        pytest.param(['vim', 'nova-compute'], False, id='a file of that name'),
        pytest.param(
            ['tail', '-f', '/var/log/nova/nova-compute.log'], False, id='its log'
        ),
        pytest.param(
            ['python3', '/usr/bin/x', 'nova-compute'], False, id='an argument'
        ),
        pytest.param(['nova-compute-helper'], False, id='a longer name'),
        pytest.param(['/bin/sh', '-c', 'pgrep nova-compute'], False, id='who looks'),
        pytest.param([], False, id='a kernel thread'),
        pytest.param(['\udcff\udcfe'], False, id='no text'),
    ],
)
def test_is_it_nova_compute(tmp_path: pathlib.Path, arguments: list[str], is_it: bool):
    process = tmp_path / '42'
    process.mkdir()
    text = ''.join(f'{argument}\0' for argument in arguments)
    (process / 'cmdline').write_bytes(text.encode(errors='surrogateescape'))
    assert processes.nova_compute(str(tmp_path)) == (42 if is_it else None)


def test_the_lowest_of_several(tmp_path: pathlib.Path):
    for pid in ('100', '9', '20'):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / 'cmdline').write_text('nova-compute\0')
    assert processes.nova_compute(str(tmp_path)) == 9


def test_a_process_that_ended_and_what_is_no_process(tmp_path: pathlib.Path):
    (tmp_path / '7').mkdir()
    (tmp_path / 'sys').mkdir()
    (tmp_path / 'uptime').write_text('1.0')
    assert processes.nova_compute(str(tmp_path)) is None


def test_of_this_machine_itself():
    """Whatever runs here, it can be looked at."""
    processes.nova_compute()
