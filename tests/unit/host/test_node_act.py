# SPDX-License-Identifier: Apache-2.0
"""Each step of libvirt's, done, repeated, cut short and taken back."""

from __future__ import annotations

import fake_libvirt
import pytest

from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import node_xml
from nova_generic_mdev.host import node_act
from nova_generic_mdev.host import patience

UUID = '11111111-2222-4333-8444-00000000000A'.lower()
MTTY = 'mtty_mtty'
PCI = 'pci_0000_00_05_0'
ATTRIBUTES = (('assign_adapter', '5'), ('assign_domain', '4'), ('assign_domain', '6'))
CHANGES = ['define', 'create', 'setAutostart']


def parent_xml(name: str) -> str:
    return (
        f"<device><name>{name}</name><path>/x</path><capability type='pci'>"
        "<capability type='mdev_types'/></capability></device>"
    )


@pytest.fixture
def host():
    return fixture.together(fixture.mtty(), fixture.pci_mtty(1))


@pytest.fixture
def libvirt(host):
    parents = [fake_libvirt.NodeDevice(parent_xml(name)) for name in (MTTY, PCI)]
    nic = "<device><name>net_x</name><path>/x</path><capability type='net'/></device>"
    return fake_libvirt.Connection([*parents, fake_libvirt.NodeDevice(nic)], host=host)


@pytest.fixture
def remove(devices, host):
    def remove(uuid=UUID, parent=None):
        with devices.undefined(uuid, parent):
            if uuid in host.snapshot().mdevs:
                devices.destroy(uuid, parent)

    return remove


@pytest.fixture
def devices(libvirt):
    return node_act.NodeDevices(fake_libvirt.binding(libvirt), libvirt)


@pytest.fixture
def create(devices, host):
    def create(parent=MTTY, mdev_type='mtty-2', attributes=()):
        known = host.snapshot().parents[parent]
        is_live = UUID in host.snapshot([parent]).mdevs
        devices.create(UUID, known, mdev_type, attributes, is_live=is_live)

    return create


def only(libvirt):
    (device,) = libvirt.mdev(UUID)
    return device


def state(libvirt):
    return [(d.active, d.persistent, d.starts) for d in libvirt.mdev(UUID)]


WHOLE = [(True, True, True)]


@pytest.mark.parametrize(
    ('name', 'known'),
    [
        pytest.param(MTTY, True, id='mtty'),
        pytest.param(PCI, True, id='a PCI function with types'),
        pytest.param('net_x', False, id='a device that is no parent'),
        pytest.param('mdpy_mdpy', False, id='no such device'),
    ],
)
def test_the_parents_that_libvirt_knows(devices, name, known):
    assert devices.knows(name) is known


def test_an_mdev_is_defined_and_started_and_starts_with_the_host(create, libvirt):
    create(attributes=ATTRIBUTES)
    assert state(libvirt) == WHOLE
    assert libvirt.acts == CHANGES
    definition = node_xml.read_definition(only(libvirt).xml)
    assert (definition.parent, definition.mdev_type) == (MTTY, 'mtty-2')
    assert definition.attributes == ATTRIBUTES


@pytest.mark.parametrize('done', [0, 1, 2, 3])
def test_what_was_cut_short_is_completed(create, libvirt, done):
    create()
    device = only(libvirt)
    device.starts = done > 2
    if done < 2:
        libvirt.host.lose_mdev(UUID)
    if done < 1:
        device.undefine()
    libvirt.acts.clear()
    create()
    assert state(libvirt) == WHOLE
    assert libvirt.acts == CHANGES[done:]


def test_one_that_is_live_and_undefined_gets_a_definition(create, libvirt):
    create()
    only(libvirt).undefine()
    assert state(libvirt) == [(True, False, False)]
    libvirt.acts.clear()
    create()
    assert state(libvirt) == WHOLE
    assert 'create' not in libvirt.acts


