# SPDX-License-Identifier: Apache-2.0
"""The commands that act, on a host in memory that stands for this machine."""

from __future__ import annotations

import pytest

from nova_generic_mdev import claims
from nova_generic_mdev import fixture
from nova_generic_mdev import privileged
from nova_generic_mdev.cmd import context
from nova_generic_mdev.host import kernel

CONSUMER = '11111111-1111-4111-8111-111111111111'
MTTY = """
[devices]
enabled_mdev_types = mtty-2
[mdev_mtty-2]
device_addresses = mtty
mdev_class = mtty
"""
ALLOCATE = ('device', 'allocate', '-f', 'json', '--consumer', CONSUMER, '--resource')


@pytest.fixture
def host(monkeypatch):
    """What the commands take for this machine's kernel."""
    them = fixture.together(fixture.mtty(), fixture.pci_mtty(2))
    monkeypatch.setattr(context.Context, 'reader', them)
    monkeypatch.setattr(kernel, 'KernelHost', lambda reader: reader)
    monkeypatch.setattr(privileged, 'start', lambda: None)
    monkeypatch.setattr(claims, 'machine_id', lambda: 'this machine')
    return them


@pytest.fixture
def base(configure, tmp_path):
    return [configure(MTTY), f'--state-path={tmp_path / "state"}']


def live(host):
    return sorted(host.snapshot().mdevs)


def test_give_and_take(call, base, host):
    given = call(*base, *ALLOCATE, 'mtty:mtty=2')
    assert given.status == 0
    assert list(given.rows[0]) == ['uuid', 'parent', 'mdev_type', 'origin']
    assert {(r['parent'], r['mdev_type'], r['origin']) for r in given.rows} == {
        ('mtty_mtty', 'mtty-2', 'created')
    }
    assert sorted(r['uuid'] for r in given.rows) == live(host)
    again = call(*base, *ALLOCATE, 'mtty:mtty=2')
    assert again.rows == given.rows
    listed = call(*base, 'device', 'list', '-f', 'json').rows
    assert {r['consumer'] for r in listed} == {CONSUMER}
    taken = call(*base, 'device', 'release', CONSUMER, '-f', 'json')
    assert taken.status == 0
    assert sorted(taken.rows, key=str) == sorted(given.rows, key=str)
    assert live(host) == []


def test_a_consumer_without_mdevs_is_no_error(call, base, host):
    result = call(*base, 'device', 'release', CONSUMER, '-f', 'json')
    assert (result.status, result.rows) == (0, [])
    assert CONSUMER in result.err


@pytest.mark.parametrize(
    'parent',
    ['mtty', 'mtty_mtty', 'mtty_m*', 'mtt?'],
)
def test_a_parent_in_any_form(call, base, host, parent):
    assert call(*base, *ALLOCATE, f'{parent}:CUSTOM_MTTY=1').status == 0
    assert len(live(host)) == 1


@pytest.mark.parametrize('parent', ['0000:00:05.0', 'pci_0000_00_05_0'])
def test_a_parent_by_its_address(call, configure, base, host, parent):
    text = '[devices]\nenabled_mdev_types = mttypci-1'
    result = call(configure(text), base[1], *ALLOCATE, f'{parent}:vgpu=1')
    assert result.rows[0]['parent'] == 'pci_0000_00_05_0'


@pytest.mark.parametrize(
    ('resource', 'words'),
    [
        pytest.param('mtty:mtty=0', ['PARENT:CLASS=N'], id='none'),
        pytest.param('mtty:mtty=-1', ['PARENT:CLASS=N'], id='less than none'),
        pytest.param('mtty:mtty=x', ['PARENT:CLASS=N'], id='no number'),
        pytest.param('mtty:mtty=1.5', ['PARENT:CLASS=N'], id='half'),
        pytest.param('mtty:mtty=\u0663', ['PARENT:CLASS=N'], id='other digits'),
        pytest.param(f'mtty:mtty={"9" * 5000}', ['PARENT:CLASS=N'], id='huge'),
        pytest.param('mtty:mtty', ['PARENT:CLASS=N'], id='no amount'),
        pytest.param('mtty=1', ['PARENT:CLASS=N'], id='no class'),
        pytest.param(':mtty=1', ['PARENT:CLASS=N'], id='no parent'),
        pytest.param('', ['PARENT:CLASS=N'], id='nothing'),
        pytest.param('nope:mtty=1', ['nope', 'parent list'], id='an unknown parent'),
        pytest.param(
            '0000:00:*:mtty=1',
            ['pci_0000_00_05_0, pci_0000_00_06_0', 'name one'],
            id='two parents',
        ),
        pytest.param('mtty:ml-x=1', ["'ml-x'"], id='a class that is none'),
        pytest.param('mtty:VGPU=1', ['VGPU', 'mtty_mtty'], id='a class of no rule'),
        pytest.param('mtty:mtty=13', ['mtty-2', '12 left'], id='more than there is'),
    ],
)
def test_what_cannot_be_given(call, base, host, resource, words):
    result = call(*base, *ALLOCATE, resource)
    assert (result.status, result.out) == (1, '')
    assert len(result.err.splitlines()) == 1
    assert len(result.err) < 500
    for word in words:
        assert word in result.err
    assert live(host) == []


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        pytest.param(
            f'{MTTY}max_instances = 0', ['[mdev_mtty-2] max_instances'], id='fatal'
        ),
        pytest.param(
            f'{MTTY}[generic_mdev]\nbackend = magic', ['backend'], id='no backend'
        ),
    ],
)
@pytest.mark.parametrize('command', ['allocate', 'release'])
def test_a_configuration_to_refuse(
    call, configure, base, host, text, words, command, tmp_path
):
    arguments = {
        'allocate': [*ALLOCATE, 'mtty:mtty=1'],
        'release': ['device', 'release', CONSUMER],
    }
    result = call(configure(text), base[1], *arguments[command])
    assert (result.status, result.out) == (1, '')
    for word in words:
        assert word in result.err
    assert live(host) == []
    assert not (tmp_path / 'state').exists()


@pytest.mark.parametrize('consumer', ['nobody', f'{CONSUMER}/', CONSUMER[:-1], ''])
@pytest.mark.parametrize('command', ['allocate', 'release'])
def test_a_consumer_that_is_none(call, base, host, consumer, command):
    arguments = {
        'allocate': ['allocate', '--consumer', consumer, '--resource', 'mtty:mtty=1'],
        'release': ['release', consumer],
    }
    result = call(*base, 'device', *arguments[command])
    assert (result.status, result.out) == (1, '')
    assert 'uuid' in result.err
    assert live(host) == []


@pytest.mark.parametrize(
    'arguments',
    [[*ALLOCATE, 'mtty:mtty=1'], ['device', 'release', CONSUMER]],
    ids=['allocate', 'release'],
)
def test_another_hosts_tree_is_not_acted_on(call, base, write, arguments, tmp_path):
    root = write(fixture.mtty())
    result = call(*base, f'--sysfs={root}', *arguments)
    assert (result.status, result.out) == (1, '')
    assert str(root) in result.err
    assert '--sysfs' in result.err
    assert not (tmp_path / 'state').exists()
