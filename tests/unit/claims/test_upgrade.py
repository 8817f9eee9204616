# SPDX-License-Identifier: Apache-2.0
"""A record of an older version: read as it is, and brought up to date whole."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import pathlib
import sqlite3
import threading

import pytest

from nova_generic_mdev import claims
from nova_generic_mdev import exceptions
from nova_generic_mdev import record
from nova_generic_mdev.claims import schema
from nova_generic_mdev.claims import session
from nova_generic_mdev.claims import store as store_module
from tests.unit import scenes
from tests.unit.claims import processes

# As the releases that had them wrote them, word by word.
VERSION_1 = """
CREATE TABLE host (machine_id TEXT NOT NULL);
CREATE TABLE mdevs (
    uuid TEXT PRIMARY KEY,
    parent TEXT NOT NULL,
    mdev_type TEXT NOT NULL,
    attributes TEXT NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('created', 'found')),
    backend TEXT
) WITHOUT ROWID;
CREATE TABLE claims (
    uuid TEXT PRIMARY KEY REFERENCES mdevs (uuid),
    consumer TEXT NOT NULL,
    resource_class TEXT NOT NULL,
    owner TEXT NOT NULL CHECK (owner IN ('placement', 'cli', 'accelerator')),
    state TEXT NOT NULL CHECK (state IN ('pending', 'ready'))
) WITHOUT ROWID;
CREATE TABLE published (
    parent TEXT NOT NULL,
    trait TEXT NOT NULL,
    PRIMARY KEY (parent, trait)
) WITHOUT ROWID;
CREATE INDEX claims_consumer ON claims (consumer);
CREATE INDEX mdevs_parent ON mdevs (parent);
CREATE INDEX mdevs_type ON mdevs (mdev_type);
PRAGMA user_version = 1;
"""
VERSION_2 = """
CREATE TABLE host (machine_id TEXT NOT NULL);
CREATE TABLE mdevs (
    uuid TEXT PRIMARY KEY,
    parent TEXT NOT NULL,
    mdev_type TEXT NOT NULL,
    attributes TEXT NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('created', 'found', 'foreign')),
    backend TEXT
) WITHOUT ROWID;
CREATE TABLE claims (
    uuid TEXT PRIMARY KEY REFERENCES mdevs (uuid),
    consumer TEXT NOT NULL,
    resource_class TEXT NOT NULL,
    owner TEXT NOT NULL CHECK (owner IN ('placement', 'cli', 'accelerator')),
    state TEXT NOT NULL CHECK (state IN ('pending', 'ready')),
    migration TEXT
) WITHOUT ROWID;
CREATE TABLE published (
    parent TEXT NOT NULL,
    trait TEXT NOT NULL,
    PRIMARY KEY (parent, trait)
) WITHOUT ROWID;
CREATE INDEX claims_consumer ON claims (consumer);
CREATE INDEX mdevs_parent ON mdevs (parent);
CREATE INDEX mdevs_type ON mdevs (mdev_type);
PRAGMA user_version = 2;
"""
VERSION_3 = VERSION_2.replace("'ready')", "'ready', 'lost')").replace(
    'user_version = 2', 'user_version = 3'
)
MDEVS = [
    (scenes.UUIDS[0], 'größe', 't-1', '[["a", "1"], ["a", "2"]]', 'created', 'sysfs'),
    (scenes.UUIDS[1], 'dev_p', 't-1', '[]', 'found', None),
    (scenes.UUIDS[2], 'dev_q', 't-2', '[]', 'created', 'libvirt'),
    (scenes.UUIDS[4], 'dev_q', 't-2', '[]', 'created', None),
]
CLAIMS = [
    (scenes.UUIDS[0], scenes.CONSUMERS[0], 'VGPU', 'placement', 'ready'),
    # Made again: what made it was noted when it was made first.
    (scenes.UUIDS[2], scenes.CONSUMERS[1], 'CUSTOM_A', 'cli', 'pending'),
    (scenes.UUIDS[4], scenes.CONSUMERS[2], 'CUSTOM_A', 'placement', 'pending'),
]
LOST = scenes.UUIDS[2]
PUBLISHED = {'dev_p': frozenset({'CUSTOM_A', 'CUSTOM_B'})}
NEW = record.MdevRecord(
    uuid=scenes.UUIDS[3],
    parent='dev_p',
    mdev_type='t-1',
    origin=record.Origin.FOREIGN,
)
MIGRATION = scenes.CONSUMERS[9]
SPAWN = multiprocessing.get_context('spawn')


@contextlib.contextmanager
def opened(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        yield connection
        connection.commit()


VERSIONS = {'version 1': VERSION_1, 'version 2': VERSION_2, 'version 3': VERSION_3}


@pytest.fixture(params=VERSIONS.values(), ids=VERSIONS)
def old(request, state_path):
    """The record of an older release, with rows in each of its tables."""
    state_path.mkdir()
    store = claims.ClaimStore(str(state_path), processes.MACHINE)
    with opened(store.path) as connection:
        connection.executescript(request.param)
        connection.execute('INSERT INTO host VALUES (?)', (processes.MACHINE,))
        connection.executemany('INSERT INTO mdevs VALUES (?, ?, ?, ?, ?, ?)', MDEVS)
        connection.executemany(
            'INSERT INTO claims (uuid, consumer, resource_class, owner, state)'
            ' VALUES (?, ?, ?, ?, ?)',
            CLAIMS,
        )
        if request.param is VERSION_3:
            # Which tells itself what is made again.
            lost = "UPDATE claims SET state = 'lost' WHERE uuid = ?"
            connection.execute(lost, (LOST,))
        rows = [(p, t) for p, traits in PUBLISHED.items() for t in traits]
        connection.executemany('INSERT INTO published VALUES (?, ?)', rows)
    return store


def expected():
    return record.Claims(
        mdevs={
            uuid: record.MdevRecord(
                uuid=uuid,
                parent=parent,
                mdev_type=mdev_type,
                attributes=tuple(map(tuple, json.loads(attributes))),
                origin=record.Origin(origin),
                backend=backend,
            )
            for uuid, parent, mdev_type, attributes, origin, backend in MDEVS
        },
        claims={
            uuid: record.Claim(
                uuid=uuid,
                consumer=consumer,
                resource_class=resource_class,
                owner=record.Owner(owner),
                state=record.ClaimState(state if uuid != LOST else 'lost'),
            )
            for uuid, consumer, resource_class, owner, state in CLAIMS
        },
    )


def version(store):
    with opened(store.path) as connection:
        return schema.version(connection)


def tables(store):
    with opened(store.path) as connection:
        found = connection.execute('SELECT type, name, sql FROM sqlite_master')
        return {
            (kind, name): ' '.join((sql or '').split()) for kind, name, sql in found
        }


def contents(store):
    return pathlib.Path(store.path).read_bytes()


def write(store):
    with store.transaction() as change:
        change.add_mdev(NEW)
        change.add_claim(
            record.Claim(
                uuid=NEW.uuid,
                consumer=scenes.CONSUMERS[2],
                resource_class='',
                owner=record.Owner.ACCELERATOR,
                migration=MIGRATION,
            )
        )


def test_it_is_read_as_it_is(old):
    before = contents(old)
    assert (old.load(), old.published()) == (expected(), PUBLISHED)
    part = old.load(record.Scope(consumer=scenes.CONSUMERS[1]))
    assert list(part.claims) == [scenes.UUIDS[2]]
    assert contents(old) == before


def test_who_may_not_write_reads_it(old, as_nobody):
    pathlib.Path(old.state_path).chmod(0o555)
    pathlib.Path(old.path).chmod(0o444)
    with as_nobody():
        assert old.load() == expected()
        with pytest.raises(exceptions.ClaimsError):
            write(old)
    assert version(old) < schema.VERSION


def test_the_first_who_writes_brings_it_up_to_date(old):
    write(old)
    now = old.load()
    assert version(old) == schema.VERSION
    before = expected()
    assert {u: m for u, m in now.mdevs.items() if u != NEW.uuid} == before.mdevs
    assert {u: c for u, c in now.claims.items() if u != NEW.uuid} == before.claims
    assert old.published() == PUBLISHED
    assert (now.mdevs[NEW.uuid], now.claims[NEW.uuid].migration) == (NEW, MIGRATION)


def test_it_becomes_what_a_new_one_is(old, tmp_path):
    write(old)
    new = claims.ClaimStore(str(tmp_path / 'new'), processes.MACHINE)
    new.create(record.Claims())
    assert tables(old) == tables(new)


def test_what_fails_in_the_block_does_not_take_it_back(old):
    """Nothing but the change that failed is undone."""
    with pytest.raises(RuntimeError), old.transaction():
        raise RuntimeError
    assert version(old) == schema.VERSION
    assert old.load() == expected()


def test_a_parent_can_be_drained_then(old):
    assert old.drained() == frozenset()
    with old.transaction() as change:
        change.set_drained('dev_p', drained=True)
    assert old.drained() == old.load().drained == {'dev_p'}


def break_off(state_path):
    """Ended before the last statement, when much has reached the file."""
    old = claims.ClaimStore(state_path, processes.MACHINE)
    statements = schema._FROM_OLDER
    schema._FROM_OLDER = (*statements[:-1], 'SELECT die()')
    schema._FROM_3 = (*schema._FROM_3, 'SELECT die()')
    connect = sqlite3.connect

    def with_death(*args, **kwargs):
        connection = connect(*args, **kwargs)
        connection.execute('PRAGMA cache_size = 1')
        connection.create_function('die', 0, lambda: os._exit(9))
        return connection

    sqlite3.connect = with_death
    write(old)


def test_a_crash_in_the_middle_leaves_the_older_one(old):
    more = [
        (f'dead0000-0000-4000-8000-{n:012x}', 'x' * 200, 't-1', '[]', 'found', None)
        for n in range(1000)
    ]
    with opened(old.path) as connection:
        connection.executemany('INSERT INTO mdevs VALUES (?, ?, ?, ?, ?, ?)', more)
    before, number = old.load(), version(old)
    process = SPAWN.Process(target=break_off, args=(old.state_path,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert os.path.exists(f'{old.path}-journal')
    assert old.load() == before
    assert version(old) == number
    write(old)
    assert version(old) == schema.VERSION
    assert len(old.load().mdevs) == len(MDEVS) + 1001


def test_it_waits_for_an_older_release_that_writes(old, monkeypatch):
    """That holds this lock from its look at the version to the end of its change."""
    monkeypatch.setattr(store_module, '_LOCK_SECONDS', 0.1)
    number = version(old)
    with (
        old.locks.held(['claims']),
        pytest.raises(exceptions.ClaimsError, match=r'claims\.lock'),
    ):
        write(old)
    assert version(old) == number
    # Nor does it hold up what the older release begins meanwhile.
    with opened(old.path) as connection:
        connection.execute('BEGIN IMMEDIATE')
        connection.rollback()
    write(old)
    assert version(old) == schema.VERSION


def test_several_writers_at_once_bring_it_up_to_date_once(old):
    failed = []

    def one(number):
        store = claims.ClaimStore(old.state_path, processes.MACHINE)
        try:
            with store.transaction() as change:
                change.add_mdev(processes.mdev(10 + number))
        except exceptions.ClaimsError as e:
            failed.append(e)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert len(old.load().mdevs) == len(MDEVS) + 8


@pytest.mark.parametrize(
    'damage',
    [
        pytest.param("UPDATE mdevs SET attributes = '['", id='attributes'),
        pytest.param("UPDATE mdevs SET origin = 'stolen'", id='origin'),
        pytest.param("UPDATE claims SET consumer = 'X'", id='consumer'),
    ],
)
def test_a_damaged_one_is_told_as_such_and_left_as_it_is(old, damage):
    with opened(old.path) as connection:
        connection.execute('PRAGMA ignore_check_constraints = ON')
        connection.execute(damage)
    before = contents(old)
    with pytest.raises(exceptions.ClaimsError, match='is damaged'):
        write(old)
    assert contents(old) == before


def test_a_reader_never_sees_half_of_it(old, monkeypatch):
    """Brought up to date between its looks at the version and at the rows."""
    upgrading = threading.Thread(target=write, args=(old,))
    reader, tell, read = threading.current_thread(), schema.version, session.read

    def tell_and_let_others_write(connection):
        number = tell(connection)
        if threading.current_thread() is reader:
            upgrading.start()
            # Long enough to be done, if nothing held it up.
            upgrading.join(0.5)
        return number

    def watched(connection, scope):
        if threading.current_thread() is reader:
            monkeypatch.setattr(schema, 'version', tell_and_let_others_write)
        try:
            return read(connection, scope)
        finally:
            monkeypatch.setattr(schema, 'version', tell)

    monkeypatch.setattr(session, 'read', watched)
    seen = old.load()
    upgrading.join(60)
    monkeypatch.undo()
    assert seen == expected()
    assert old.load().claims[NEW.uuid].migration == MIGRATION
