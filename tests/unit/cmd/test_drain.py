# SPDX-License-Identifier: Apache-2.0
"""``parent drain`` and ``undrain``, and who shows it."""

from __future__ import annotations

import pytest

from nova_generic_mdev import claims
from nova_generic_mdev import fixture
from nova_generic_mdev import privileged
from nova_generic_mdev import record
from nova_generic_mdev.cmd import context
from nova_generic_mdev.host import kernel
from tests.unit import scenes

CONSUMER = scenes.CONSUMERS[0]
CONF = """
[devices]
enabled_mdev_types = nvidia-11, mtty-2
[mdev_nvidia-11]
device_addresses = 0000:84:00.*, 0000:85:00.0
[mdev_mtty-2]
device_addresses = mtty
mdev_class = mtty
"""
GPU, MTTY = 'pci_0000_84_00_0', 'mtty_mtty'
JSON = ('-f', 'json')


@pytest.fixture
def host(monkeypatch):
    """What the commands take for this machine's kernel."""
    them = fixture.together(fixture.pci_gpus(), fixture.mtty())
    monkeypatch.setattr(context.Context, 'reader', them)
    monkeypatch.setattr(kernel, 'KernelHost', lambda reader: reader)
    monkeypatch.setattr(privileged, 'start', lambda: None)
    monkeypatch.setattr(claims, 'machine_id', lambda: 'this machine')
    return them


@pytest.fixture
def store(tmp_path):
    return claims.ClaimStore(str(tmp_path / 'state'), 'this machine')


@pytest.fixture
def run(call, configure, host, store):
    """Runs a command on that machine."""
    base = [configure(CONF), f'--state-path={store.state_path}', '--root-provider=cn1']
    return lambda *words: call(*base, *words)


@pytest.fixture
def with_two(host, store):
    """Two mdevs of the first GPU are a consumer's."""
    store.create(record.Claims())
    with store.transaction() as session:
        for uuid in scenes.UUIDS[:2]:
            host.place(uuid, GPU, 'nvidia-11')
            session.add_mdev(
                record.MdevRecord(
                    uuid=uuid, parent=GPU, mdev_type='nvidia-11',
                    origin=record.Origin.CREATED,
                )
            )  # fmt: skip
            session.add_claim(
                record.Claim(consumer=CONSUMER, uuid=uuid, resource_class='VGPU')
            )


@pytest.mark.parametrize(
    'address',
    ['0000:84:00.0', GPU, '0000:84:*', '0000:84:00.0'.upper()],
)
def test_a_parent_is_drained_by_any_of_its_names(run, with_two, store, address):
    result = run('parent', 'drain', address, *JSON)
    assert (result.status, result.err) == (0, '')
    assert result.rows == [{'parent': GPU, 'drained': 'yes', 'claims': 2}]
    assert store.drained() == {GPU}
    again = run('parent', 'drain', address, *JSON)
    assert again.rows == result.rows
    back = run('parent', 'undrain', address, *JSON)
    assert back.rows == [{'parent': GPU, 'drained': 'no', 'claims': 2}]
    assert store.drained() == frozenset()


def test_several_at_once(run, with_two, store):
    rows = run('parent', 'drain', '0000:8*', MTTY, *JSON).rows
    assert [(r['parent'], r['claims']) for r in rows] == [
        (GPU, 2), ('pci_0000_85_00_0', 0), (MTTY, 0)
    ]  # fmt: skip
    assert len(store.drained()) == 3


@pytest.mark.parametrize('address', ['0000:99:00.0', 'x*', 'pci_0000_99_00_0'])
@pytest.mark.parametrize('command', ['drain', 'undrain'])
def test_one_that_is_nowhere_is_refused(run, store, command, address):
    result = run('parent', command, address, *JSON)
    assert (result.status, result.out) == (1, '')
    assert '"nova-mdev parent list" names what is there' in result.err
    assert store.drained() == frozenset()


