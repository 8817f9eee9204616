# SPDX-License-Identifier: Apache-2.0
"""One line at INFO for each decision: consumer, parent, type, uuid, and why."""

from __future__ import annotations

import pytest

from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import policy
from nova_generic_mdev import record
from tests.unit import benches
from tests.unit import scenes

MTTY, ONE, ME = benches.MTTY, benches.ONE, benches.ME
KEEP = policy.OnRelease.KEEP
UUID = scenes.UUIDS[50]
request = benches.request


@pytest.fixture
def make(tmp_path, caplog):
    caplog.set_level('INFO', 'nova_generic_mdev')
    return lambda *args, **more: benches.Bench(tmp_path / 'state', *args, **more)


@pytest.fixture
def told(caplog):
    """What was logged since it was asked last; nothing of it is a warning."""

    def told():
        records = list(caplog.records)
        caplog.clear()
        assert {r.levelname for r in records} <= {'INFO'}
        return [r.getMessage() for r in records if 'nova_generic_mdev' in r.name]

    return told


def line(uuid, told, whose=f'of consumer {ME}', mdev_type='mtty-1'):
    return f'mdev {uuid} ({mdev_type} on {MTTY}), {whose}, {told}'


def test_created_kept_and_removed(make, told):
    bench = make()
    (device,) = bench.engine.allocate(ME, [request()])
    assert told() == [line(device.uuid, 'created: none was idle there')]
    bench.engine.allocate(ME, [request()])
    assert told() == [line(device.uuid, 'kept: it has it already')]
    bench.engine.release(ME)
    assert told() == [line(device.uuid, 'released and removed: on_release = remove')]


def test_kept_and_reused(make, told):
    bench = make(rules=[benches.rule('mtty-1', on_release=KEEP)])
    (device,) = bench.engine.allocate(ME, [request()])
    told()
    bench.engine.release(ME)
    assert told() == [line(device.uuid, 'released and kept: on_release = keep')]
    bench.engine.allocate(ME, [request()])
    assert told() == [line(device.uuid, 'reused: it was idle there')]


def test_found_is_never_removed(make, told):
    host = fixture.mtty()
    host.place(UUID, MTTY, 'mtty-1')
    bench = make(host)
    bench.engine.allocate(ME, [request()])
    told()
    bench.engine.release(ME)
    assert told() == [
        line(UUID, 'released and kept: it is found, and not ours to remove')
    ]


def test_recovered(make, told):
    bench = make()
    (device,) = bench.engine.allocate(ME, [request()])
    told()
    bench.host.lose_mdev(device.uuid)
    bench.engine.recover()
    assert told() == [line(device.uuid, 'made again: it was claimed, and not there')]


def test_of_an_accelerator_request(make, told):
    bench = make()
    ask = engine.Ask(uuid=UUID, parent=MTTY, mdev_type='mtty-1')
    bench.engine.accelerate(ME, [ask])
    assert told() == [line(UUID, 'created: an accelerator request names it')]
    bench.engine.release(ME)
    assert told() == [
        line(UUID, 'released and removed: it was of an accelerator request')
    ]


@pytest.mark.parametrize(
    ('claimed', 'guests', 'outcome'),
    [
        pytest.param(False, (), 'removed: it is ours, and left over', id='a leftover'),
        pytest.param(True, (), 'removed: its giving was cut short', id='cut short'),
        pytest.param(
            True, (UUID,), 'given after all: a guest names it', id='in a guest'
        ),
    ],
)
def test_what_a_crash_left(make, told, claimed, guests, outcome):
    bench = make()
    bench.host.place(UUID, MTTY, 'mtty-1')
    with bench.store.transaction() as session:
        session.add_mdev(
            record.MdevRecord(
                uuid=UUID, parent=MTTY, mdev_type='mtty-1',
                origin=record.Origin.CREATED,
            )
        )  # fmt: skip
        if claimed:
            session.add_claim(
                record.Claim(
                    uuid=UUID, consumer=ME, resource_class=ONE,
                    state=record.ClaimState.PENDING,
                )
            )  # fmt: skip
    bench.engine.reconcile(engine.Elsewhere(guests=guests, defined=()))
    whose = f'of consumer {ME}' if claimed else "nobody's"
    assert told() == [line(UUID, outcome, whose)]


def test_what_is_refused_tells_of_nothing_given(make, told):
    bench = make()
    with pytest.raises(exceptions.CapacityError):
        bench.engine.allocate(ME, [request(amount=25)])
    assert told() == []
