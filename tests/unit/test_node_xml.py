# SPDX-License-Identifier: Apache-2.0
import contextlib
import pathlib

import hypothesis
import pytest
from hypothesis import strategies as st

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import node_xml

GOLDEN = pathlib.Path(__file__).parents[1] / 'golden' / 'nodedev'
UUID = '11111111-2222-4333-8444-000000000001'


def golden(name: str) -> str:
    return (GOLDEN / f'{name}.xml').read_text()


def parent(name='mtty_mtty', path='/sys/devices/virtual/mtty/mtty', inside=''):
    return f'<device><name>{name}</name><path>{path}</path>{inside}</device>'


def types(inside: str) -> str:
    return parent(inside=f"<capability type='mdev_types'>{inside}</capability>")


def mdev_type(id='mtty-1', api='vfio-pci', available='24') -> str:
    return (
        f"<type id='{id}'><deviceAPI>{api}</deviceAPI>"
        f'<availableInstances>{available}</availableInstances></type>'
    )


def mdev(inside: str, outside='<parent>mtty_mtty</parent>') -> str:
    return (
        f'<device><name>mdev_{UUID.replace("-", "_")}</name>{outside}'
        f"<capability type='mdev'>{inside}</capability></device>"
    )


def test_mtty_whose_types_are_in_a_doubled_element():
    assert node_xml.read_parent(golden('empty/mtty_mtty')) == (
        model.Parent(
            name='mtty_mtty',
            sysname='mtty',
            subsystem='mtty',
            types={
                'mtty-1': model.MdevType(
                    id='mtty-1', available_instances=24, name='Single port serial'
                ),
                'mtty-2': model.MdevType(
                    id='mtty-2', available_instances=12, name='Dual port serial'
                ),
            },
        ),
        (),
    )


@pytest.mark.parametrize(
    ('name', 'fields'),
    [
        pytest.param(
            'empty/pci_0000_00_05_0',
            {
                'sysname': '0000:00:05.0',
                'subsystem': 'pci',
                'address': '0000:00:05.0',
                'physical_device': 'pci_0000_00_05_0',
                'driver': 'mttypci',
                'numa_node': None,
            },
            id='a physical function',
        ),
        pytest.param(
            'schema/pci_0000_84_00_4',
            {
                'address': '0000:84:00.4',
                'physical_device': 'pci_0000_84_00_0',
                'driver': 'nvidia',
                'numa_node': 1,
            },
            id='a virtual function',
        ),
        pytest.param(
            'schema/css_0_0_0023',
            {
                'sysname': '0.0.0023',
                'subsystem': 'css',
                'address': None,
                'physical_device': 'css_0_0_0023',
                'driver': 'vfio_ccw',
            },
            id='a subchannel',
        ),
        pytest.param(
            'schema/ap_matrix',
            {'sysname': 'matrix', 'subsystem': 'matrix', 'driver': None},
            id='the matrix of crypto adapters',
        ),
    ],
)
def test_a_parent_of_each_bus(name, fields):
    found, faults = node_xml.read_parent(golden(name))
    assert found.name == name.rpartition('/')[2]
    assert {field: getattr(found, field) for field in fields} == fields
    assert found.types
    assert not faults


@pytest.mark.parametrize(
    ('name', 'device_apis'),
    [
        ('schema/pci_0000_84_00_4', {'nvidia-590': 'vfio-pci'}),
        ('schema/css_0_0_0023', {'vfio_ccw-io': 'vfio-ccw'}),
        ('schema/ap_matrix', {'vfio_ap-passthrough': 'vfio-ap'}),
    ],
)
def test_the_device_api_of_each_bus(name, device_apis):
    found, _ = node_xml.read_parent(golden(name))
    assert {i: t.device_api for i, t in found.types.items()} == device_apis


@pytest.mark.parametrize(
    ('xml', 'available'),
    [
        pytest.param(parent(), {}, id='no parent: no types'),
        pytest.param(types(mdev_type(available='0')), {'mtty-1': 0}, id='exhausted'),
        pytest.param(
            types(mdev_type(available='2147483647')),
            {'mtty-1': 2**31 - 1},
            id='the most there can be',
        ),
        pytest.param(
            types('<future/>' + mdev_type() + '<!-- and on -->'),
            {'mtty-1': 24},
            id='from the future',
        ),
        pytest.param(
            types(mdev_type(id='Größe 1 x')),
            {'Größe 1 x': 24},
            id='unicode and spaces',
        ),
    ],
)
def test_types(xml, available):
    found, faults = node_xml.read_parent(xml)
    assert {i: t.available_instances for i, t in found.types.items()} == available
    assert not faults


@pytest.mark.parametrize(
    'available',
    ['-1', 'abc', '', '1e3', '2147483648', '4294967295', f'1{"0" * 23}', '٣', '1 2'],
)
def test_a_count_that_is_nonsense_is_unreadable_and_told(available):
    found, (fault,) = node_xml.read_parent(types(mdev_type(available=available)))
    assert found.types['mtty-1'].available_instances is None
    assert (fault.parent, fault.mdev_type) == ('mtty_mtty', 'mtty-1')


