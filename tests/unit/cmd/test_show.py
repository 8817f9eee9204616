# SPDX-License-Identifier: Apache-2.0
"""The commands that look: what they print, and what they do not need."""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
import shutil
import sqlite3

import pytest
import yaml
from lxml import etree

from nova_generic_mdev import claims
from nova_generic_mdev import fixture
from nova_generic_mdev import model
from nova_generic_mdev import record
from nova_generic_mdev.cmd import context
from nova_generic_mdev.host import nodedev
from nova_generic_mdev.host import sysfs

A, B, C = (f'00000000-0000-4000-8000-{n:012x}' for n in (1, 2, 3))
CONSUMER = '11111111-1111-4111-8111-111111111111'
HOSTS = pathlib.Path(__file__).parents[2] / 'hosts'
MTTY = """
[devices]
enabled_mdev_types = mtty-2
[mdev_mtty-2]
device_addresses = mtty
mdev_class = mtty
"""

PARENT_LIST = [
    'parent', 'address', 'physical_device', 'numa_node', 'mdev_type', 'name',
    'device_api', 'available_instances', 'existing', 'in_use', 'drained',
]  # fmt: skip
DEVICE_LIST = ['uuid', 'parent', 'mdev_type', 'origin', 'consumer', 'state']
INVENTORY_LIST = [
    'provider', 'parent', 'mdev_type', 'resource_class', 'total', 'reserved',
    'max_unit', 'in_use', 'draining', 'traits',
]  # fmt: skip
TRAITS = [
    'CUSTOM_MDEV_API_VFIO_PCI',
    'CUSTOM_MDEV_NAME_DUAL_PORT_SERIAL',
    'CUSTOM_MDEV_TYPE_MTTY_2',
    'OWNER_NOVA',
]


@pytest.fixture
def samples(write):
    """mtty and mdpy, with two mdevs on mtty."""
    them = fixture.together(fixture.mtty(), fixture.mdpy())
    them.create(A, 'mtty_mtty', 'mtty-2')
    them.create(B, 'mtty_mtty', 'mtty-2')
    return f'--sysfs={write(them)}'


@pytest.fixture
def keep(tmp_path, monkeypatch):
    """Makes a record of this machine; gives the option that names it."""
    monkeypatch.setattr(claims, 'machine_id', lambda: 'this machine')

    def keep(known=(), claimed=(), machine='this machine'):
        store = claims.ClaimStore(str(tmp_path / 'state'), machine)
        store.create(record.Claims(mdevs={k.uuid: k for k in known}))
        with store.transaction() as session:
            for claim in claimed:
                session.add_claim(claim)
        return f'--state-path={store.state_path}'

    return keep


def known(uuid, origin=record.Origin.CREATED):
    return record.MdevRecord(
        uuid=uuid, parent='mtty_mtty', mdev_type='mtty-2', origin=origin
    )


def claim(uuid):
    return record.Claim(consumer=CONSUMER, uuid=uuid, resource_class='CUSTOM_MTTY')


# Columns and formats

LISTS = [
    pytest.param(['parent', 'list'], PARENT_LIST, id='parent list'),
    pytest.param(['device', 'list'], DEVICE_LIST, id='device list'),
    pytest.param(['inventory', 'list'], INVENTORY_LIST, id='inventory list'),
]


@pytest.mark.parametrize(('command', 'columns'), LISTS)
def test_columns(call, configure, samples, command, columns):
    base = [configure(MTTY), samples, *command, '-f']
    as_csv = call(*base, 'csv').out
    assert next(csv.reader(io.StringIO(as_csv))) == columns
    for row in call(*base, 'json').rows:
        assert list(row) == columns
    for row in yaml.safe_load(call(*base, 'yaml').out):
        assert set(row) == set(columns)
    head = call(*base, 'table').out.splitlines()[1]
    assert [word.strip() for word in head.strip('|').split('|')] == columns


@pytest.mark.parametrize(('command', 'columns'), LISTS)
def test_each_format_tells_the_same(call, configure, samples, command, columns):
    base = [configure(MTTY), samples, *command, '-f']
    as_json = call(*base, 'json').rows
    assert as_json
    assert yaml.safe_load(call(*base, 'yaml').out) == as_json
    as_csv = list(csv.DictReader(io.StringIO(call(*base, 'csv').out)))
    assert as_csv == [
        {k: ' '.join(v) if isinstance(v, list) else str(v) for k, v in row.items()}
        for row in as_json
    ]
    assert len(call(*base, 'value').out.splitlines()) == len(as_json)


