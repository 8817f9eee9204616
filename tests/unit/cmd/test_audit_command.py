# SPDX-License-Identifier: Apache-2.0
"""``audit``: what it says, what it mends, and how it ends."""

from __future__ import annotations

import csv
import io
import pathlib
import sqlite3
import subprocess
import sys

import pytest
import requests
import yaml

from nova_generic_mdev import audit
from nova_generic_mdev import claims
from nova_generic_mdev import domain_xml
from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import node_xml
from nova_generic_mdev import privileged
from nova_generic_mdev import record
from nova_generic_mdev.cmd import cloud
from nova_generic_mdev.cmd import context
from nova_generic_mdev.cmd import processes
from nova_generic_mdev.cmd import publish
from nova_generic_mdev.cmd import witnesses
from nova_generic_mdev.host import kernel
from tests.unit import scenes
from tests.unit.adapters import fake_placement
from tests.unit.host import fake_libvirt

MTTY = 'mtty_mtty'
ROOT = 'compute-1.example.org'
CHILD = f'{ROOT}_{MTTY}'
CLASS = 'CUSTOM_MTTY'
ME, OTHER = scenes.CONSUMERS[:2]
A, C = scenes.UUIDS[10], scenes.UUIDS[12]
PARENT = pathlib.Path(__file__).parents[2] / 'golden/nodedev/empty/mtty_mtty.xml'
CONF = """
[devices]
enabled_mdev_types = mtty-2
[mdev_mtty-2]
device_addresses = mtty
mdev_class = mtty
"""
COLUMNS = [
    'severity', 'subject', 'kind', 'claims', 'sysfs', 'libvirt', 'placement', 'remedy',
]  # fmt: skip
K = audit.Kind


class Libvirt(fake_libvirt.Connection):
    """It hears of each mdev of its host."""

    def listAllDevices(self, flags: int):  # noqa: N802
        known = {getattr(device, 'uuid', None) for device in self.devices}
        for mdev in self.host.snapshot().mdevs.values():
            if mdev.uuid not in known:
                xml = node_xml.node_device(mdev.parent, mdev.mdev_type, mdev.uuid)
                self.devices.append(fake_libvirt.Mdev(self, xml.replace('\n', '')))
        return super().listAllDevices(flags)


@pytest.fixture
def host(monkeypatch):
    """What the command takes for this machine's kernel."""
    them = fixture.mtty()
    monkeypatch.setattr(context.Context, 'reader', them)
    monkeypatch.setattr(kernel, 'KernelHost', lambda reader: reader)
    monkeypatch.setattr(privileged, 'start', lambda: None)
    monkeypatch.setattr(privileged, 'configure', lambda _: None)
    monkeypatch.setattr(claims, 'machine_id', lambda: 'this machine')
    monkeypatch.setattr(witnesses, 'AGAIN_SECONDS', 0.0)
    return them


@pytest.fixture
def store(tmp_path):
    made = claims.ClaimStore(str(tmp_path / 'state'), 'this machine')
    made.create(record.Claims())
    return made


@pytest.fixture
def libvirt(host, monkeypatch):
    connection = Libvirt([fake_libvirt.NodeDevice(PARENT.read_text())], host=host)
    monkeypatch.setitem(sys.modules, 'libvirt', fake_libvirt.binding(connection))
    return connection


@pytest.fixture
def cloudy(monkeypatch, tmp_path):
    """A Placement that the options lead to; no nova-compute is here."""
    fake = fake_placement.Fake()
    fake.make(ROOT)
    told = {'client': fake.client()}
    monkeypatch.setattr(cloud, 'client_if_told', lambda *_: told['client'])
    monkeypatch.setattr(cloud, 'client', lambda _: told['client'])
    monkeypatch.setattr(processes, 'PROC', str(tmp_path))
    fake.told = told
    return fake


@pytest.fixture
def base(configure, tmp_path):
    return [configure(CONF), f'--state-path={tmp_path / "state"}']


def know(store, uuid, consumer=None, **more):
    origin = more.pop('origin', record.Origin.CREATED)
    with store.transaction() as session:
        session.add_mdev(
            record.MdevRecord(
                uuid=uuid, parent=MTTY, mdev_type='mtty-2', origin=origin,
                backend='sysfs',
            )
        )  # fmt: skip
        if consumer:
            session.add_claim(
                record.Claim(consumer=consumer, uuid=uuid, resource_class=CLASS, **more)
            )


