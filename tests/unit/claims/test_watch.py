# SPDX-License-Identifier: Apache-2.0
"""The record is read again when it has changed, and only then."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from nova_generic_mdev import claims
from nova_generic_mdev import exceptions
from nova_generic_mdev import record
from nova_generic_mdev.claims import opening
from nova_generic_mdev.claims import session
from tests.unit import scenes

MACHINE = 'm' * 32
UUIDS = [f'd0000000-0000-4000-8000-{n:012x}' for n in range(8)]


def mdev(uuid):
    return record.MdevRecord(
        uuid=uuid, parent='mtty_mtty', mdev_type='mtty-1', origin=record.Origin.CREATED
    )


@pytest.fixture
def reads(monkeypatch):
    """Each time that all rows are read."""
    seen = []
    read = session.read

    def counted(connection, scope):
        seen.append(scope)
        return read(connection, scope)

    monkeypatch.setattr(session, 'read', counted)
    return seen


@pytest.fixture
def store(tmp_path, reads):
    made = claims.ClaimStore(str(tmp_path / 'state'), MACHINE)
    made.create(record.Claims(mdevs={UUIDS[0]: mdev(UUIDS[0])}))
    return made


@pytest.fixture(
    params=[None, record.Scope(mdevs=frozenset(UUIDS))], ids=['all', 'a part']
)
def seen(store, request):
    """What is read of the record: the mdevs in it."""
    return lambda: sorted(store.load(request.param).mdevs)


def add(store, *uuids):
    with store.transaction() as session_:
        for uuid in uuids:
            session_.add_mdev(mdev(uuid))


def test_what_nobody_changed_is_read_once(store, reads):
    assert store.load() is store.load()
    assert store.published() is store.published()
    assert reads == [None]


@pytest.mark.parametrize('same', [True, False], ids=['by us', 'by another of us'])
def test_each_change_is_seen_however_fast(store, seen, same):
    writer = store if same else claims.ClaimStore(store.state_path, MACHINE)
    for number, uuid in enumerate(UUIDS[1:], start=2):
        add(writer, uuid)
        assert seen() == UUIDS[:number]


def test_a_change_of_another_process_is_seen(store, seen):
    before = seen()
    script = (
        'import sqlite3, sys\n'
        'connection = sqlite3.connect(sys.argv[1])\n'
        'connection.execute("DELETE FROM mdevs")\n'
        'connection.commit()\n'
    )
    subprocess.run([sys.executable, '-c', script, store.path], check=True)
    assert before == UUIDS[:1]
    assert seen() == []


def test_what_was_taken_back_is_not_seen(store, reads):
    before = store.load()
    with pytest.raises(exceptions.ClaimsError):
        add(store, UUIDS[1], UUIDS[0])
    assert store.load() == before


def test_a_copy_that_is_put_back_is_seen(store, seen, tmp_path):
    shutil.copy(store.path, tmp_path / 'copy')
    add(store, UUIDS[1])
    assert seen() == UUIDS[:2]
    shutil.copy(tmp_path / 'copy', store.path)
    assert seen() == UUIDS[:1]


def test_a_record_that_is_replaced_is_seen(store, seen):
    add(store, UUIDS[1])
    assert seen() == UUIDS[:2]
    os.unlink(store.path)
    assert seen() == []
    store.create(record.Claims(mdevs={UUIDS[2]: mdev(UUIDS[2])}))
    assert seen() == UUIDS[2:3]


def test_a_record_that_is_damaged_and_mended_is_read_again(store, seen, tmp_path):
    shutil.copy(store.path, tmp_path / 'copy')
    assert seen() == UUIDS[:1]
    with open(store.path, 'r+b') as file:
        file.write(b'no longer a record of ours' * 8)
    with pytest.raises(exceptions.ClaimsError, match='not a database'):
        seen()
    shutil.copy(tmp_path / 'copy', store.path)
    assert seen() == UUIDS[:1]


def test_a_part_is_read_through_one_connection(store, monkeypatch):
    opened = []
    real = opening.opened
    monkeypatch.setattr(opening, 'opened', lambda *a: opened.append(a) or real(*a))
    scope = record.Scope(consumer=scenes.CONSUMERS[0])
    for _ in range(3):
        store.load(scope)
    assert opened == [(store.path, 'ro')]


def test_who_reads_keeps_nobody_from_writing(store, seen):
    other = claims.ClaimStore(store.state_path, MACHINE)
    seen()
    add(other, UUIDS[1])
    assert seen() == UUIDS[:2]


def test_what_was_published_is_seen(store):
    assert store.published() == {}
    with store.transaction() as session_:
        session_.set_published('mtty_mtty', ['CUSTOM_X'])
    assert store.published() == {'mtty_mtty': frozenset({'CUSTOM_X'})}


def test_a_part_of_the_record_is_always_read(store, reads):
    scope = record.Scope(consumer=scenes.CONSUMERS[0])
    for _ in range(2):
        assert store.load(scope) == record.Claims()
    assert reads == [scope, scope]


def test_who_was_forked_does_not_use_our_connection(store):
    store.load()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if len(store.load().mdevs) == 1 else 1
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0
    add(store, UUIDS[1])
    assert len(store.load().mdevs) == 2
