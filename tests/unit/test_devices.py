# SPDX-License-Identifier: Apache-2.0
"""What is said of each mdev, by what the kernel, libvirt and the record know."""

from __future__ import annotations

import random

import pytest

from nova_generic_mdev import devices
from nova_generic_mdev import model
from nova_generic_mdev import record

A, B, C, D = (f'00000000-0000-4000-8000-{n:012x}' for n in range(1, 5))
CONSUMER = '11111111-1111-4111-8111-111111111111'
HERE, THERE = 'pci_0000_84_00_0', 'mtty_mtty'


def snapshot(live=(), defined=(), on=HERE, mdev_type='x-1'):
    return model.HostSnapshot(
        parents={},
        mdevs={u: model.Mdev(uuid=u, parent=on, mdev_type=mdev_type) for u in live},
        definitions={
            u: model.Definition(uuid=u, parent=HERE, mdev_type='x-1') for u in defined
        },
    )


def claims(known=(), claimed=(), origin=record.Origin.CREATED):
    return record.Claims(
        mdevs={
            u: record.MdevRecord(uuid=u, parent=HERE, mdev_type='x-1', origin=origin)
            for u in {*known, *claimed}
        },
        claims={
            u: record.Claim(consumer=CONSUMER, uuid=u, resource_class='VGPU')
            for u in claimed
        },
    )


FOREIGN = record.Origin.FOREIGN
RUNS, STOPPED = {A: True}, {A: False}


@pytest.mark.parametrize(
    ('host', 'known', 'guests', 'state'),
    [
        pytest.param(snapshot([A]), claims([A]), {}, 'free', id='live and known'),
        pytest.param(
            snapshot([A]), claims([A]), None, 'free', id='live, libvirt was not asked'
        ),
        pytest.param(
            snapshot([A], [A]), claims([A]), {}, 'free', id='live, defined and known'
        ),
        pytest.param(
            snapshot([A]), claims([], [A]), {}, 'claimed', id="live and a consumer's"
        ),
        pytest.param(
            snapshot([A]),
            claims([A]),
            STOPPED,
            'claimed',
            id='live, in a guest that is stopped',
        ),
        pytest.param(
            snapshot([A]),
            claims([], [A]),
            STOPPED,
            'claimed',
            id="live, a consumer's whose guest is stopped",
        ),
        pytest.param(
            snapshot([A]),
            claims([A]),
            RUNS,
            'in-use',
            id='live, in a guest that runs',
        ),
        pytest.param(
            snapshot([A]),
            claims([], [A]),
            RUNS,
            'in-use',
            id="live, a consumer's whose guest runs",
        ),
        pytest.param(
            snapshot([A]), claims(), {}, 'foreign', id='live and nothing is known'
        ),
        pytest.param(
            snapshot([A], [A]),
            claims(),
            RUNS,
            'foreign',
            id='live, in a guest that runs, and nothing is known',
        ),
        pytest.param(
            snapshot([A], on=THERE),
            claims([], [A]),
            {},
            'foreign',
            id="a consumer's, and live on another parent",
        ),
        pytest.param(
            snapshot([A], mdev_type='x-2'),
            claims([A]),
            {},
            'foreign',
            id='known, and live as another type',
        ),
        pytest.param(
            snapshot([A]),
            claims([A], [], FOREIGN),
            {},
            'foreign',
            id="a service's and nobody's",
        ),
        pytest.param(
            snapshot([A]),
            claims([], [A], FOREIGN),
            {},
            'claimed',
            id="a service's and a consumer's",
        ),
        pytest.param(
            snapshot([A]),
            claims([A], [], FOREIGN),
            STOPPED,
            'claimed',
            id="a service's, in a guest that is stopped",
        ),
        pytest.param(
            snapshot(), claims([], [A], FOREIGN), {}, 'missing', id="a service's, gone"
        ),
        pytest.param(
            snapshot([A], mdev_type=None),
            claims([], [A]),
            {},
            'claimed',
            id="a consumer's, and live with a type that is not told",
        ),
        pytest.param(
            snapshot(), claims([], [A]), {}, 'missing', id="a consumer's and not live"
        ),
        pytest.param(
            snapshot([], [A]),
            claims([], [A]),
            {},
            'missing',
            id="a consumer's, defined and not live",
        ),
        pytest.param(
            snapshot(),
            claims([], [A]),
            RUNS,
            'missing',
            id="a consumer's whose guest runs without it",
        ),
        pytest.param(snapshot([], [A]), claims(), {}, 'inactive', id='only defined'),
        pytest.param(
            snapshot([], [A]), claims([A]), {}, 'inactive', id='defined and known'
        ),
        pytest.param(
            snapshot([], [A]),
            claims(),
            STOPPED,
            'inactive',
            id='defined, in a guest that is stopped',
        ),
    ],
)
def test_state(host, known, guests, state):
    (row,) = devices.rows(host, known, guests)
    assert (row.uuid, row.state.value) == (A, state)


@pytest.mark.parametrize(
    ('known', 'guests'),
    [
        pytest.param(claims([A]), {}, id='that is gone and nobody waits for'),
        pytest.param(claims(), RUNS, id='that only a guest names'),
    ],
)
def test_there_is_no_row_for_an_mdev(known, guests):
    assert devices.rows(snapshot(), known, guests) == ()


@pytest.mark.parametrize(
    ('known', 'origin', 'consumer'),
    [
        pytest.param(claims([A]), 'created', '', id='ours'),
        pytest.param(claims([A], [], record.Origin.FOUND), 'found', '', id='found'),
        pytest.param(claims([A], [], FOREIGN), 'foreign', '', id="a service's"),
        pytest.param(claims([], [A]), 'created', CONSUMER, id="a consumer's"),
        pytest.param(claims(), '', '', id='not known'),
    ],
)
def test_whose_it_is(known, origin, consumer):
    (row,) = devices.rows(snapshot([A]), known)
    assert (row.origin, row.consumer) == (origin, consumer)


def test_the_kernel_is_right_about_where_it_is():
    live = model.Mdev(uuid=A, parent=THERE, mdev_type='x-2')
    host = model.HostSnapshot(
        parents={}, mdevs={A: live}, definitions=snapshot([], [A]).definitions
    )
    (row,) = devices.rows(host, claims([A]))
    assert (row.parent, row.mdev_type) == (THERE, 'x-2')


def test_a_type_that_the_kernel_does_not_tell_is_empty():
    live = model.Mdev(uuid=A, parent=HERE, mdev_type=None)
    host = model.HostSnapshot(parents={}, mdevs={A: live})
    assert devices.rows(host, claims([A]))[0].mdev_type == ''


def test_rows_are_in_the_order_of_parents_and_uuids():
    live = [
        model.Mdev(uuid=u, parent=p, mdev_type='x-1')
        for u, p in ((A, HERE), (B, THERE), (C, HERE), (D, THERE))
    ]
    random.shuffle(live)
    host = model.HostSnapshot(parents={}, mdevs={m.uuid: m for m in live})
    assert [r.uuid for r in devices.rows(host, claims())] == [B, D, A, C]
