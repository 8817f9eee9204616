# SPDX-License-Identifier: Apache-2.0
"""Accelerator requests, as the accelerator service tells them."""

from __future__ import annotations

import pytest

from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev.adapters.nova import accelerators
from tests.unit import scenes

UUID = scenes.UUIDS[0]
INFO = {
    'domain': '0000',
    'bus': '84',
    'device': '00',
    'function': '0',
    'asked_type': 'nvidia-11',
}


def arq(kind='MDEV', uuid=UUID, **info):
    """A request (Cyborg API reference, "Accelerator requests")."""
    return {
        'uuid': 'an ARQ',
        'attach_handle_type': kind,
        'attach_handle_uuid': uuid,
        'attach_handle_info': INFO | info,
    }


ASK = engine.Ask(uuid=UUID, parent='pci_0000_84_00_0', mdev_type='nvidia-11')
PCI = arq('PCI')


@pytest.mark.parametrize(
    ('asked', 'expected'),
    [
        pytest.param(None, (), id='the server has no accelerators'),
        pytest.param([], (), id='none'),
        pytest.param([PCI], (), id='no mdev'),
        pytest.param([arq()], (ASK,), id='an mdev'),
        pytest.param([PCI, arq(), PCI], (ASK,), id='an mdev among others'),
        pytest.param([arq(uuid=UUID.upper())], (ASK,), id='in upper case'),
        pytest.param([arq(uuid=UUID.replace('-', ''))], None, id='without the dashes'),
        pytest.param(
            [arq(domain='0001', bus='AF', device='1E', function='7')],
            (engine.Ask(uuid=UUID, parent='pci_0001_af_1e_7', mdev_type='nvidia-11'),),
            id='libvirt has the address in lower case',
        ),
        pytest.param([arq(), arq()], (ASK, ASK), id='twice: the engine tells'),
    ],
)
def test_the_mdevs_that_are_asked_for(asked, expected):
    if expected is None:
        with pytest.raises(exceptions.InvalidValue):
            accelerators.asks(asked)
    else:
        assert accelerators.asks(asked) == expected


def without(key, **arq_fields):
    """A request whose information lacks this."""
    broken = arq(**arq_fields)
    broken['attach_handle_info'] = {k: v for k, v in INFO.items() if k != key}
    return broken


@pytest.mark.parametrize(
    'broken',
    [
        *(pytest.param(without(key), id=f'no {key}') for key in INFO),
        pytest.param(arq(uuid=None), id='no uuid yet: it is not bound'),
        pytest.param(arq(uuid='1'), id='no uuid'),
        pytest.param(arq(bus='8'), id='half a bus'),
        pytest.param(arq(function='8'), id='an eighth function'),
        pytest.param(arq(domain=0), id='a number'),
        pytest.param(arq(domain='../..'), id='a path'),
        pytest.param(arq(asked_type=''), id='a type without a name'),
        pytest.param(arq(asked_type='a/b'), id='a type that is a path'),
        pytest.param(arq(asked_type=None), id='no type'),
        pytest.param(arq(asked_type=11), id='a type that is a number'),
        pytest.param(arq() | {'attach_handle_info': None}, id='no information'),
        pytest.param(arq() | {'attach_handle_info': 'x'}, id='a text'),
        pytest.param(
            {'attach_handle_type': 'MDEV', 'uuid': 'an ARQ'}, id='nothing but a type'
        ),
    ],
)
def test_a_request_that_does_not_say_all_of_it(broken):
    with pytest.raises(exceptions.InvalidValue, match='accelerator request an ARQ'):
        accelerators.asks([PCI, arq(), broken])


def test_the_others_are_for_nova_in_their_order():
    last = arq('PCI', bus='99')
    typeless = {'uuid': 'it is not bound'}
    assert accelerators.others([PCI, arq(), typeless, last]) == [PCI, typeless, last]