@pytest.mark.parametrize(
    ('output', 'traits'),
    [
        pytest.param('json', TRAITS, id='a list in json'),
        pytest.param('yaml', TRAITS, id='a list in yaml'),
        pytest.param('csv', ' '.join(TRAITS), id='words in csv'),
        pytest.param('value', ' '.join(TRAITS), id='words as a value'),
    ],
)
def test_traits(call, configure, samples, output, traits):
    command = ['inventory', 'list', '-c', 'traits', '-f', output]
    out = call(configure(MTTY), samples, *command).out
    read = {
        'json': lambda: json.loads(out)[0]['traits'],
        'yaml': lambda: yaml.safe_load(out)[0]['traits'],
        'csv': lambda: list(csv.reader(io.StringIO(out)))[1][0],
        'value': out.strip,
    }
    assert read[output]() == traits


def test_traits_are_one_a_line_in_a_table(call, configure, samples):
    out = call(configure(MTTY), samples, 'inventory', 'list').out
    assert [line.split('|')[-2].strip() for line in out.splitlines()[3:-1]] == TRAITS


# parent list


def test_parent_list(call, samples):
    rows = call(samples, 'parent', 'list', '-f', 'json').rows
    assert [list(row.values()) for row in rows if row['parent'] == 'mtty_mtty'] == [
        ['mtty_mtty', '', 'mtty_mtty', '', 'mtty-1', 'Single port serial', 'vfio-pci',
         20, 0, 0, 'no'],
        ['mtty_mtty', '', 'mtty_mtty', '', 'mtty-2', 'Dual port serial', 'vfio-pci',
         10, 2, 0, 'no'],
    ]  # fmt: skip


def test_parent_list_of_virtual_functions(call, write):
    root = write(fixture.sriov_card(vfs=2))
    row = call(f'--sysfs={root}', 'parent', 'list', '-f', 'json').rows[0]
    assert row['parent'] == 'pci_0000_41_00_4'
    assert row['address'] == '0000:41:00.4'
    assert row['physical_device'] == 'pci_0000_41_00_0'
    assert row['numa_node'] == 0


@pytest.mark.parametrize(
    'tree', [p.name for p in sorted(HOSTS.iterdir()) if (p / 'class').is_dir()]
)
def test_parent_list_agrees_with_the_tree(call, tree):
    root = HOSTS / tree
    result = call(f'--sysfs={root}', 'parent', 'list', '-f', 'json')
    looked = sysfs.SysfsReader(root).snapshot()
    assert result.status == 0
    assert [(r['parent'], r['mdev_type']) for r in result.rows] == [
        (p.name, t) for p in looked.parents.values() for t in p.types
    ]
    counts = [
        t.available_instances for p in looked.parents.values() for t in p.types.values()
    ]
    assert [r['available_instances'] for r in result.rows] == [
        '' if n is None else n for n in counts
    ]
    assert result.err.count('warning: ') == len(looked.faults)


def test_what_cannot_be_read_is_on_stderr_and_the_rest_is_there(call, samples):
    root = pathlib.Path(samples.partition('=')[2])
    types = root / 'devices/virtual/mtty/mtty/mdev_supported_types'
    (types / 'mtty-1/available_instances').write_text('-1\n')
    result = call(samples, 'parent', 'list', '-f', 'json')
    counts = {r['mdev_type']: r['available_instances'] for r in result.rows}
    assert result.status == 0
    assert (counts['mtty-1'], counts['mtty-2']) == ('', 10)
    assert result.err.startswith(f'warning: {types}/mtty-1/available_instances: ')
    assert len(result.err.splitlines()) == 1


def test_ten_thousand_types(call, write):
    many = model.Parent(
        name='mtty_mtty',
        sysname='mtty',
        subsystem='mtty',
        types={
            f't-{n}': model.MdevType(id=f't-{n}', available_instances=1)
            for n in range(10_000)
        },
    )
    root = write(model.HostSnapshot(parents={'mtty_mtty': many}))
    rows = call(f'--sysfs={root}', 'parent', 'list', '-f', 'json').rows
    assert len(rows) == 10_000


