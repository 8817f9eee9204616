# SPDX-License-Identifier: Apache-2.0
import dataclasses
import pathlib
import subprocess
import sys

import fake_libvirt
import pytest

from nova_generic_mdev import domain_xml
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev.host import nodedev
from nova_generic_mdev.host import sysfs

GOLDEN = pathlib.Path(__file__).parents[2] / 'golden' / 'nodedev'
LIVE = '11111111-2222-4333-8444-000000000001'
DEFINED = '22222222-2222-4333-8444-000000000001'
ON_PCI = '22222222-2222-4333-8444-000000000002'
ON_MATRIX = '96c03c6a-a109-44fe-816a-ba371542164b'


def mdev_name(uuid: str, end: str) -> str:
    return f'mdev_{uuid.replace("-", "_")}_{end}'


def device(directory: str, name: str, **state) -> fake_libvirt.NodeDevice:
    xml = (GOLDEN / directory / f'{name}.xml').read_text()
    return fake_libvirt.NodeDevice(xml, **state)


def started(name: str) -> fake_libvirt.NodeDevice:
    return device(
        'started',
        name,
        persistent=True,
        autostart=True,
        inactive_xml=(GOLDEN / 'started-inactive' / f'{name}.xml').read_text(),
    )


@pytest.fixture
def host():
    return fake_libvirt.Connection(
        [
            device('empty', 'pci_0000_00_05_0'),
            device('empty', 'mtty_mtty'),
            device('schema', 'css_0_0_0023'),
            device('schema', 'ap_matrix'),
            started(mdev_name(ON_PCI, '0000_00_05_0')),
            device('some-mdevs', mdev_name(LIVE, 'mtty')),
            device('defined', mdev_name(DEFINED, 'mtty'), persistent=True),
            device('schema', mdev_name(ON_MATRIX, 'matrix'), persistent=True),
        ]
    )


@pytest.fixture(autouse=True)
def libvirt(host, monkeypatch):
    module = fake_libvirt.binding(host)
    monkeypatch.setitem(sys.modules, 'libvirt', module)
    return module


def named(host, name):
    return host.nodeDeviceLookupByName(name)


def test_everything(host):
    snapshot = nodedev.NodedevReader(host).snapshot()
    assert list(snapshot.parents) == [
        'ap_matrix',
        'css_0_0_0023',
        'mtty_mtty',
        'pci_0000_00_05_0',
    ]
    assert dict(snapshot.mdevs) == {
        LIVE: model.Mdev(
            uuid=LIVE, parent='mtty_mtty', mdev_type='mtty-1', iommu_group=0
        ),
        ON_PCI: model.Mdev(
            uuid=ON_PCI, parent='pci_0000_00_05_0', mdev_type='mttypci-1', iommu_group=1
        ),
    }
    assert {
        uuid: (d.parent, d.autostart) for uuid, d in snapshot.definitions.items()
    } == {
        DEFINED: ('mtty_mtty', False),
        ON_MATRIX: ('ap_matrix', True),
        ON_PCI: ('pci_0000_00_05_0', True),
    }
    assert snapshot.faults == ()


def write_tree(root: pathlib.Path, listing: pathlib.Path) -> None:
    """A sysfs tree from a listing of one: kind, path, and content or target."""
    for line in listing.read_text().splitlines():
        kind, path, what = line.split('\t')
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if kind == 'link':
            (root / path).symlink_to(what)
        else:
            (root / path).write_text(f'{what}\n')


def common(snapshot: model.HostSnapshot) -> model.HostSnapshot:
    """What both libvirt and sysfs can tell, of the parents that libvirt knows."""
    known = {
        name: dataclasses.replace(
            parent,
            types={
                id_: dataclasses.replace(kind, description=None)
                for id_, kind in parent.types.items()
            },
        )
        for name, parent in snapshot.parents.items()
        if name not in ('mdpy_mdpy', 'mbochs_mbochs')
    }
    mdevs = {uuid: m for uuid, m in snapshot.mdevs.items() if m.parent in known}
    return model.HostSnapshot(parents=known, mdevs=mdevs, faults=snapshot.faults)