def guest(libvirt, name, uuid, *mdevs, running=True):
    hostdevs = ''.join(domain_xml.hostdev(u, 'vfio-pci') for u in mdevs)
    xml = f'<domain><name>{name}</name><devices>{hostdevs}</devices></domain>'
    libvirt.domains.append(fake_libvirt.Domain(name, xml, uuid=uuid, running=running))


def hold(fake, consumer, amount=1):
    uuid = fake.providers[CHILD].uuid
    fake.allocations[consumer] = {uuid: {'resources': {CLASS: amount}}}


@pytest.fixture
def agreed(call, base, host, store, libvirt, cloudy):
    """A server with one mdev, and all know of it."""
    host.place(A, MTTY, 'mtty-2')
    know(store, A, ME)
    guest(libvirt, 'one', ME, A)
    result = call(*base, 'inventory', 'publish')
    assert result.status == 0, result.err
    hold(cloudy, ME)
    host.calls.clear()
    cloudy.log.clear()
    return cloudy


@pytest.fixture
def run(call, base):
    """Runs the command."""

    def run(*more, output='json'):
        return call(*base, f'--root-provider={ROOT}', 'audit', '-f', output, *more)

    return run


def kinds(result):
    return [row['kind'] for row in result.rows]


def acts(host, libvirt):
    return [c.verb for c in host.calls if c.verb != 'snapshot'] + libvirt.acts


# How it ends


@pytest.mark.usefixtures('agreed')
@pytest.mark.parametrize(
    ('output', 'nothing'),
    [('table', '\n'), ('json', '[]'), ('yaml', '[]'), ('csv', ''), ('value', '')],
)
def test_where_all_agree(run, output, nothing):
    result = run(output=output)
    assert (result.status, result.err) == (0, '')
    assert result.out.strip().splitlines()[1:] == []
    assert nothing.strip() in result.out


def test_where_they_do_not(run, agreed, host):
    host.lose_mdev(A)
    result = run()
    assert (result.status, result.err) == (1, '')
    (row,) = result.rows
    assert list(row) == COLUMNS
    assert row['severity'] == 'error'
    assert row['subject'] == f'mdev {A}'
    assert row['kind'] == 'missing mdev'
    assert row['claims'] == f'mtty-2 on {MTTY}, created, of {ME} (placement)'
    assert row['sysfs'] == 'not there'
    assert row['libvirt'] == 'in guest one (running)'
    assert row['placement'] == f'1 {CLASS} on {MTTY}'
    assert 'device recover' in row['remedy']


def test_each_output_has_the_same_columns(run, agreed, host):
    host.lose_mdev(A)
    as_csv = list(csv.DictReader(io.StringIO(run(output='csv').out)))
    assert as_csv == run().rows
    assert list(as_csv[0]) == COLUMNS
    assert yaml.safe_load(run(output='yaml').out) == as_csv
    head = run(output='table').out.splitlines()[1]
    assert head.strip('|').replace(' ', '').split('|') == COLUMNS


def test_what_is_only_worth_to_know_differs_not(run, agreed, call, base, configure):
    configure(CONF + 'drain = true\n')
    assert call(*base, 'inventory', 'publish').status == 0
    result = run()
    assert kinds(result) == ['draining']
    assert result.status == 0


def test_what_was_under_way_is_no_difference(run, agreed, host, monkeypatch):
    """It is there again at the second look."""
    host.lose_mdev(A)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        host.place(A, MTTY, 'mtty-2')

    monkeypatch.setattr(witnesses.time, 'sleep', sleep)
    result = run()
    assert (result.status, result.rows) == (0, [])
    assert slept == [witnesses.AGAIN_SECONDS]


@pytest.mark.usefixtures('agreed')
def test_where_all_agree_it_looks_once(run, monkeypatch):
    def sleep(seconds):
        raise AssertionError

    monkeypatch.setattr(witnesses.time, 'sleep', sleep)
    assert run().status == 0


# Where it could not look


def no_libvirt(agreed, libvirt, store, monkeypatch):
    monkeypatch.setitem(sys.modules, 'libvirt', None)


