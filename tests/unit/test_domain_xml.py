# SPDX-License-Identifier: Apache-2.0
import contextlib
import pathlib

import hypothesis
import pytest
from hypothesis import strategies as st

from nova_generic_mdev import domain_xml
from nova_generic_mdev import exceptions

GOLDEN = pathlib.Path(__file__).parents[1] / 'golden' / 'domain'
UUID = '11111111-2222-4333-8444-000000000001'
OTHER = 'c0c0c0c0-0000-4000-8000-000000000001'


def guest(devices: str) -> str:
    return f'<domain><name>g</name><devices>{devices}</devices></domain>'


@pytest.mark.parametrize('device_api', ['vfio-pci', 'vfio-ccw', 'vfio-ap'])
def test_the_model_is_the_one_that_the_device_api_demands(device_api):
    assert domain_xml.hostdev(UUID, device_api) == (
        f'<hostdev mode="subsystem" type="mdev" managed="no" model="{device_api}">\n'
        '  <source>\n'
        f'    <address uuid="{UUID}"/>\n'
        '  </source>\n'
        '</hostdev>'
    )


@pytest.mark.parametrize(
    ('flags', 'shown'),
    [
        pytest.param({'display': False}, ' display="off"', id='no display'),
        pytest.param({'display': True}, ' display="on"', id='a display'),
        pytest.param(
            {'display': True, 'ramfb': True},
            ' display="on" ramfb="on"',
            id='a boot display',
        ),
        pytest.param({'ramfb': False}, ' ramfb="off"', id='no boot display'),
    ],
)
def test_the_display_of_a_pci_mdev(flags, shown):
    first_line = domain_xml.hostdev(UUID, 'vfio-pci', **flags).splitlines()[0]
    assert first_line.endswith(f'model="vfio-pci"{shown}>')


@pytest.mark.parametrize(
    ('device_api', 'flags', 'field'),
    [
        pytest.param(None, {}, 'device_api', id='api could not be read'),
        pytest.param('', {}, 'device_api', id='empty api'),
        pytest.param('vfio-platform', {}, 'device_api', id='no model for it'),
        pytest.param('VFIO-PCI', {}, 'device_api', id='the kernel has lower case'),
        pytest.param('vfio-ccw', {'display': False}, 'display', id='ccw: display'),
        pytest.param('vfio-ap', {'ramfb': False}, 'ramfb', id='ap: ramfb'),
        pytest.param('vfio-pci', {'ramfb': True}, 'ramfb', id='ramfb, no display'),
        pytest.param(
            'vfio-pci',
            {'ramfb': True, 'display': False},
            'ramfb',
            id='ramfb on a display that is off',
        ),
    ],
)
def test_what_no_guest_can_be_given(device_api, flags, field):
    with pytest.raises(exceptions.InvalidValue) as caught:
        domain_xml.hostdev(UUID, device_api, **flags)
    assert caught.value.field == field


@pytest.mark.parametrize(
    'uuid', ['', UUID[:-1], UUID + '0', '../' + UUID, 'x"/><evil/>', UUID + '\n']
)
def test_a_uuid_that_is_none_gives_no_element(uuid):
    with pytest.raises(exceptions.InvalidName):
        domain_xml.hostdev(uuid, 'vfio-pci')


@hypothesis.given(st.uuids())
def test_the_uuid_that_is_written_is_the_one_that_is_read(uuid):
    devices = domain_xml.hostdev(str(uuid).upper(), 'vfio-pci')
    assert domain_xml.mdev_uuids(guest(devices)) == (str(uuid),)


def test_a_guest_as_libvirt_prints_it():
    xml = (GOLDEN / 'two-mdevs.xml').read_text()
    assert domain_xml.mdev_uuids(xml) == (OTHER, UUID)


@pytest.mark.parametrize(
    ('xml', 'uuids'),
    [
        pytest.param('<domain/>', (), id='nothing at all'),
        pytest.param(guest(''), (), id='no devices'),
        pytest.param(
            "<?xml version='1.0' encoding='UTF-16'?>" + guest(''),
            (),
            id='says another encoding than a str has',
        ),
        pytest.param(
            guest(domain_xml.hostdev(UUID, 'vfio-ap') * 2),
            (UUID,),
            id='named twice, told once',
        ),
        pytest.param(
            guest("<hostdev type='mdev'><source><future/></source></hostdev>"),
            (),
            id='a source from the future',
        ),
        pytest.param(
            guest('<future>' + domain_xml.hostdev(UUID, 'vfio-ap') + '</future>'),
            (),
            id='not a device of the guest',
        ),
    ],
)
def test_the_mdevs_of_a_guest(xml, uuids):
    assert domain_xml.mdev_uuids(xml) == uuids


LAUGHS = (
    '<!DOCTYPE domain [<!ENTITY a "ha">'
    + ''.join(
        f'<!ENTITY {new} "{f"&{old};" * 20}">'
        for old, new in zip('abcdefgh', 'bcdefghi', strict=True)
    )
    + ']><domain><name>&i;</name></domain>'
)


@pytest.mark.parametrize(
    'xml',
    [
        pytest.param('', id='empty'),
        pytest.param('domain', id='no XML'),
        pytest.param('<domain><devices>', id='cut off'),
        pytest.param('<domain>\ud800</domain>', id='a lone surrogate'),
        pytest.param('<domain>\0</domain>', id='a NUL'),
        pytest.param('<device/>', id='something else'),
        pytest.param('<domain xmlns="urn:x"/>', id='in another namespace'),
        pytest.param(LAUGHS, id='entities upon entities'),
        pytest.param(
            '<!DOCTYPE domain [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
            '<domain><name>&e;</name></domain>',
            id='an entity from a file',
        ),
        pytest.param(
            guest("<hostdev type='mdev'><source><address/></source></hostdev>"),
            id='an address without a uuid',
        ),
        pytest.param(
            guest(
                "<hostdev type='mdev'><source><address uuid='1/2'/></source></hostdev>"
            ),
            id='an address with nonsense',
        ),
    ],
)
def test_what_is_not_the_xml_of_a_guest(xml):
    with pytest.raises(exceptions.InvalidXml):
        domain_xml.mdev_uuids(xml)


def test_the_error_names_the_guest():
    with pytest.raises(exceptions.InvalidXml) as caught:
        domain_xml.mdev_uuids(
            guest("<hostdev type='mdev'><source><address uuid=''/></source></hostdev>")
        )
    assert caught.value.what == 'domain g'


@hypothesis.given(st.text())
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(exceptions.InvalidXml):
        assert domain_xml.mdev_uuids(text) == ()