def test_a_kernel_without_mdev_has_no_parents(call, tmp_path):
    result = call(f'--sysfs={tmp_path}', 'parent', 'list', '-f', 'json')
    assert (result.status, result.rows) == (0, [])


# device list


def test_without_a_record_all_is_found_and_free(call, samples):
    rows = call(samples, 'device', 'list', '-f', 'json').rows
    assert [list(row.values()) for row in rows] == [
        [A, 'mtty_mtty', 'mtty-2', 'found', '', 'free'],
        [B, 'mtty_mtty', 'mtty-2', 'found', '', 'free'],
    ]


def test_device_list_with_a_record(call, samples, keep):
    state = keep([known(A), known(C)], [claim(A), claim(C)])
    rows = call(samples, state, 'device', 'list', '-f', 'json').rows
    assert [(r['uuid'], r['origin'], r['consumer'], r['state']) for r in rows] == [
        (A, 'created', CONSUMER, 'claimed'),
        (B, '', '', 'foreign'),
        (C, 'created', CONSUMER, 'missing'),
    ]


def test_device_list_with_libvirt(call, samples, keep, monkeypatch):
    defined = model.Definition(uuid=C, parent='mtty_mtty', mdev_type='mtty-2')
    told = model.HostSnapshot(parents={}, definitions={C: defined})
    guests = {A: nodedev.Guest(name='g', running=True)}
    monkeypatch.setattr(nodedev.NodedevReader, 'snapshot', lambda self: told)
    monkeypatch.setattr(nodedev, 'connected', fake_connection)
    monkeypatch.setattr(nodedev, 'guests', lambda connection: guests)
    state = keep([known(A), known(B)])
    rows = call(
        samples, state, '--libvirt-uri=test:///', 'device', 'list', '-f', 'json'
    ).rows
    assert {r['uuid']: r['state'] for r in rows} == {
        A: 'in-use', B: 'free', C: 'inactive'
    }  # fmt: skip


class fake_connection:  # noqa: N801
    def __init__(self, uri):
        assert uri == 'test:///'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_another_hosts_tree_is_not_this_libvirts_business(call, samples, monkeypatch):
    def asked(*_):
        raise AssertionError

    monkeypatch.setattr(nodedev, 'connected', asked)
    monkeypatch.setattr(nodedev, '_binding', asked)
    assert call(samples, 'device', 'list').status == 0


def test_libvirt_that_was_named_and_is_not_there_is_told(call, samples):
    result = call(samples, '--libvirt-uri=test:///', 'device', 'list', '-f', 'json')
    assert result.status == 0
    assert len(result.rows) == 2
    assert 'python3-libvirt' in result.err


# inventory list


def test_inventory_list(call, configure, samples):
    command = ['--root-provider=cn1', 'inventory', 'list', '-f', 'json']
    (row,) = call(configure(MTTY), samples, *command).rows
    assert list(row.values()) == [
        'cn1_mtty_mtty', 'mtty_mtty', 'mtty-2', 'CUSTOM_MTTY', 12, 0, 12, 0,
        '', TRAITS,
    ]  # fmt: skip


def test_inventory_list_of_a_pristine_host(call, configure):
    root = HOSTS / 's390'
    text = '[devices]\nenabled_mdev_types = vfio_ccw-io'
    result = call(configure(text), f'--sysfs={root}', 'inventory', 'list', '-f', 'json')
    assert [(r['parent'], r['total'], r['reserved']) for r in result.rows] == [
        ('css_0_0_0023', 1, 0), ('css_0_0_0024', 1, 0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('', id='an empty file'),
        pytest.param('[devices]\nenabled_mdev_types =', id='an empty list'),
    ],
)
def test_nothing_configured_is_an_empty_list(call, configure, samples, text):
    result = call(configure(text), samples, 'inventory', 'list', '-f', 'json')
    assert (result.status, result.rows, result.err) == (0, [], '')