def libvirt_refuses(agreed, libvirt, store, monkeypatch):
    libvirt.failures['listAllDomains'] = fake_libvirt.Error(39)


def placement_is_down(agreed, libvirt, store, monkeypatch):
    agreed.fail('GET', '/resource_providers', fake_placement.DOWN, times=99)


def placement_does_not_answer(agreed, libvirt, store, monkeypatch):
    trouble = requests.ConnectionError('no route')
    agreed.fail('GET', '/resource_providers', trouble, times=99)


def placement_answers_nonsense(agreed, libvirt, store, monkeypatch):
    trouble = fake_placement.Answer(200, text='<html>welcome</html>')
    agreed.fail('GET', '/allocations', trouble, times=99)


def placement_answers_other_json(agreed, libvirt, store, monkeypatch):
    trouble = fake_placement.Answer(200, {'allocations': {'x': 1}})
    agreed.fail('GET', '/allocations', trouble, times=99)


def placement_cannot_be_reached(agreed, libvirt, store, monkeypatch):
    def refuse(*_):
        raise exceptions.PlacementError('Placement', 'it was not said how')

    monkeypatch.setattr(cloud, 'client_if_told', refuse)


def a_newer_record(agreed, libvirt, store, monkeypatch):
    connection = sqlite3.connect(store.path)
    connection.execute('PRAGMA user_version = 99')
    connection.commit()
    connection.close()


def a_truncated_record(agreed, libvirt, store, monkeypatch):
    path = pathlib.Path(store.path)
    path.write_bytes(path.read_bytes()[:3000])


def a_record_of_another_machine(agreed, libvirt, store, monkeypatch):
    monkeypatch.setattr(claims, 'machine_id', lambda: 'another')


UNSEEN = [
    (no_libvirt, 'libvirt'),
    (libvirt_refuses, 'libvirt'),
    (placement_is_down, 'placement'),
    (placement_does_not_answer, 'placement'),
    (placement_answers_nonsense, 'placement'),
    (placement_answers_other_json, 'placement'),
    (placement_cannot_be_reached, 'placement'),
    (a_newer_record, 'claims'),
    (a_truncated_record, 'claims'),
    (a_record_of_another_machine, 'claims'),
]


@pytest.mark.parametrize(
    ('damage', 'witness'), UNSEEN, ids=[d.__name__.replace('_', ' ') for d, _ in UNSEEN]
)
@pytest.mark.parametrize('how', [(), ('--fix',), ('--dry-run',)], ids=lambda h: h)
def test_one_that_could_not_be_asked(
    run, agreed, libvirt, store, host, monkeypatch, damage, witness, how
):
    """It is said, once; the rest goes on, and nothing is removed."""
    guest(libvirt, 'two', OTHER, C)
    before = store.load()
    damage(agreed, libvirt, store, monkeypatch)
    result = run(*how)
    assert result.status == 2
    (line,) = result.err.splitlines()
    assert 'could not be asked' in line
    if witness != 'libvirt':
        missing = [r for r in result.rows if r['kind'] == K.MISSING_MDEV]
        assert [r['subject'] for r in missing] == [f'mdev {C}']
        assert missing[0][witness] in ('?', '')
    else:
        assert result.rows == []
    assert acts(host, libvirt) == []
    if witness != 'claims':
        assert store.load() == before


@pytest.mark.parametrize('witness', ['libvirt', 'placement'])
def test_one_that_is_not_to_be_asked(run, agreed, libvirt, monkeypatch, witness):
    damage = no_libvirt if witness == 'libvirt' else placement_is_down
    damage(agreed, libvirt, None, monkeypatch)
    assert f'--without {witness}' in run().err
    result = run('--without', witness, '--dry-run')
    assert (result.status, result.err, result.rows) == (0, '', [])


@pytest.mark.usefixtures('agreed')
def test_the_root_provider_is_called_what_libvirt_calls_the_host(call, base):
    result = call(*base, 'audit', '-f', 'json')
    assert (result.status, result.rows) == (0, [])


@pytest.mark.usefixtures('agreed')
def test_a_guess_at_the_root_provider_accuses_nobody(call, base, monkeypatch):
    monkeypatch.setitem(sys.modules, 'libvirt', None)
    result = call(*base, 'audit', '-f', 'json', '--without=libvirt')
    assert (result.status, result.rows) == (2, [])
    assert '--root-provider' in result.err