@pytest.mark.parametrize(
    'before',
    [
        pytest.param({'attributes': (('assign_domain', '1'),)}, id='attributes'),
        pytest.param({'attributes': ATTRIBUTES[::-1]}, id='their order'),
        pytest.param({'mdev_type': 'mtty-1'}, id='type'),
    ],
)
def test_a_definition_that_says_something_else_is_replaced(create, libvirt, before):
    create(**before)
    libvirt.host.lose_mdev(UUID)
    create(attributes=ATTRIBUTES)
    assert state(libvirt) == WHOLE
    definition = node_xml.read_definition(only(libvirt).xml)
    assert definition.attributes == ATTRIBUTES
    assert definition.mdev_type == 'mtty-2'


def test_one_that_says_the_same_is_not_touched(create, libvirt):
    create(attributes=ATTRIBUTES)
    libvirt.acts.clear()
    create(attributes=ATTRIBUTES)
    assert libvirt.acts == []


@pytest.mark.parametrize('step', CHANGES)
def test_a_step_that_fails_leaves_nothing(create, libvirt, step):
    libvirt.before[step] = raise_internal
    with pytest.raises(exceptions.HostError) as caught:
        create()
    assert not isinstance(caught.value, node_act.LeftDefined)
    assert libvirt.mdev(UUID) == []
    assert UUID not in libvirt.host.snapshot().mdevs


def raise_internal():
    raise fake_libvirt.Error(fake_libvirt.VIR_ERR_INTERNAL_ERROR)


def test_a_definition_that_was_there_stays_when_it_does_not_start(create, libvirt):
    create()
    libvirt.host.lose_mdev(UUID)
    libvirt.before['create'] = raise_internal
    with pytest.raises(node_act.LeftDefined):
        create()
    assert state(libvirt) == [(False, True, True)]


def test_libvirt_that_goes_in_the_middle_leaves_a_definition_and_says_so(
    create, libvirt
):
    libvirt.before['create'] = lambda: setattr(libvirt, 'alive', False)
    with pytest.raises(node_act.LeftDefined, match='taken back'):
        create()
    libvirt.alive, libvirt.before = True, {}
    create()
    assert state(libvirt) == WHOLE


def test_a_parent_that_is_full_leaves_no_definition(create, libvirt):
    libvirt.host.fill(MTTY, 'mtty-1')
    with pytest.raises(exceptions.HostError):
        create()
    assert libvirt.mdev(UUID) == []


def test_the_same_uuid_is_defined_on_another_parent(create, libvirt):
    """mdevctl takes it; the kernel has it once, so that one of them cannot start."""
    create(PCI, 'mttypci-2')
    with pytest.raises(exceptions.HostError):
        create()
    assert [d.parent for d in libvirt.mdev(UUID)] == [PCI]
    assert state(libvirt) == WHOLE


def test_removal_undoes_both_halves(create, devices, libvirt):
    create()
    libvirt.acts.clear()
    with devices.undefined(UUID):
        assert state(libvirt) == [(True, True, False)]
        devices.destroy(UUID)
    assert libvirt.mdev(UUID) == []
    assert libvirt.acts == ['setAutostart', 'destroy', 'undefine']


def test_both_definitions_of_a_uuid_are_undone(create, remove, libvirt):
    create(PCI, 'mttypci-2')
    libvirt.host.lose_mdev(UUID)
    create()
    remove()
    assert libvirt.mdev(UUID) == []


def test_a_definition_on_another_parent_is_left_alone(create, remove, libvirt):
    create(PCI, 'mttypci-2')
    libvirt.host.lose_mdev(UUID)
    create()
    remove(UUID, MTTY)
    assert [d.parent for d in libvirt.mdev(UUID)] == [PCI]
    assert state(libvirt) == [(False, True, True)]