def test_problems_are_on_stderr_and_what_is_healthy_is_there(call, configure, samples):
    text = """
    [devices]
    enabled_mdev_types = mtty-2, mdpy-vga, mdpy-hd, broken
    [mdev_mtty-2]
    device_addresses = mtty
    [mdev_mdpy-vga]
    device_addresses = mtty, 0000:01:00.0
    [mdev_mdpy-hd]
    device_addresses = mdpy
    [mdev_broken]
    max_instances = 0
    """.replace('\n    ', '\n')
    root = pathlib.Path(samples.partition('=')[2])
    where = root / 'devices/virtual/mdpy/mdpy/mdev_supported_types/mdpy-hd'
    (where / 'available_instances').write_text('abc\n')
    result = call(configure(text), samples, 'inventory', 'list', '-f', 'json')
    assert result.status == 0
    assert [(r['parent'], r['mdev_type']) for r in result.rows] == [
        ('mtty_mtty', 'mtty-2')
    ]
    lines = result.err.splitlines()
    for start in (
        'error: [mdev_broken] max_instances: ',
        'error: [mdev_mdpy-vga] device_addresses: mtty_mtty does not support',
        'warning: [mdev_mdpy-vga] device_addresses: there is no parent device 0000:01',
        'error: [mdev_mdpy-hd] device_addresses: available_instances of mdpy-hd',
        f'warning: {where}/available_instances: ',
    ):
        assert sum(line.startswith(start) for line in lines) == 1, start


def test_a_class_of_two_types_names_both(call, configure, samples):
    text = """
[devices]
enabled_mdev_types = mtty-2, mtty-1
[mdev_mtty-2]
device_addresses = mtty
[mdev_mtty-1]
device_addresses = mtty
drain = true
"""
    (row,) = call(configure(text), samples, 'inventory', 'list', '-f', 'json').rows
    assert row['mdev_type'] == 'mtty-2 mtty-1'


def test_a_type_that_is_only_held_still_is_named(call, configure, samples, keep):
    state = keep([known(A), known(B)], [claim(A)])
    result = call(configure(''), samples, state, 'inventory', 'list', '-f', 'json')
    (row,) = result.rows
    assert [row[c] for c in INVENTORY_LIST[1:7]] == [
        'mtty_mtty', 'mtty-2', 'CUSTOM_MTTY', 1, 0, 1
    ]  # fmt: skip


def test_the_root_provider_is_the_machines_name_without_libvirt(
    call, configure, samples, monkeypatch
):
    monkeypatch.setattr('socket.gethostname', lambda: 'cn9')
    (row,) = call(configure(MTTY), samples, 'inventory', 'list', '-f', 'json').rows
    assert row['provider'] == 'cn9_mtty_mtty'


def test_the_root_provider_is_libvirts_name_for_the_host(
    call, configure, samples, monkeypatch
):
    monkeypatch.setattr(nodedev, 'hostname', lambda uri: 'cn9.example')
    (row,) = call(configure(MTTY), samples, 'inventory', 'list', '-f', 'json').rows
    assert row['provider'] == 'cn9.example_mtty_mtty'


# device xml

S390 = f'--sysfs={HOSTS / "s390"}'


@pytest.mark.parametrize(
    ('build', 'parent', 'mdev_type', 'api'),
    [
        pytest.param(fixture.mtty, 'mtty_mtty', 'mtty-1', 'vfio-pci', id='vfio-pci'),
        pytest.param(
            fixture.s390, 'css_0_0_0023', 'vfio_ccw-io', 'vfio-ccw', id='vfio-ccw'
        ),
        pytest.param(
            fixture.s390, 'ap_matrix', 'vfio_ap-passthrough', 'vfio-ap', id='vfio-ap'
        ),
    ],
)
@pytest.mark.parametrize('spelling', [str, str.upper], ids=['lower', 'upper'])
def test_device_xml(call, write, build, parent, mdev_type, api, spelling):
    them = build()
    uuid = '0000000a-000b-4000-8000-0000000000cd'
    them.create(uuid, parent, mdev_type)
    result = call(f'--sysfs={write(them)}', 'device', 'xml', spelling(uuid))
    element = etree.fromstring(result.out)
    assert (result.status, element.tag) == (0, 'hostdev')
    assert (element.get('type'), element.get('model')) == ('mdev', api)
    assert element.find('source/address').get('uuid') == uuid
    assert result.out.endswith('>\n')


def test_device_xml_has_the_display_that_is_configured(call, samples, configure):
    written = configure(
        '[devices]\nenabled_mdev_types = mtty-2\n'
        '[mdev_mtty-2]\ndevice_addresses = mtty\ndisplay = true\nramfb = false\n'
    )
    element = etree.fromstring(call(written, samples, 'device', 'xml', A).out)
    assert (element.get('display'), element.get('ramfb')) == ('on', 'off')