@pytest.mark.parametrize('id', ['', '.', '..', 'a/b', 'x' * 300, '&#10;'])
def test_a_type_that_cannot_be_one_is_told_and_the_others_are_kept(id):
    found, (fault,) = node_xml.read_parent(types(mdev_type(id=id) + mdev_type()))
    assert list(found.types) == ['mtty-1']
    assert fault.parent == 'mtty_mtty'


def test_ten_thousand_types():
    xml = types(''.join(mdev_type(id=f'mtty-{n}') for n in range(10_000)))
    found, faults = node_xml.read_parent(xml)
    assert len(found.types) == 10_000
    assert not faults


@pytest.mark.parametrize(
    'xml',
    [
        pytest.param('', id='empty'),
        pytest.param('<device>', id='cut off'),
        pytest.param('<domain/>', id='something else'),
        pytest.param('<device/>', id='no name'),
        pytest.param('<device><name>mtty_mtty</name></device>', id='no path'),
        pytest.param(parent(path='/'), id='a path without an end'),
        pytest.param(parent(path='/sys/..'), id='a path that goes up'),
        pytest.param(parent(name='pci_0000_00_05_0'), id='name and path differ'),
        pytest.param(parent(name='_mtty'), id='no subsystem'),
        pytest.param(
            parent(
                inside="<capability type='pci'><capability type='phys_function'>"
                "<address domain='0x0' bus='zz' slot='0' function='0'/>"
                '</capability></capability>'
            ),
            id='nonsense for a physical function',
        ),
        pytest.param(
            parent(
                inside="<capability type='pci'><capability type='phys_function'>"
                "<address domain='0x0' bus='0x1' slot='0x0' function='0x9'/>"
                '</capability></capability>'
            ),
            id='a physical function that PCI does not have',
        ),
    ],
)
def test_what_is_not_the_xml_of_a_parent(xml):
    with pytest.raises(exceptions.InvalidXml):
        node_xml.read_parent(xml)


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        pytest.param(
            'some-mdevs/mdev_11111111_2222_4333_8444_000000000001_mtty',
            ('mtty_mtty', 'mtty-1', 0),
            id='live, really in group 0',
        ),
        pytest.param(
            'some-mdevs/mdev_11111111_2222_4333_8444_000000000008_0000_00_05_0',
            ('pci_0000_00_05_0', 'mttypci-2', 7),
            id='live, on a PCI function',
        ),
        pytest.param(
            'some-mdevs/mdev_11111111_2222_4333_8444_000000000003_mdpy',
            ('computer', 'mdpy-vga', 2),
            id='live, on a parent that libvirt has no name for',
        ),
        pytest.param(
            'defined/mdev_22222222_2222_4333_8444_000000000001_mtty',
            ('mtty_mtty', 'mtty-2', None),
            id='not live: it says group 0',
        ),
        pytest.param(
            'started-inactive/mdev_22222222_2222_4333_8444_000000000002_0000_00_05_0',
            ('pci_0000_00_05_0', 'mttypci-1', None),
            id='its definition while it is live: it says its group',
        ),
    ],
)
def test_an_mdev(name, expected):
    found = node_xml.read_mdev(golden(name))
    assert names.mdev_node_device(found.uuid, name.split('_', 6)[6]) in name
    assert (found.parent, found.mdev_type, found.iommu_group) == expected


def test_a_definition_with_attributes_that_repeat():
    name = 'schema/mdev_96c03c6a_a109_44fe_816a_ba371542164b_matrix'
    assert node_xml.read_definition(golden(name)) == model.Definition(
        uuid='96c03c6a-a109-44fe-816a-ba371542164b',
        parent='ap_matrix',
        mdev_type='vfio_ap-passthrough',
        attributes=(
            ('assign_adapter', '0x09'),
            ('assign_adapter', '0x0a'),
            ('assign_domain', '0x0001'),
        ),
        autostart=True,
    )


@pytest.mark.parametrize(
    ('start', 'asked', 'autostart'),
    [
        pytest.param('', False, False, id='as libvirt 11.3, manual'),
        pytest.param('', True, True, id='as libvirt 11.3, auto'),
        pytest.param("<start type='manual'/>", True, False, id='manual'),
        pytest.param("<start type='auto'/>", False, True, id='auto'),
        pytest.param("<start type='later'/>", True, False, id='from the future'),
    ],
)
def test_autostart(start, asked, autostart):
    xml = mdev(f"<type id='mtty-2'/>{start}")
    assert node_xml.read_definition(xml, autostart=asked).autostart is autostart


