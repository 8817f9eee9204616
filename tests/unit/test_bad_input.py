# SPDX-License-Identifier: Apache-2.0
"""What the engine makes of a record that is newer, broken, locked or out of room.

Each says what is wrong, changes nothing on the host, and goes on when that is
mended.  Where the other bad input is tried:

====================================  ==========================================
what                                  where
====================================  ==========================================
a record that is newer, truncated,    ``claims/test_store.py``, and here
locked or on a full disk
libvirt has mdevs that sysfs has not  ``test_audit.py``; ``host/test_auto.py``
sysfs has mdevs that libvirt has not  the same
one uuid twice in libvirt             ``host/test_nodedev.py``,
                                      ``host/test_node_act.py``
a guest's XML that cannot be parsed   ``host/test_nodedev.py``,
                                      ``host/test_domains.py``,
                                      ``tests/nova/test_asking.py``
Placement answers 409, 503, nonsense  ``adapters/test_placement.py``;
or a conflict each time               ``tests/nova/test_reportclient.py``
====================================  ==========================================
"""

from __future__ import annotations

import os
import pathlib
import sqlite3

import pytest

from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev import record
from nova_generic_mdev.claims import opening
from nova_generic_mdev.claims import schema
from tests.unit import benches
from tests.unit import scenes

ME, HEIR = scenes.CONSUMERS[:2]
ASKED = [benches.request(amount=2), benches.request(resource_class=benches.TWO)]
NOWHERE = engine.Elsewhere(guests=(), defined=())
OPERATIONS = {
    'allocate': lambda acting: acting.allocate(HEIR, ASKED),
    'restore': lambda acting: acting.restore(ME),
    'recover': lambda acting: acting.recover(),
    'rekey': lambda acting: acting.rekey(ME, HEIR),
    'reconcile': lambda acting: acting.reconcile(NOWHERE),
    'look': lambda acting: acting.look(),
    'release': lambda acting: acting.release(ME),
}


@pytest.fixture
def bench(tmp_path):
    """A consumer has three mdevs, one of which is gone."""
    made = benches.Bench(tmp_path / 'state', benches.fixture.mtty(ports=12))
    made.engine.allocate(ME, ASKED)
    made.host.lose_mdev(made.held()[0])
    made.host.calls.clear()
    return made


def newer(path: pathlib.Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f'PRAGMA user_version = {schema.VERSION + 1}')
    connection.close()


def truncated(path: pathlib.Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize('operation', OPERATIONS)
@pytest.mark.parametrize(
    ('damage', 'told'),
    [
        pytest.param(newer, 'run the release that wrote it', id='newer'),
        pytest.param(truncated, 'put a copy of it back', id='truncated'),
    ],
)
def test_a_record_that_cannot_be_read_stops_all_that_would_act(
    bench, operation, damage, told
):
    path, before, live = pathlib.Path(bench.store.path), bench.record, bench.live
    whole = path.read_bytes()
    damage(path)
    damaged = path.read_bytes()
    with pytest.raises(exceptions.ClaimsError, match=told):
        OPERATIONS[operation](bench.engine)
    assert (bench.acts(), bench.live, path.read_bytes()) == ([], live, damaged)
    path.write_bytes(whole)
    assert bench.record == before
    OPERATIONS[operation](bench.engine)


@pytest.mark.parametrize('operation', OPERATIONS)
def test_a_record_that_a_hung_program_has_locked(bench, operation, monkeypatch):
    for patience in ('_READER_SECONDS', '_WRITER_SECONDS'):
        monkeypatch.setattr(opening, patience, 0.05)
    before, live = bench.record, bench.live
    hung = sqlite3.connect(bench.store.path, isolation_level=None)
    hung.execute('BEGIN EXCLUSIVE')
    with pytest.raises(exceptions.ClaimsError, match='another program has it open'):
        OPERATIONS[operation](bench.engine)
    assert (bench.acts(), bench.live) == ([], live)
    hung.close()
    assert bench.record == before
    OPERATIONS[operation](bench.engine)


class Disk:
    """Has room for so many more commits; each after that finds it full."""

    def __init__(self, monkeypatch) -> None:
        self.room: int | None = None
        whole = opening.Connection.execute

        def execute(connection, sql, parameters=(), /):
            if sql == 'COMMIT' and self.room is not None:
                if self.room == 0:
                    raise full()
                self.room -= 1
            return whole(connection, sql, parameters)

        monkeypatch.setattr(opening.Connection, 'execute', execute)


def full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError('database or disk is full')
    error.sqlite_errorname = 'SQLITE_FULL'
    return error


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


@pytest.mark.parametrize('room', range(9))
def test_a_disk_that_gets_full_loses_nothing_and_leaves_nothing(bench, disk, room):
    """Whichever write finds it so, of those that a life of a consumer needs."""
    disk.room = room
    with pytest.raises(exceptions.ClaimsError, match='disk is full'):
        live_a_life(bench.engine)
    # What is on the host is known: nobody has to look for it.
    assert bench.live <= bench.record.mdevs.keys()
    disk.room = None
    bench.engine.reconcile(NOWHERE)
    bench.engine.recover()
    assert bench.live == bench.record.claims.keys()
    states = {claim.state for claim in bench.record.claims.values()}
    assert states <= {record.ClaimState.READY}
    for consumer in (ME, HEIR):
        bench.engine.release(consumer)
    assert bench.is_as_if_nothing_had_happened()


def live_a_life(acting: engine.Engine) -> None:
    for operation in ('restore', 'allocate', 'rekey'):
        OPERATIONS[operation](acting)
    acting.release(HEIR)


def test_what_could_not_be_recorded_as_done_is_undone(bench, disk):
    live = bench.live
    disk.room = 1
    with pytest.raises(exceptions.ClaimsError, match='disk is full'):
        bench.engine.allocate(HEIR, ASKED)
    assert bench.acts().count('create') == bench.acts().count('remove') == 3
    assert bench.live == live


def test_what_could_not_be_recorded_as_released_is_released_the_next_time(bench, disk):
    held = set(bench.held())
    disk.room = 0
    with pytest.raises(exceptions.ClaimsError, match='disk is full'):
        bench.engine.release(ME)
    assert set(bench.held()) == held
    disk.room = None
    assert {device.uuid for device in bench.engine.release(ME)} == held
    assert bench.is_as_if_nothing_had_happened()