def test_one_that_is_away_is_told_by_what_is_known_of_it(run, host, with_two, store):
    host.lose_parent(GPU)
    assert run('parent', 'drain', GPU, *JSON).rows[0]['claims'] == 2
    assert store.drained() == {GPU}
    assert run('parent', 'undrain', GPU, *JSON).status == 0


def test_nothing_new_is_given_there_until_it_is_undrained(run, with_two):
    ask = ['device', 'allocate', '--consumer', scenes.CONSUMERS[1], '--resource']
    run('parent', 'drain', GPU)
    refused = run(*ask, f'{GPU}:VGPU=1')
    assert refused.status == 1
    assert f'nova-mdev parent undrain {GPU}' in refused.err
    run('parent', 'undrain', GPU)
    assert run(*ask, f'{GPU}:VGPU=1').status == 0


def test_lists_show_it_and_how_much_is_left(run, with_two):
    run('parent', 'drain', GPU)
    rows = run('parent', 'list', *JSON).rows
    shown = {(r['parent'], r['mdev_type']): (r['in_use'], r['drained']) for r in rows}
    assert shown[GPU, 'nvidia-11'] == (2, 'yes')
    assert shown[GPU, 'nvidia-18'] == (0, 'yes')
    assert shown[MTTY, 'mtty-2'] == (0, 'no')
    rows = run('inventory', 'list', *JSON).rows
    offered = {
        r['parent']: (r['total'], r['reserved'], r['in_use'], r['draining'])
        for r in rows
    }
    assert offered[GPU] == (2, 0, 2, 'nvidia-11')
    assert offered[MTTY] == (12, 0, 0, '')


def test_a_type_that_is_not_given_any_more_is_shown_as_draining(
    call, configure, host, with_two, store
):
    conf = configure('[devices]\nenabled_mdev_types = mtty-2')
    base = [conf, f'--state-path={store.state_path}', '--root-provider=cn1']
    rows = call(*base, 'inventory', 'list', *JSON).rows
    (row,) = (r for r in rows if r['parent'] == GPU)
    assert (row['mdev_type'], row['draining'], row['in_use']) == ('nvidia-11',) * 2 + (
        2,
    )


def test_the_audit_shows_it_and_agrees(run, with_two):
    run('parent', 'drain', GPU)
    result = run('audit', '--without', 'libvirt', *JSON)
    (row,) = result.rows
    assert (result.status, row['kind'], row['severity']) == (0, 'draining', 'info')
    assert row['subject'] == f'parent {GPU}'
    assert row['claims'] == 'drained, 2 of nvidia-11 in use'


def test_parents_are_listed_where_the_record_cannot_be_read(run, with_two, store):
    with open(store.path, 'wb') as file:
        file.write(b'x' * 100)
    result = run('parent', 'list', *JSON)
    assert {r['parent'] for r in result.rows} >= {GPU, MTTY}
    assert result.err.startswith('warning: what is in use, or drained, is not known: ')


def test_a_configuration_is_checked_where_the_record_cannot_be_read(
    run, with_two, store
):
    with open(store.path, 'wb') as file:
        file.write(b'x' * 100)
    result = run('config', 'check', *JSON)
    told = [r['problem'] for r in result.rows if r['option'] == 'state_path']
    assert result.status == 0
    assert len(told) == 1
    assert store.path in told[0]


def test_the_decision_is_told_to_those_who_want_to_know(run, with_two):
    result = run('--verbose', 'parent', 'drain', GPU, *JSON)
    assert f'parent {GPU} is drained: nothing new lands there; 2 of' in result.err


def test_what_a_changed_configuration_will_do_is_told_before(
    call, configure, host, with_two, store
):
    conf = configure('[devices]\nenabled_mdev_types = nvidia-18')
    base = [conf, f'--state-path={store.state_path}', '--root-provider=cn1']
    result = call(*base, 'config', 'check', *JSON)
    told = [(r['severity'], r['problem']) for r in result.rows]
    assert result.status == 0
    assert told == [
        (
            'info',
            f'2 in use of nvidia-11 on {GPU} will be drained: the type is not enabled '
            'any more',
        ),
        ('info', f'nvidia-18 has no room on {GPU} yet'),
    ]