@pytest.mark.parametrize(
    ('parent_name', 'address', 'expected'),
    [
        ('computer', '0000:84:00.0', 'pci_0000_84_00_0'),
        ('computer', 'mdpy', 'computer'),
        ('css_0_0_0023', '0.0.0023', 'css_0_0_0023'),
    ],
    ids=['PCI parent that is not there', 'libvirt cannot tell', 'parent is there'],
)
def test_the_parent_of_an_mdev(parent_name, address, expected):
    xml = mdev(
        f"<type id='t'/><parent_addr>{address}</parent_addr>",
        f'<parent>{parent_name}</parent>',
    )
    assert node_xml.read_mdev(xml).parent == expected
    assert node_xml.read_definition(xml).parent == expected


@pytest.mark.parametrize(
    'inside',
    [
        pytest.param('', id='libvirt < 7.3: in the name only'),
        pytest.param(f'<uuid>{UUID.upper()}</uuid>', id='upper case'),
        pytest.param(f'<uuid>\n  {UUID}\n</uuid><future/>', id='indented'),
    ],
)
def test_the_uuid_of_an_mdev(inside):
    assert node_xml.read_mdev(mdev(f"<type id='mtty-2'/>{inside}")).uuid == UUID


@pytest.mark.parametrize(
    'xml',
    [
        pytest.param('<device/>', id='no capability at all'),
        pytest.param(golden('empty/mtty_mtty'), id='a parent'),
        pytest.param(mdev(''), id='no type'),
        pytest.param(mdev("<type id=''/>"), id='an empty type'),
        pytest.param(mdev("<type id='../x'/>"), id='a type that goes up'),
        pytest.param(mdev("<type id='t'/>", ''), id='no parent'),
        pytest.param(mdev("<type id='t'/><uuid>1/2</uuid>"), id='uuid with a "/"'),
        pytest.param(mdev("<type id='t'/><uuid/>"), id='an empty uuid'),
    ],
)
@pytest.mark.parametrize('read', [node_xml.read_mdev, node_xml.read_definition])
def test_what_is_not_the_xml_of_an_mdev(read, xml):
    with pytest.raises(exceptions.InvalidXml):
        read(xml)


def test_an_mdev_to_be_made():
    assert node_xml.node_device(
        'ap_matrix', 'vfio_ap-passthrough', UUID.upper(), (('a', '1'), ('a', '<2>'))
    ) == (
        '<device>\n'
        '  <parent>ap_matrix</parent>\n'
        '  <capability type="mdev">\n'
        '    <type id="vfio_ap-passthrough"/>\n'
        f'    <uuid>{UUID}</uuid>\n'
        '    <attr name="a" value="1"/>\n'
        '    <attr name="a" value="&lt;2&gt;"/>\n'
        '  </capability>\n'
        '</device>'
    )


def test_libvirt_may_choose_the_uuid():
    assert '<uuid>' not in node_xml.node_device('mtty_mtty', 'mtty-1')


@pytest.mark.parametrize(
    ('arguments', 'error'),
    [
        pytest.param(('', 't', UUID), exceptions.InvalidName, id='no parent'),
        pytest.param(('p', '..', UUID), exceptions.InvalidName, id='no type'),
        pytest.param(('p', 't', ''), exceptions.InvalidName, id='no uuid'),
        pytest.param(
            ('p', 't', UUID, (('a', '\0'),)), exceptions.InvalidValue, id='a NUL'
        ),
        pytest.param(
            ('p', 't', UUID, (('a', '\ud800'),)),
            exceptions.InvalidValue,
            id='a lone surrogate',
        ),
    ],
)
def test_what_cannot_be_made(arguments, error):
    with pytest.raises(error):
        node_xml.node_device(*arguments)


@hypothesis.given(
    uuid=st.uuids().map(str),
    attributes=st.lists(
        st.tuples(*[st.text('ab=,"<>&\'0_é', min_size=1)] * 2), max_size=4
    ),
)
def test_what_is_written_is_what_is_read(uuid, attributes):
    xml = node_xml.node_device('mtty_mtty', 'mtty-1', uuid, tuple(attributes))
    assert node_xml.read_definition(xml) == model.Definition(
        uuid=uuid,
        parent='mtty_mtty',
        mdev_type='mtty-1',
        attributes=tuple(attributes),
    )


NAMES = st.sampled_from(['device', 'name', 'path', 'capability', 'type', 'x'])


@st.composite
def elements(draw, depth=3):
    tag = draw(NAMES)
    kind = draw(st.sampled_from(['mdev', 'mdev_types', 'pci', 'phys_function']))
    inner = draw(st.lists(elements(depth=depth - 1), max_size=3)) if depth else []
    text = draw(st.sampled_from(['', '/a/b', 'x_b', '-1', UUID]))
    return f"<{tag} type='{kind}'>{text}{''.join(inner)}</{tag}>"


@hypothesis.given(st.one_of(st.text(), elements()))
@pytest.mark.parametrize(
    'read', [node_xml.read_mdev, node_xml.read_definition, node_xml.read_parent]
)
def test_anything_is_read_or_refused(read, xml):
    with contextlib.suppress(exceptions.InvalidXml):
        read(xml)