@pytest.mark.parametrize(
    ('uuid', 'words'),
    [
        pytest.param(C, ['there is none', 'device list'], id='unknown'),
        pytest.param(f'{A}/..', ['uuid', '8-4-4-4-12'], id='with a slash'),
        pytest.param(A[:-1], ['uuid', '8-4-4-4-12'], id='too short'),
        pytest.param(f'{A}0', ['uuid', '8-4-4-4-12'], id='too long'),
        pytest.param(A.replace('-', ''), ['uuid', '8-4-4-4-12'], id='without dashes'),
        pytest.param('x' * 10_000, ['uuid', '10002 characters'], id='very long'),
        pytest.param('', ['uuid'], id='empty'),
    ],
)
def test_device_xml_of_what_is_none(call, samples, uuid, words):
    result = call(samples, 'device', 'xml', uuid)
    assert (result.status, result.out) == (1, '')
    assert len(result.err.splitlines()) == 1
    for word in words:
        assert word in result.err


@pytest.mark.parametrize(
    ('entry', 'text', 'word'),
    [
        pytest.param('device_api', None, 'device_api of mtty-2', id='no device_api'),
        pytest.param('device_api', 'vfio-other\n', 'vfio-ccw', id='an unknown one'),
    ],
)
def test_device_xml_without_a_usable_api(call, samples, entry, text, word):
    root = pathlib.Path(samples.partition('=')[2])
    path = root / f'devices/virtual/mtty/mtty/mdev_supported_types/mtty-2/{entry}'
    path.unlink()
    if text:
        path.write_text(text)
    result = call(samples, 'device', 'xml', A)
    assert (result.status, result.out) == (1, '')
    assert word in result.err


def test_device_xml_of_an_mdev_whose_type_is_not_told(call, samples):
    root = pathlib.Path(samples.partition('=')[2])
    (root / f'devices/virtual/mtty/mtty/{A}/mdev_type').unlink()
    result = call(samples, 'device', 'xml', A)
    assert result.status == 1
    assert 'mtty_mtty does not tell its type' in result.err


def test_device_xml_of_a_claimed_mdev_that_is_not_live(call, samples, keep):
    state = keep([known(C)], [claim(C)])
    result = call(samples, state, 'device', 'xml', C)
    assert (result.status, 'vfio-pci' in result.out) == (0, True)


def test_device_xml_of_an_mdev_whose_parent_is_gone(call, samples, keep):
    gone = record.MdevRecord(
        uuid=C, parent='pci_gone', mdev_type='x-1', origin=record.Origin.CREATED
    )
    result = call(samples, keep([gone]), 'device', 'xml', C)
    assert result.status == 1
    assert 'pci_gone, which is not there,' in result.err


# What they need, and what they leave behind

LOOKS = [
    pytest.param(['parent', 'list'], id='parent list'),
    pytest.param(['device', 'list'], id='device list'),
    pytest.param(['inventory', 'list'], id='inventory list'),
    pytest.param(['config', 'check'], id='config check'),
    pytest.param(['device', 'xml', A], id='device xml'),
]


def everything_in(top: pathlib.Path) -> list[tuple[str, float]]:
    return sorted((str(p), p.lstat().st_mtime) for p in top.rglob('*'))


@pytest.mark.parametrize('command', LOOKS)
def test_looking_makes_nothing(
    call, configure, samples, command, tmp_path, monkeypatch
):
    here = tmp_path / 'here'
    here.mkdir(mode=0o555)
    monkeypatch.chdir(here)
    base = [configure(MTTY), samples, f'--state-path={tmp_path / "absent/state"}']
    before = everything_in(tmp_path)
    assert call(*base, *command).status == 0
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize('command', LOOKS)
def test_looking_leaves_a_record_as_it_is(
    call, configure, samples, command, keep, tmp_path
):
    base = [configure(MTTY), samples, keep([known(A)], [claim(A)])]
    before = everything_in(tmp_path)
    assert call(*base, *command).status == 0
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize('command', LOOKS)
def test_without_a_record_the_machine_need_not_have_an_id(
    call, configure, samples, command, tmp_path, monkeypatch
):
    def none():
        raise AssertionError

    monkeypatch.setattr(claims, 'machine_id', none)
    base = [configure(MTTY), samples, f'--state-path={tmp_path}']
    assert call(*base, *command).status == 0


