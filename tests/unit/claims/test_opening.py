# SPDX-License-Identifier: Apache-2.0
"""The connection that writes is kept while nothing speaks against it."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import threading

import pytest

from nova_generic_mdev import claims
from nova_generic_mdev import exceptions
from nova_generic_mdev import record
from nova_generic_mdev.claims import opening

MACHINE = 'm' * 32
UUIDS = [f'd0000000-0000-4000-8000-{n:012x}' for n in range(8)]
# What the command line would do, in a process of its own.
OTHER = """
import sys
from nova_generic_mdev import claims
from tests.unit.claims import test_opening
store = claims.ClaimStore(sys.argv[1], test_opening.MACHINE)
test_opening.add(store, *sys.argv[2:])
"""


def mdev(uuid, parent='mtty_mtty'):
    return record.MdevRecord(
        uuid=uuid, parent=parent, mdev_type='mtty-1', origin=record.Origin.CREATED
    )


def add(store, *uuids):
    with store.transaction() as session:
        for uuid in uuids:
            session.add_mdev(mdev(uuid))


def by_another_process(store, *uuids):
    command = [sys.executable, '-c', OTHER, store.state_path, *uuids]
    subprocess.run(command, check=True)


def known(store):
    """All that a program that knows nothing of us finds in the file."""
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute('PRAGMA integrity_check').fetchall() == [('ok',)]
        return {uuid for (uuid,) in connection.execute('SELECT uuid FROM mdevs')}


def changes(path):
    """SQLite's own count of changes, in the file's header."""
    return path.read_bytes()[24:28]


@pytest.fixture
def store(tmp_path):
    made = claims.ClaimStore(str(tmp_path / 'state'), MACHINE)
    made.create(record.Claims())
    return made


@pytest.fixture
def opened(monkeypatch):
    """Each connection that was opened to write."""
    seen = []
    real = opening.opened

    def counted(path, mode):
        connection = real(path, mode)
        if mode == 'rw':
            seen.append(connection)
        return connection

    monkeypatch.setattr(opening, 'opened', counted)
    return seen


def test_one_connection_writes_many_times(store, opened):
    for uuid in UUIDS:
        add(store, uuid)
    assert len(opened) == 1
    assert known(store) == set(UUIDS)


def test_others_write_meanwhile(store, opened):
    add(store, UUIDS[0])
    by_another_process(store, UUIDS[1])
    add(store, UUIDS[2])
    add(claims.ClaimStore(store.state_path, MACHINE), UUIDS[3])
    add(store, UUIDS[4])
    assert known(store) == set(UUIDS[:5])


def test_a_copy_that_was_put_back_and_written_to_is_not_taken_for_ours(store, tmp_path):
    copy = tmp_path / 'copy'
    shutil.copy(store.path, copy)
    add(store, *UUIDS[:3])
    count = changes(tmp_path / 'state' / 'claims.sqlite')
    shutil.copy(copy, store.path)
    by_another_process(store, UUIDS[3])
    assert changes(tmp_path / 'state' / 'claims.sqlite') == count
    add(store, UUIDS[4])
    assert known(store) == {UUIDS[3], UUIDS[4]}


def test_a_record_that_was_replaced(store, tmp_path):
    add(store, UUIDS[0])
    os.rename(store.path, tmp_path / 'aside')
    with pytest.raises(exceptions.ClaimsError):
        add(store, UUIDS[1])
    store.create(record.Claims())
    add(store, UUIDS[2])
    assert known(store) == {UUIDS[2]}
    os.rename(tmp_path / 'aside', store.path)
    add(store, UUIDS[3])
    assert known(store) == {UUIDS[0], UUIDS[3]}


def test_a_change_that_failed_leaves_nothing_open(store, opened):
    add(store, UUIDS[0])
    with pytest.raises(exceptions.ClaimsError):
        add(store, UUIDS[1], UUIDS[0])
    with pytest.raises(sqlite3.ProgrammingError, match='closed'):
        opened[0].execute('SELECT 1')
    by_another_process(store, UUIDS[2])
    add(store, UUIDS[3])
    assert known(store) == {UUIDS[0], UUIDS[2], UUIDS[3]}


def test_who_was_forked_in_the_midst_of_a_change_takes_nothing_back(store):
    add(store, UUIDS[0])
    with store.transaction() as session:
        session.drop_mdev(UUIDS[0])
        child = os.fork()
        if child == 0:
            status = 1
            try:
                # The lock is the parent's; what is tried is the connection.
                store._writer._lock = threading.Lock()
                opening._WRITER_SECONDS = 0.1
                with (
                    pytest.raises(sqlite3.OperationalError, match='locked'),
                    store._writer.begun(),
                ):
                    pass
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert status == 0
        assert os.path.exists(f'{store.path}-journal')
    assert known(store) == set()
    add(store, UUIDS[1])
    assert known(store) == {UUIDS[1]}


def test_it_is_closed_with_its_store(store, opened):
    add(store, UUIDS[0])
    other = claims.ClaimStore(store.state_path, MACHINE)
    add(other, UUIDS[1])
    del other
    with pytest.raises(sqlite3.ProgrammingError, match='closed'):
        opened[-1].execute('SELECT 1')


def test_a_change_that_fills_the_cache_locks_out_nobody_who_reads(store, monkeypatch):
    monkeypatch.setattr(opening, '_READER_SECONDS', 0.05)
    with store.transaction() as session:
        session._connection.execute('PRAGMA cache_size = 1')
        for number in range(300):
            uuid = f'dead0000-0000-4000-8000-{number:012x}'
            session.add_mdev(mdev(uuid, parent='x' * 200))
        assert store.load(record.Scope(mdevs=frozenset(UUIDS))) == record.Claims()
    assert len(known(store)) == 300


def test_a_record_that_somebody_gave_another_kind_of_journal(store, monkeypatch):
    monkeypatch.setattr(opening, '_READER_SECONDS', 0.05)
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        connection.execute('PRAGMA journal_mode = WAL')
    store.load()
    add(store, UUIDS[0])
    assert known(store) == {UUIDS[0]}


@pytest.mark.parametrize('before', [[], UUIDS[:1]], ids=['first', 'kept'])
def test_who_waits_writes_to_the_record_that_is_there_then(store, tmp_path, before):
    add(store, *before)
    shutil.copy(store.path, tmp_path / 'copy')
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute('BEGIN IMMEDIATE')
        writer = threading.Thread(target=add, args=(store, UUIDS[1]))
        writer.start()
        writer.join(0.1)
        assert writer.is_alive()
        os.replace(tmp_path / 'copy', store.path)
        # Nobody is writing to this one.
        writer.join(10)
        assert not writer.is_alive()
    assert known(store) == {*before, UUIDS[1]}


def test_a_record_that_is_replaced_in_the_midst_of_a_change(store, tmp_path):
    def change():
        with store.transaction() as session:
            session.add_mdev(mdev(UUIDS[0]))
            os.rename(store.path, tmp_path / 'aside')
            store.create(record.Claims())

    with pytest.raises(exceptions.ClaimsError, match='replaced while it was'):
        change()
    assert known(store) == set()
    add(store, UUIDS[1])
    assert known(store) == {UUIDS[1]}


@pytest.mark.parametrize('before', [[], UUIDS[:1]], ids=['first', 'kept'])
def test_a_record_that_is_replaced_just_before_a_change(
    store, tmp_path, monkeypatch, before
):
    add(store, *before)
    shutil.copy(store.path, tmp_path / 'copy')
    begin = opening.Connection.begin

    def replace_and_begin(connection):
        monkeypatch.undo()
        os.replace(tmp_path / 'copy', store.path)
        begin(connection)

    monkeypatch.setattr(opening.Connection, 'begin', replace_and_begin)
    add(store, UUIDS[1])
    assert known(store) == {*before, UUIDS[1]}


def test_a_record_that_is_replaced_all_the_time_is_not_tried_for_ever(
    store, monkeypatch
):
    inodes = itertools.count()
    real = opening.edition

    def ever_another(path):
        pid, device, _, *rest = real(path)
        return (pid, device, next(inodes), *rest)

    monkeypatch.setattr(opening, 'edition', ever_another)
    monkeypatch.setattr(opening, '_WRITER_SECONDS', 0.1)
    with pytest.raises(exceptions.ClaimsError, match='time and again'):
        add(store, UUIDS[0])
    monkeypatch.undo()
    assert known(store) == set()
