# SPDX-License-Identifier: Apache-2.0
"""Every guest with its mdevs, whatever is wrong with another one."""

from __future__ import annotations

import sys

import fake_libvirt
import pytest

from nova_generic_mdev import domain_xml
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev.host import nodedev
from tests.unit.scenes import CONSUMERS
from tests.unit.scenes import UUIDS

A, B = UUIDS[:2]
ONE, TWO = CONSUMERS[:2]


def xml(*uuids: str) -> str:
    devices = ''.join(domain_xml.hostdev(uuid, 'vfio-pci') for uuid in uuids)
    return f'<domain><name>g</name><devices>{devices}</devices></domain>'


@pytest.fixture
def libvirt(monkeypatch):
    connection = fake_libvirt.Connection(
        domains=[
            fake_libvirt.Domain('two', xml(B), running=False, uuid=TWO.upper()),
            fake_libvirt.Domain('one', xml(A), uuid=ONE),
        ]
    )
    monkeypatch.setitem(sys.modules, 'libvirt', fake_libvirt.binding(connection))
    return connection


ONES = model.Guest(name='one', uuid=ONE, running=True, mdevs=(A,))
TWOS = model.Guest(name='two', uuid=TWO, running=False, mdevs=(B,))


def test_all_are_told_by_name(libvirt):
    told = nodedev.all_guests()
    assert (told.read, dict(told.unread)) == ((ONES, TWOS), {})
    assert not libvirt.open


def test_what_a_guest_will_have_when_it_starts_again_is_its_too(libvirt):
    libvirt.domains[1].kept = xml(B, A)
    (one, _) = nodedev.all_guests().read
    assert one.mdevs == (A, B)


def broken(domain):
    domain.xml = '<domain><name>g</name>'


def no_domain(domain):
    domain.xml = '<network/>'


def no_uuid(domain):
    domain.xml = xml(A).replace(A, 'x')


def refused(domain):
    domain.failures['XMLDesc'] = fake_libvirt.Error(fake_libvirt.VIR_ERR_INTERNAL_ERROR)


@pytest.mark.parametrize(
    'damage',
    [broken, no_domain, no_uuid, refused],
    ids=lambda damage: damage.__name__.replace('_', ' '),
)
def test_one_that_cannot_be_read_is_named_and_the_rest_goes_on(libvirt, damage):
    damage(libvirt.domains[1])
    told = nodedev.all_guests()
    assert told.read == (TWOS,)
    assert list(told.unread) == ['one']
    assert told.unread['one']


def test_one_that_went_meanwhile_is_not_there(libvirt):
    gone = fake_libvirt.Error(fake_libvirt.VIR_ERR_NO_DOMAIN)
    libvirt.domains[1].failures['XMLDesc'] = gone
    told = nodedev.all_guests()
    assert (told.read, dict(told.unread)) == ((TWOS,), {})


def test_a_list_that_libvirt_refuses(libvirt):
    refused = fake_libvirt.Error(fake_libvirt.VIR_ERR_INTERNAL_ERROR)
    libvirt.failures['listAllDomains'] = refused
    with pytest.raises(exceptions.HostError, match='guests of libvirt'):
        nodedev.all_guests()


def test_a_connection_that_breaks_is_no_guests_fault(libvirt):
    libvirt.domains[1].failures['isActive'] = fake_libvirt.Error(
        fake_libvirt.VIR_ERR_RPC
    )
    libvirt.alive = False
    with pytest.raises(exceptions.HostError, match='libvirt'):
        nodedev.all_guests()