def damage(path: pathlib.Path) -> None:
    path.write_bytes(os.urandom(8192))


def make_newer(path: pathlib.Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute('PRAGMA user_version = 99')
    connection.close()


def move_machine(path: pathlib.Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE host SET machine_id = 'other'")
    connection.close()


def make_directory(path: pathlib.Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize('command', [LOOKS[1], LOOKS[2]])
@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        pytest.param(damage, [], id='broken'),
        pytest.param(make_newer, ['99', 'release'], id='newer'),
        pytest.param(move_machine, ['other', 'this machine'], id="another machine's"),
        pytest.param(make_directory, [], id='a directory'),
    ],
)
def test_a_record_that_cannot_be_used(
    call, configure, samples, keep, command, spoil, words
):
    state = keep([known(A)], [claim(A)])
    path = pathlib.Path(state.partition('=')[2]) / 'claims.sqlite'
    spoil(path)
    result = call(configure(MTTY), samples, state, *command)
    assert (result.status, result.out) == (1, '')
    assert len(result.err.splitlines()) == 1
    for word in [str(path), *words]:
        assert word in result.err


def test_the_record_of_this_machine_is_not_that_of_another_tree(
    call, configure, samples, tmp_path
):
    state = tmp_path / 'state'
    state.mkdir()
    damage(state / 'claims.sqlite')
    text = f'{MTTY}\n[generic_mdev]\nstate_path = {state}\n'
    result = call(configure(text), samples, 'inventory', 'list')
    assert (result.status, result.err) == (0, '')


def test_the_record_is_where_the_configuration_says_on_this_machine(
    call, configure, samples, keep, monkeypatch
):
    monkeypatch.setattr(context, 'SYSFS', samples.partition('=')[2])
    state = keep([known(A)], [claim(A)]).partition('=')[2]
    text = f'{MTTY}\n[generic_mdev]\nstate_path = {state}\n'
    rows = call(configure(text), samples, 'device', 'list', '-f', 'json').rows
    assert [r['state'] for r in rows] == ['claimed', 'foreign']


def test_an_mdev_that_vanishes_while_it_is_read(call, samples, monkeypatch):
    root = pathlib.Path(samples.partition('=')[2])
    link = sysfs.Tree.link

    def vanish(self, path):
        if path.endswith(f'{A}/mdev_type'):
            shutil.rmtree(root / 'devices/virtual/mtty/mtty' / A)
            (root / 'bus/mdev/devices' / A).unlink()
        return link(self, path)

    monkeypatch.setattr(sysfs.Tree, 'link', vanish)
    result = call(samples, 'device', 'list', '-f', 'json')
    assert (result.status, result.err) == (0, '')
    assert [row['uuid'] for row in result.rows] == [B]


@pytest.mark.parametrize('command', [['parent', 'list'], ['device', 'list']])
def test_no_host_to_look_at(call, command, tmp_path):
    result = call(f'--sysfs={tmp_path / "nowhere"}', *command)
    assert (result.status, result.out) == (1, '')
    assert str(tmp_path / 'nowhere') in result.err


def test_all_that_the_record_tells_of_an_mdev(call, configure, samples, keep):
    attributes = (('assign_domain', '1'), ('assign_adapter', '5'))
    mdev = record.MdevRecord(
        uuid=A, parent='mtty_mtty', mdev_type='mtty-2', attributes=attributes,
        origin=record.Origin.CREATED, backend='libvirt',
    )  # fmt: skip
    base = [samples, keep([mdev], [claim(A)]), 'device', 'list', '--long', '-f']
    rows = {row['uuid']: row for row in call(*base, 'json').rows}
    assert list(rows[A]) == [
        *DEVICE_LIST,
        'resource_class', 'owner', 'migration', 'backend', 'attributes',
    ]  # fmt: skip
    assert list(rows[A].values())[len(DEVICE_LIST) :] == [
        'CUSTOM_MTTY', 'placement', '', 'libvirt',
        ['assign_domain=1', 'assign_adapter=5'],
    ]  # fmt: skip
    assert list(rows[B].values())[len(DEVICE_LIST) :] == ['', '', '', '', []]
    as_csv = call(*base, 'csv').out
    assert 'assign_domain=1 assign_adapter=5' in as_csv
