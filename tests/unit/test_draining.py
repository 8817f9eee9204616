# SPDX-License-Identifier: Apache-2.0
"""A drained parent: nothing new lands there, what runs stays."""

from __future__ import annotations

import threading

import pytest

from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from tests.unit import benches
from tests.unit import scenes

MTTY, ONE, ME = benches.MTTY, benches.ONE, benches.ME
YOU = scenes.CONSUMERS[1]
request = benches.request


@pytest.fixture
def bench(tmp_path):
    return benches.Bench(tmp_path / 'state')


def ask(uuid=scenes.UUIDS[50]):
    return engine.Ask(uuid=uuid, parent=MTTY, mdev_type='mtty-1')


def test_what_is_there_stays_and_nothing_new_lands(bench):
    given = bench.engine.allocate(ME, [request(amount=2)])
    told = bench.engine.set_drained(MTTY, drained=True)
    assert (told.changed, told.claims) == (True, 2)
    assert bench.engine.allocate(ME, [request(amount=2)]) == given
    with pytest.raises(exceptions.Draining, match='undrain mtty_mtty'):
        bench.engine.allocate(YOU, [request()])
    assert bench.live == {device.uuid for device in given}
    assert bench.engine.release(ME) == given
    assert not bench.live


def test_what_is_there_comes_back_after_a_reboot(bench):
    (device,) = bench.engine.allocate(ME, [request()])
    bench.engine.set_drained(MTTY, drained=True)
    bench.host.lose_mdev(device.uuid)
    assert bench.engine.recover().recovered == (device,)


def test_a_new_one_of_an_accelerator_service_does_not_land_either(bench):
    bench.engine.accelerate(ME, [ask()])
    bench.engine.set_drained(MTTY, drained=True)
    assert bench.engine.accelerate(ME, [ask()])
    with pytest.raises(exceptions.Draining):
        bench.engine.accelerate(YOU, [ask(scenes.UUIDS[51])])


def test_undrained_it_gives_again(bench):
    for drained in (True, False):
        bench.engine.set_drained(MTTY, drained=drained)
    assert bench.engine.allocate(ME, [request()])


def test_it_waits_for_who_is_giving_of_the_device(bench):
    """What it says is left can only get less afterwards."""
    giving, go_on = threading.Event(), threading.Event()

    def hold():
        giving.set()
        assert go_on.wait(60)

    bench.host.before_create(1, hold)
    giver = threading.Thread(
        target=bench.engine.allocate, args=(ME, [request()]), daemon=True
    )
    giver.start()
    assert giving.wait(60)
    told = []
    drainer = threading.Thread(
        target=lambda: told.append(bench.engine.set_drained(MTTY, drained=True)),
        daemon=True,
    )
    drainer.start()
    drainer.join(0.3)
    assert not told
    go_on.set()
    giver.join(60)
    drainer.join(60)
    assert told[0].claims == 1
    assert len(bench.record.claims) == 1


def test_the_first_word_may_be_to_drain(tmp_path):
    bench = benches.Bench(tmp_path / 'state', fixture.pci_gpus())
    parent = 'pci_0000_84_00_0'
    assert bench.engine.set_drained(parent, drained=True).changed
    assert not bench.engine.set_drained(parent, drained=True).changed
    assert bench.record.drained == {parent}
    other = request('pci_0000_85_00_0', benches.class_of('nvidia-11'))
    assert bench.engine.allocate(ME, [other])


def test_the_decision_is_told(bench, caplog):
    bench.engine.allocate(ME, [request()])
    caplog.clear()
    caplog.set_level('INFO', 'nova_generic_mdev')
    for drained in (True, True, False):
        bench.engine.set_drained(MTTY, drained=drained)
    assert [r.getMessage() for r in caplog.records] == [
        'parent mtty_mtty is drained: nothing new lands there; 1 of its mdevs are '
        'claimed',
        'parent mtty_mtty is drained no more; 1 of its mdevs are claimed',
    ]