def test_without_a_host(run, agreed, host, monkeypatch):
    def refuse(parents=None):
        raise exceptions.HostError('/sys', 'not there')

    agreed.allocations.clear()
    monkeypatch.setattr(host, 'snapshot', refuse)
    monkeypatch.setattr(Libvirt, 'listAllDevices', lambda self, flags: [])
    result = run()
    assert result.status == 2
    assert kinds(result) == ['device without allocation']
    assert '/sys: not there' in result.err


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('no section', id='a file that cannot be parsed'),
        pytest.param('[devices]\nenabled_mdev_types = ../x', id='a fatal problem'),
    ],
)
def test_what_is_wanted_is_not_known(call, configure, agreed, host, libvirt, text):
    result = call(configure(text), 'audit', '--fix')
    assert (result.status, result.out.strip()) == (2, '')
    assert 'configuration' in result.err
    assert acts(host, libvirt) == []


def test_fix_and_dry_run_are_not_both_meant(run):
    result = run('--fix', '--dry-run')
    assert result.status == 2
    assert 'not allowed with' in result.err


def test_the_help_names_the_exit_codes(call):
    assert 'Exits 0 where all agree' in call('help', 'audit').out


# Without a record, and elsewhere


def test_on_a_first_start_what_is_there_was_found(call, base, host, libvirt, tmp_path):
    host.place(C, MTTY, 'mtty-2')
    result = call(*base, 'audit', '-f', 'json')
    assert (result.status, result.rows) == (0, [])
    assert not (tmp_path / 'state').exists()


def test_on_a_first_start_what_a_guest_has_is_not_ours(call, base, host, libvirt):
    host.place(C, MTTY, 'mtty-2')
    guest(libvirt, 'one', ME, C)
    result = call(*base, 'audit', '-f', 'json')
    assert (result.status, kinds(result)) == (1, ['foreign mdev'])


def test_another_hosts_tree(call, configure, write, tmp_path, monkeypatch):
    """This machine's libvirt has nothing to say of it."""
    monkeypatch.setattr(witnesses, 'AGAIN_SECONDS', 0.0)
    host = fixture.mtty()
    host.place(C, MTTY, 'mtty-2')
    result = call(configure(CONF), f'--sysfs={write(host)}', 'audit', '-f', 'json')
    assert (result.status, result.rows, result.err) == (0, [], '')
    refused = call(configure(CONF), f'--sysfs={tmp_path / "gone"}', 'audit')
    assert refused.status == 2


# What it mends


def orphan(host, store, libvirt, fake):
    host.place(C, MTTY, 'mtty-2')
    know(store, C)


def missing(host, store, libvirt, fake):
    host.lose_mdev(A)


def stale_record(host, store, libvirt, fake):
    know(store, C)


def stale_claim(host, store, libvirt, fake):
    libvirt.domains.clear()
    fake.allocations.clear()


def unclaimed(host, store, libvirt, fake):
    with store.transaction() as session:
        session.drop_claim(A)


def pending(host, store, libvirt, fake):
    with store.transaction() as session:
        session.set_state(A, record.ClaimState.PENDING)


def definition(host, store, libvirt, fake):
    know(store, C)
    xml = node_xml.node_device(MTTY, 'mtty-2', C).replace('\n', '')
    libvirt.nodeDeviceDefineXML(xml, 0).setAutostart(1)
    libvirt.acts.clear()


def inventory(host, store, libvirt, fake):
    fake.providers[CHILD].inventories[CLASS]['reserved'] = 3


def traits(host, store, libvirt, fake):
    fake.providers[CHILD].traits.discard('OWNER_NOVA')


def no_provider(host, store, libvirt, fake):
    stale_claim(host, store, libvirt, fake)
    host.lose_mdev(A)
    with store.transaction() as session:
        session.drop_mdev(A)
    del fake.providers[CHILD]


def stale_provider(host, store, libvirt, fake):
    name = f'{ROOT}_pci_0000_01_00_0'
    one = fake.make(name, ROOT, 'CUSTOM_MDEV_TYPE_X')
    one.inventories = {'VGPU': {'total': 1, 'reserved': 0, 'max_unit': 1}}