def test_libvirt_tells_what_sysfs_tells_of_the_same_host(tmp_path):
    files = sorted((GOLDEN / 'some-mdevs').glob('*.xml'))
    write_tree(tmp_path, GOLDEN / 'some-mdevs' / 'sysfs.txt')
    by_libvirt = nodedev.NodedevReader(
        fake_libvirt.Connection(device('some-mdevs', file.stem) for file in files)
    ).snapshot()
    by_sysfs = sysfs.SysfsReader(tmp_path).snapshot()
    assert len(by_libvirt.mdevs) == 5
    assert len(by_sysfs.mdevs) == 9
    assert by_libvirt == common(by_sysfs)


def test_one_parent_and_what_is_on_it(host):
    snapshot = nodedev.NodedevReader(host).snapshot(['mtty_mtty'])
    assert list(snapshot.parents) == ['mtty_mtty']
    assert list(snapshot.mdevs) == [LIVE]
    assert list(snapshot.definitions) == [DEFINED]


def test_the_matrix_whose_mdevs_are_named_after_its_sysname(host):
    snapshot = nodedev.NodedevReader(host).snapshot(['ap_matrix'])
    assert list(snapshot.definitions) == [ON_MATRIX]


@pytest.mark.parametrize(
    'asked',
    [
        pytest.param([], id='nothing asked for'),
        pytest.param(['pci_0000_84_00_0'], id='a parent that is not there'),
    ],
)
def test_what_is_not_a_parent_is_left_out(host, asked):
    assert nodedev.NodedevReader(host).snapshot(asked) == model.HostSnapshot(parents={})


def test_a_device_that_is_no_parent_is_left_out(host):
    card = named(host, 'pci_0000_00_05_0')
    card.xml = card.xml.replace("'mdev_types'", "'a_capability_of_the_future'")
    snapshot = nodedev.NodedevReader(host).snapshot(['pci_0000_00_05_0'])
    assert snapshot == model.HostSnapshot(parents={})


def test_the_cost_follows_the_work(host):
    reader = nodedev.NodedevReader(host)
    reader.snapshot(['mtty_mtty'])
    few = host.all_calls()
    # 1 look-up, 2 lists; XML of the parent; the live one: XML and isPersistent;
    # the defined one: isPersistent, XML and autostart.
    assert few == 9
    host.devices += [device('schema', 'css_0_0_0023') for _ in range(50)]
    reader.snapshot(['mtty_mtty'])
    assert host.all_calls() == 2 * few


def test_the_same_whatever_the_order(host):
    reader = nodedev.NodedevReader(host)
    before = reader.snapshot()
    host.devices.reverse()
    assert reader.snapshot() == before


def test_mdevs_of_parents_that_libvirt_does_not_know_are_not_told(host):
    uuid = '11111111-2222-4333-8444-000000000003'
    host.devices.append(device('some-mdevs', mdev_name(uuid, 'mdpy')))
    snapshot = nodedev.NodedevReader(host).snapshot()
    assert uuid not in snapshot.mdevs
    assert snapshot.faults == ()


def test_what_is_neither_live_nor_defined_is_not_told(host):
    named(host, mdev_name(DEFINED, 'mtty')).persistent = False
    snapshot = nodedev.NodedevReader(host).snapshot()
    assert DEFINED not in snapshot.definitions | snapshot.mdevs


def test_the_definition_of_a_live_mdev_is_what_is_defined(host):
    live = named(host, mdev_name(ON_PCI, '0000_00_05_0'))
    live.inactive_xml = live.inactive_xml.replace(
        '<parent_addr>', "<attr name='speed' value='9600'/><parent_addr>"
    )
    snapshot = nodedev.NodedevReader(host).snapshot()
    assert snapshot.definitions[ON_PCI].attributes == (('speed', '9600'),)


def test_a_binding_older_than_definitions_of_what_is_live(host, libvirt):
    del libvirt.VIR_NODE_DEVICE_XML_INACTIVE
    assert ON_PCI in nodedev.NodedevReader(host).snapshot().definitions


def test_one_uuid_defined_on_two_parents(host):
    other = device('defined', mdev_name(DEFINED, 'mtty'), persistent=True)
    other.xml = other.inactive_xml = other.xml.replace('mtty_mtty', 'pci_0000_00_05_0')
    host.devices.append(other)
    snapshot = nodedev.NodedevReader(host).snapshot()
    (duplicate,) = snapshot.duplicates
    both = {duplicate.parent, snapshot.definitions[DEFINED].parent}
    assert both == {'mtty_mtty', 'pci_0000_00_05_0'}
    assert snapshot.faults == ()