@pytest.mark.parametrize(
    ('name', 'parent', 'expected'),
    [
        pytest.param('{}_mtty', 'mtty_mtty', True, id='its own'),
        pytest.param('{}_mtty', None, True, id='on any'),
        pytest.param('{}_mtty', 'mdpy_mdpy', False, id='on another'),
        pytest.param('{}_0000_00_05_0', 'pci_0000_00_05_0', True, id='of PCI'),
        pytest.param('{}_0000_00_05_0', 'pci_0000_00_05_1', False, id='a function'),
        pytest.param('{}_matrix', 'ap_matrix', True, id='the AP matrix'),
        pytest.param('{}_0_0_0023', 'css_0_0_0023', True, id='a subchannel'),
        pytest.param('{}0_mtty', 'mtty_mtty', False, id='of a longer uuid'),
        pytest.param('mdev_x', None, False, id='of another uuid'),
    ],
)
def test_the_node_device_of_an_mdev_on_a_parent(name, parent, expected):
    prefix = f'mdev_{UUID}'.replace('-', '_')
    found = node_act.is_mdev(name.format(prefix), UUID, parent)
    assert found is expected


def test_another_uuid_is_left_alone(create, remove, libvirt):
    create()
    remove(UUID.replace('a', 'b'))
    assert state(libvirt) == WHOLE


def test_what_is_only_live_is_destroyed(create, remove, libvirt):
    create()
    only(libvirt).undefine()
    remove()
    assert UUID not in libvirt.host.snapshot().mdevs


def test_what_is_only_defined_is_undefined(create, remove, libvirt):
    create()
    libvirt.host.lose_mdev(UUID)
    remove()
    assert libvirt.mdev(UUID) == []
    assert 'destroy' not in libvirt.acts


def test_a_removal_that_is_refused_changes_nothing(create, remove, libvirt):
    create()
    libvirt.host.attach(UUID)
    with pytest.raises(exceptions.HostError):
        remove()
    assert state(libvirt) == WHOLE


def test_one_that_did_not_start_with_the_host_does_not_after_a_refusal(
    create, devices, libvirt
):
    create()
    only(libvirt).starts = False
    with pytest.raises(exceptions.InUse), devices.undefined(UUID):
        raise exceptions.InUse(UUID, 'me')
    assert state(libvirt) == [(True, True, False)]


@pytest.mark.parametrize('step', ['setAutostart', 'destroy', 'undefine'])
def test_a_removal_that_was_cut_short_can_be_repeated(create, remove, libvirt, step):
    create()
    libvirt.before[step] = lambda: setattr(libvirt, 'alive', False)
    with pytest.raises(exceptions.HostError):
        remove()
    libvirt.alive, libvirt.before = True, {}
    remove()
    assert libvirt.mdev(UUID) == []
    assert UUID not in libvirt.host.snapshot().mdevs


def test_one_that_somebody_undefines_meanwhile_is_gone(create, devices, libvirt):
    create()
    with devices.undefined(UUID):
        devices.destroy(UUID)
        only(libvirt).undefine()
    assert libvirt.mdev(UUID) == []


@pytest.mark.parametrize('asked', ['isPersistent', 'autostart', 'setAutostart'])
def test_one_that_libvirt_forgets_once_it_has_listed_it_is_gone(
    create, remove, libvirt, asked
):
    # The start of one whose attributes are refused comes to udev, and its end.
    create()
    libvirt.host.lose_mdev(UUID)
    forgotten = fake_libvirt.Error(fake_libvirt.VIR_ERR_NO_NODE_DEVICE)
    only(libvirt).failures[asked] = forgotten
    remove()


def test_one_that_libvirt_forgets_is_not_the_one_to_destroy(
    create, remove, libvirt, monkeypatch
):
    monkeypatch.setattr(patience, 'SETTLE_SECONDS', 0.1)
    create()
    device = only(libvirt)
    device.failures['isActive'] = fake_libvirt.Error(
        fake_libvirt.VIR_ERR_NO_NODE_DEVICE
    )
    with pytest.raises(exceptions.HostError, match='has not heard of it'):
        remove()


def test_a_refusal_is_told_although_libvirt_is_gone(create, devices, libvirt):
    def refuse():
        libvirt.alive = False
        raise exceptions.InUse(UUID, 'me')

    create()
    with pytest.raises(exceptions.InUse), devices.undefined(UUID):
        refuse()