MENDED = [
    (orphan, K.ORPHAN_MDEV, f'removed mdev {C}'),
    (missing, K.MISSING_MDEV, f'made again mdev {A}'),
    (stale_record, K.STALE_RECORD, f'removed mdev {C}'),
    (stale_claim, K.STALE_CLAIM, f'released mdev {A}'),
    (unclaimed, K.GUEST_WITHOUT_CLAIM, f'claimed mdev {A} for {ME}'),
    (pending, K.PENDING_CLAIM, f'settled mdev {A}'),
    (definition, K.DEFINITION_WITHOUT_DEVICE, f'undefined mdev {C}'),
    (inventory, K.INVENTORY_DIFFERS, 'set inventories CUSTOM_MTTY total=12 reserved=0'),
    (traits, K.TRAITS_DIFFER, 'set traits +OWNER_NOVA'),
    (no_provider, K.MISSING_PROVIDER, 'create provider'),
    (stale_provider, K.STALE_PROVIDER, 'drop class VGPU; delete provider'),
]


@pytest.fixture(params=MENDED, ids=lambda row: row[0].__name__.replace('_', ' '))
def damaged(request, agreed, host, store, libvirt):
    damage, kind, done = request.param
    damage(host, store, libvirt, agreed)
    host.calls.clear()
    agreed.log.clear()
    return kind, done


def remedies(result, kind):
    return [row['remedy'] for row in result.rows if row['kind'] == kind]


def test_a_dry_run_says_what_it_would_do_and_does_nothing(
    run, damaged, agreed, host, store, libvirt
):
    before = store.load()
    result = run('--dry-run')
    assert (result.status, result.err) == (1, '')
    (remedy,) = remedies(result, damaged[0])
    assert remedy.startswith('would ')
    assert acts(host, libvirt) == []
    assert agreed.writes == []
    assert store.load() == before


def test_what_is_safe_is_mended_and_said(run, damaged, agreed, host, libvirt):
    kind, done = damaged
    result = run('--fix')
    assert (result.status, result.err) == (0, '')
    (remedy,) = remedies(result, kind)
    assert remedy.startswith('done: ')
    assert done in remedy
    for domain in libvirt.domains:
        named = domain_xml.mdev_uuids(domain.xml)
        assert set(named) <= host.snapshot().mdevs.keys()
    again = run('--fix')
    assert (again.status, again.rows) == (0, [])


def test_what_a_dry_run_says_of_placement_is_what_is_done(run, agreed):
    stale_provider(None, None, None, agreed)
    inventory(None, None, None, agreed)
    would = remedies(run('--dry-run'), K.INVENTORY_DIFFERS)
    assert would == [remedy.replace('done: ', 'would ') for remedy in remedies(
        run('--fix'), K.INVENTORY_DIFFERS)]  # fmt: skip


def test_what_is_not_safe_is_left(run, agreed, host, store, libvirt):
    """Nobody's, but in the XML of a guest; found; of an accelerator service."""
    host.place(C, MTTY, 'mtty-2')
    know(store, C)
    guest(libvirt, 'two', OTHER, C, running=False)
    know(store, scenes.UUIDS[20], origin=record.Origin.FOREIGN)
    before = host.snapshot().mdevs
    result = run('--fix')
    assert result.status == 1
    (remedy,) = remedies(result, K.GUEST_WITHOUT_CLAIM)
    assert 'done' not in remedy
    assert host.snapshot().mdevs == before
    assert len(store.load().mdevs) == 3


def test_what_is_in_use_stays_and_the_rest_goes_on(run, agreed, host, store, libvirt):
    host.place(C, MTTY, 'mtty-2')
    know(store, C)
    host.attach(C, 'something')
    traits(host, store, libvirt, agreed)
    result = run('--fix')
    assert result.status == 1
    (remedy,) = remedies(result, K.ORPHAN_MDEV)
    assert remedy.startswith('tried: ')
    assert C in host.snapshot().mdevs
    (remedy,) = remedies(result, K.TRAITS_DIFFER)
    assert remedy.startswith('done: ')