def test_one_uuid_live_on_two_parents(host):
    other = device('some-mdevs', mdev_name(LIVE, 'mtty'))
    other.xml = other.xml.replace('mtty_mtty', 'pci_0000_00_05_0')
    host.devices.append(other)
    snapshot = nodedev.NodedevReader(host).snapshot()
    (duplicate,) = snapshot.duplicates
    assert {duplicate.uuid, snapshot.mdevs[LIVE].uuid} == {LIVE}
    assert duplicate.parent != snapshot.mdevs[LIVE].parent


@pytest.mark.parametrize('call', ['XMLDesc', 'isPersistent', 'autostart'])
@pytest.mark.parametrize(
    ('name', 'gone'),
    [
        pytest.param('mtty_mtty', {'mtty_mtty'}, id='parent'),
        pytest.param(mdev_name(ON_PCI, '0000_00_05_0'), {ON_PCI}, id='live mdev'),
        pytest.param(mdev_name(DEFINED, 'mtty'), {DEFINED}, id='definition'),
    ],
)
def test_what_vanishes_while_being_read_is_gone_and_nothing_is_wrong(
    host, name, gone, call
):
    named(host, name).failures[call] = fake_libvirt.Error(
        fake_libvirt.VIR_ERR_NO_NODE_DEVICE
    )
    snapshot = nodedev.NodedevReader(host).snapshot()
    if call == 'XMLDesc':
        assert gone.isdisjoint(snapshot.parents | snapshot.mdevs)
    assert 'css_0_0_0023' in snapshot.parents
    assert snapshot.faults == ()


@pytest.mark.parametrize(
    'name',
    ['mtty_mtty', mdev_name(ON_PCI, '0000_00_05_0'), mdev_name(DEFINED, 'mtty')],
    ids=['parent', 'live mdev', 'definition'],
)
def test_what_libvirt_cannot_tell_is_a_fault_and_the_rest_goes_on(host, name):
    named(host, name).failures['XMLDesc'] = fake_libvirt.Error(
        fake_libvirt.VIR_ERR_INTERNAL_ERROR
    )
    snapshot = nodedev.NodedevReader(host).snapshot()
    assert {fault.where for fault in snapshot.faults} == {name}
    assert 'css_0_0_0023' in snapshot.parents


@pytest.mark.parametrize(
    ('name', 'before', 'after'),
    [
        pytest.param('mtty_mtty', '</device>', '', id='a parent, cut off'),
        pytest.param('mtty_mtty', '<path>', '<p>', id='a parent, broken'),
        pytest.param(
            mdev_name(LIVE, 'mtty'), "<type id='mtty-1'/>", '', id='an mdev, no type'
        ),
        pytest.param(
            mdev_name(LIVE, 'mtty'), '<uuid>1', '<uuid>/', id='an mdev, no uuid'
        ),
    ],
)
def test_xml_that_cannot_be_read_is_a_fault(host, name, before, after):
    broken = named(host, name)
    broken.xml = broken.inactive_xml = broken.xml.replace(before, after)
    snapshot = nodedev.NodedevReader(host).snapshot()
    assert {fault.where for fault in snapshot.faults} == {name}
    assert 'css_0_0_0023' in snapshot.parents


def test_a_count_that_is_nonsense_is_a_fault_and_the_parent_stays(host):
    mtty = named(host, 'mtty_mtty')
    mtty.xml = mtty.xml.replace('>24<', '>-1<')
    snapshot = nodedev.NodedevReader(host).snapshot(['mtty_mtty'])
    types = snapshot.parents['mtty_mtty'].types
    assert types['mtty-1'].available_instances is None
    assert types['mtty-2'].available_instances == 12
    assert [f.mdev_type for f in snapshot.faults] == ['mtty-1']


def test_a_list_that_libvirt_refuses(host):
    host.failures['listAllDevices'] = fake_libvirt.Error(fake_libvirt.VIR_ERR_RPC)
    with pytest.raises(exceptions.HostError):
        nodedev.NodedevReader(host).snapshot()


def test_a_connection_that_breaks_is_not_the_fault_of_a_device(host):
    named(host, 'mtty_mtty').failures['XMLDesc'] = fake_libvirt.Error(
        fake_libvirt.VIR_ERR_RPC
    )
    host.alive = False
    with pytest.raises(exceptions.HostError):
        nodedev.NodedevReader(host).snapshot()


