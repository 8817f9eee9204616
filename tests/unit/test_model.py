# SPDX-License-Identifier: Apache-2.0
import dataclasses

import hypothesis
import pytest
from hypothesis import strategies as st

from nova_generic_mdev import exceptions
from nova_generic_mdev import model

UUID = '11111111-2222-4333-8444-00000000abcd'


def mdev_type(id='mtty-2', available=12, **fields):
    return model.MdevType(id=id, available_instances=available, **fields)


def parent(**fields):
    told = {
        'name': 'mtty_mtty',
        'sysname': 'mtty',
        'subsystem': 'mtty',
        'types': {'mtty-2': mdev_type()},
    }
    return model.Parent(**(told | fields))


def mdev(uuid=UUID):
    return model.Mdev(uuid=uuid, parent='mtty_mtty', mdev_type='mtty-2')


def definition(uuid=UUID):
    return model.Definition(uuid=uuid, parent='mtty_mtty', mdev_type='mtty-2')


@pytest.mark.parametrize('number', [0, 1, 2**31 - 1])
def test_a_count(number):
    assert model.count('free', number) == number


@pytest.mark.parametrize('number', [-1, 2**31, 10**23])
def test_a_count_that_is_nonsense_is_never_clamped(number):
    with pytest.raises(exceptions.InvalidValue) as caught:
        model.count('free', number)
    assert (caught.value.field, caught.value.value) == ('free', number)


@pytest.mark.parametrize(
    ('make', 'error'),
    [
        pytest.param(
            lambda: mdev_type(available=-1), exceptions.InvalidValue, id='count'
        ),
        pytest.param(
            lambda: mdev_type(available=10**23), exceptions.InvalidValue, id='10^23'
        ),
        pytest.param(lambda: mdev_type(id='..'), exceptions.InvalidName, id='type ..'),
        pytest.param(
            lambda: mdev_type(id='a/b'), exceptions.InvalidName, id='type with /'
        ),
        pytest.param(
            lambda: mdev_type(id='x' * 300), exceptions.InvalidName, id='long type'
        ),
        pytest.param(
            lambda: parent(sysname='..'), exceptions.InvalidName, id='sysname ..'
        ),
        pytest.param(
            lambda: parent(address='84:00.0'), exceptions.InvalidName, id='address'
        ),
    ],
)
def test_a_fact_that_cannot_be(make, error):
    with pytest.raises(error):
        make()


@pytest.mark.parametrize('make', [mdev, definition])
@pytest.mark.parametrize(
    'uuid',
    [
        pytest.param(UUID.upper(), id='upper case'),
        pytest.param(UUID[1:], id='too short'),
        pytest.param(UUID + '0', id='too long'),
        pytest.param(UUID.replace('-', '/'), id='with /'),
        pytest.param('', id='empty'),
        pytest.param(None, id='none'),
    ],
)
def test_a_uuid_has_one_spelling(make, uuid):
    with pytest.raises(exceptions.InvalidName):
        make(uuid)


@pytest.mark.parametrize(
    'text', ['with two spaces', 'Größe-1', '...'], ids=['spaces', 'unicode', 'dots']
)
def test_a_type_may_be_named_strangely(text):
    assert mdev_type(id=text).id == text


@pytest.mark.parametrize(
    ('fields', 'physical_device'),
    [
        pytest.param({}, 'mtty_mtty', id='any device is its own'),
        pytest.param(
            {'physical_device': 'pci_0000_84_00_0'},
            'pci_0000_84_00_0',
            id='a virtual function is of another',
        ),
    ],
)
def test_the_physical_device(fields, physical_device):
    assert parent(**fields).physical_device == physical_device


@pytest.mark.parametrize(
    ('value', 'field'),
    [
        (mdev_type(), 'available_instances'),
        (parent(), 'types'),
        (mdev(), 'uuid'),
        (model.HostSnapshot(parents={}), 'mdevs'),
    ],
)
def test_a_value_does_not_change(value, field):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, None)


def test_a_snapshot_is_a_copy():
    parents = {'mtty_mtty': parent()}
    snapshot = model.HostSnapshot(parents=parents)
    parents.clear()
    assert list(snapshot.parents) == ['mtty_mtty']
    with pytest.raises(TypeError):
        snapshot.parents['x'] = parent()


def test_values_have_keyword_arguments_only():
    with pytest.raises(TypeError):
        model.Mdev(UUID, 'mtty_mtty', 'mtty-2')


@hypothesis.given(st.dictionaries(st.text(), st.integers()))
def test_the_order_of_what_was_told_is_forgotten(values):
    backwards = dict(reversed(values.items()))
    assert list(model.freeze(values)) == list(model.freeze(backwards)) == sorted(values)
    assert dict(model.freeze(values)) == values


def test_ten_thousand_types():
    types = {f't-{n}': mdev_type(id=f't-{n}') for n in range(10_000)}
    assert len(parent(types=types).types) == 10_000