def test_what_the_kernel_refuses_is_said(run, agreed, host):
    host.lose_mdev(A)
    host.fill(MTTY, 'mtty-1')
    result = run('--fix')
    assert result.status == 1
    (remedy,) = remedies(result, K.MISSING_MDEV)
    assert remedy.startswith('not done: ')
    assert 'cannot give 1 of mtty-2' in remedy


def test_without_privilege_it_says_so(run, agreed, host, monkeypatch):
    def refuse():
        raise exceptions.HostError('privileged helper', 'run as root')

    host.lose_mdev(A)
    monkeypatch.setattr(privileged, 'start', refuse)
    result = run('--fix')
    assert result.status == 1
    assert 'run as root' in remedies(result, K.MISSING_MDEV)[0]


def test_a_server_that_turns_out_to_need_it_keeps_it(
    run, agreed, host, store, libvirt, monkeypatch
):
    stale_claim(host, store, libvirt, agreed)
    release = engine.Engine.release

    def late(self, consumer, unless):
        hold(agreed, ME)
        return release(self, consumer, unless)

    monkeypatch.setattr(engine.Engine, 'release', late)
    result = run('--fix')
    assert A in host.snapshot().mdevs
    assert store.load().of(ME)
    assert result.status == 0
    assert 'released nothing' in remedies(result, K.STALE_CLAIM)[0]


def test_beside_a_nova_compute_nothing_is_published(run, agreed, tmp_path):
    inventory(None, None, None, agreed)
    (tmp_path / '77').mkdir()
    (tmp_path / '77/cmdline').write_bytes(b'/usr/bin/nova-compute\0')
    result = run('--fix')
    assert result.status == 1
    assert agreed.writes == []
    (remedy,) = remedies(result, K.INVENTORY_DIFFERS)
    assert remedy.startswith('not done: process 77: a nova-compute')
    (remedy,) = remedies(run('--dry-run'), K.INVENTORY_DIFFERS)
    assert remedy.startswith('would not be done: process 77: a nova-compute')


@pytest.mark.parametrize('how', ['--fix', '--dry-run'])
def test_what_is_not_ours_to_publish_stops_no_other(
    run, agreed, host, store, libvirt, how
):
    # Something else has the name of one of ours, and there is another of ours.
    agreed.providers[CHILD].traits.clear()
    stale_provider(host, store, libvirt, agreed)
    orphan(host, store, libvirt, agreed)
    result = run(how)
    assert (result.status, result.err) == (1, '')
    (remedy,) = remedies(result, K.FOREIGN_PROVIDER)
    assert remedy.startswith('delete it, or hand it over')
    (remedy,) = remedies(result, K.STALE_PROVIDER)
    assert remedy.startswith(('done: ', 'would '))
    assert 'not be done' not in remedy
    (remedy,) = remedies(result, K.ORPHAN_MDEV)
    assert remedy.startswith(('done: ', 'would take back'))


@pytest.mark.parametrize(
    'trouble', [fake_placement.CONFLICT, fake_placement.DOWN], ids=['409', '503']
)
def test_what_placement_refuses_each_time_is_said(run, agreed, trouble):
    inventory(None, None, None, agreed)
    agreed.fail('PUT', '/inventories', trouble, times=99)
    result = run('--fix')
    assert result.status == 1
    (remedy,) = remedies(result, K.INVENTORY_DIFFERS)
    assert remedy.startswith('not done: ')
    assert str(trouble.status) in remedy


def test_a_terminal_is_told_what_is_done(run, agreed, host, monkeypatch):
    host.lose_mdev(A)
    monkeypatch.setattr(type(sys.stderr), 'isatty', lambda self: True)
    assert run('--fix').err == f'[1/1] make again what {ME} has\n'


def test_nothing_is_made_where_nothing_was_found(run, agreed, host, monkeypatch):
    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(privileged, 'start', refuse)
    monkeypatch.setattr(publish, 'look', refuse)
    assert run('--fix').status == 0


def test_the_other_commands_do_not_load_it():
    """In a process of its own: ``--help`` loads each command, and no more."""
    script = (
        'import sys\n'
        'from nova_generic_mdev.cmd import main\n'
        'try:\n'
        '    main.main(["--help"])\n'
        'finally:\n'
        '    sys.exit("nova_generic_mdev.audit" in sys.modules)\n'
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert 'audit ' in done.stdout