@pytest.mark.parametrize(
    ('uri', 'opened'),
    [
        pytest.param(None, 'qemu:///system', id='never a daemon of the user'),
        pytest.param('test:///default', 'test:///default', id='named'),
    ],
)
def test_a_connection_of_our_own_is_read_only_quiet_and_closed(
    host, libvirt, uri, opened
):
    assert nodedev.NodedevReader(uri).snapshot().parents
    assert libvirt.opened == [opened]
    assert not host.open
    ((handler, context),) = libvirt.error_handlers
    assert handler(context, 'an error') is None


def test_the_callers_connection_is_left_open(host, libvirt):
    nodedev.NodedevReader(host).snapshot()
    assert host.open
    assert not libvirt.opened
    assert not libvirt.error_handlers


def test_libvirt_that_does_not_answer(monkeypatch):
    monkeypatch.setitem(sys.modules, 'libvirt', fake_libvirt.binding())
    with pytest.raises(exceptions.HostError) as caught:
        nodedev.NodedevReader('qemu:///system').snapshot()
    assert 'qemu:///system' in caught.value.where
    assert 'no socket' in caught.value.reason


@pytest.mark.parametrize(
    'look',
    [
        lambda: nodedev.NodedevReader().snapshot(),
        nodedev.hostname,
        lambda: nodedev.guests(fake_libvirt.Connection()),
    ],
    ids=['snapshot', 'hostname', 'guests'],
)
def test_without_the_binding_the_error_says_what_to_install(monkeypatch, look):
    monkeypatch.setitem(sys.modules, 'libvirt', None)
    with pytest.raises(exceptions.HostError, match='python3-libvirt'):
        look()


def test_importing_the_module_does_not_import_libvirt():
    code = (
        'import sys, nova_generic_mdev.host.nodedev; sys.exit("libvirt" in sys.modules)'
    )
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0


def test_the_hostname_is_what_libvirt_says(host):
    assert nodedev.hostname() == 'compute-1.example.org'
    assert not host.open


def guest(*uuids: str) -> str:
    devices = ''.join(domain_xml.hostdev(uuid, 'vfio-pci') for uuid in uuids)
    return f'<domain><name>g</name><devices>{devices}</devices></domain>'


@pytest.mark.parametrize(
    ('domains', 'expected'),
    [
        pytest.param([], {}, id='no guests'),
        pytest.param([('a', True, ())], {}, id='a guest without mdevs'),
        pytest.param(
            [('a', True, (LIVE, ON_PCI)), ('b', False, (DEFINED,))],
            {LIVE: ('a', True), ON_PCI: ('a', True), DEFINED: ('b', False)},
            id='one that runs and one that does not',
        ),
        pytest.param(
            [('a', False, (LIVE,)), ('b', True, (LIVE,))],
            {LIVE: ('b', True)},
            id='the same mdev twice: the one that runs',
        ),
        pytest.param(
            [('b', False, (LIVE,)), ('a', False, (LIVE,))],
            {LIVE: ('a', False)},
            id='the same mdev twice, none runs: the first by name',
        ),
    ],
)
def test_guests(domains, expected):
    connection = fake_libvirt.Connection(
        domains=[
            fake_libvirt.Domain(name, guest(*uuids), running=running)
            for name, running, uuids in domains
        ]
    )
    assert dict(nodedev.guests(connection)) == {
        uuid: nodedev.Guest(name=name, running=running)
        for uuid, (name, running) in expected.items()
    }
    assert connection.all_calls() == 1 + 2 * len(domains)


def two_guests():
    return fake_libvirt.Connection(
        domains=[
            fake_libvirt.Domain('a', guest(LIVE)),
            fake_libvirt.Domain('b', guest(ON_PCI)),
        ]
    )


def test_a_guest_that_is_gone_meanwhile_is_not_told():
    connection = two_guests()
    connection.domains[0].failures['XMLDesc'] = fake_libvirt.Error(
        fake_libvirt.VIR_ERR_NO_DOMAIN
    )
    assert list(nodedev.guests(connection)) == [ON_PCI]


def test_a_guest_that_cannot_be_asked_may_have_any_mdev():
    connection = two_guests()
    connection.domains[0].failures['XMLDesc'] = fake_libvirt.Error(
        fake_libvirt.VIR_ERR_INTERNAL_ERROR
    )
    with pytest.raises(exceptions.HostError, match='guest a'):
        nodedev.guests(connection)


def test_a_guest_that_cannot_be_read_may_have_any_mdev():
    connection = two_guests()
    connection.domains[0].xml = '<domain>'
    with pytest.raises(exceptions.InvalidXml):
        nodedev.guests(connection)
