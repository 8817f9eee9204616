# SPDX-License-Identifier: Apache-2.0
"""The record is durable, whole, shared, and refuses what is not its own."""

from __future__ import annotations

import concurrent.futures as futures
import multiprocessing
import os
import pathlib
import re
import signal
import sqlite3
import threading

import pytest

from nova_generic_mdev import claims
from nova_generic_mdev import exceptions
from nova_generic_mdev import record
from nova_generic_mdev.claims import locks
from nova_generic_mdev.claims import opening
from nova_generic_mdev.claims import schema
from nova_generic_mdev.claims import store as store_module
from tests.unit import scenes
from tests.unit.claims import processes
from tests.unit.claims.conftest import NOBODY

UUID, OTHER = scenes.UUIDS[:2]
SPAWN = multiprocessing.get_context('spawn')
root_only = pytest.mark.skipif(os.geteuid() != 0, reason='only root gives files away')


def again(store):
    """Another opening of the same record, as after a restart."""
    return claims.ClaimStore(store.state_path, processes.MACHINE)


def mdev(number=0, **more):
    return processes.mdev(number, **more)


def claim(number=0, consumer=0, **more):
    return record.Claim(
        uuid=scenes.UUIDS[number],
        consumer=scenes.CONSUMERS[consumer],
        resource_class='CUSTOM_A',
        **more,
    )


def write(store, mdevs=(), held=()):
    with store.transaction() as session:
        for one in mdevs:
            session.add_mdev(one)
        for one in held:
            session.add_claim(one)


FILES = ['claims.sqlite', 'claims.sqlite-journal', 'locks']


def files(directory):
    return sorted(os.listdir(directory))


def chmod(path, mode):
    pathlib.Path(path).chmod(mode)


def contents(path):
    with open(path, 'rb') as file:
        return file.read()


def is_hot(store):
    """Whether there is a journal that has to be played back."""
    journal = pathlib.Path(f'{store.path}-journal')
    return journal.exists() and journal.read_bytes()[:1] != b'\0'


def run(target, *arguments):
    process = SPAWN.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


# What is written is there


def test_without_a_record_there_is_nothing_and_nothing_is_made(state_path):
    store = claims.ClaimStore(str(state_path), processes.MACHINE)
    assert not store.exists()
    assert store.load() == record.Claims()
    assert store.load(record.Scope(consumer=scenes.CONSUMERS[0])) == record.Claims()
    assert not state_path.exists()


def test_a_new_record_has_what_was_found(state_path):
    store = claims.ClaimStore(str(state_path), processes.MACHINE)
    found = record.Claims(mdevs={UUID: mdev(), OTHER: mdev(1)})
    store.create(found)
    assert store.exists()
    assert again(store).load() == found


def test_a_record_that_is_there_is_not_made_again(store):
    write(store, [mdev()])
    again(store).create(record.Claims(mdevs={OTHER: mdev(1)}))
    assert list(store.load().mdevs) == [UUID]


def test_every_field_comes_back(store):
    one = mdev(attributes=(('a', '1'), ('a', '"2"')), backend='libvirt')
    two = record.MdevRecord(
        uuid=OTHER, parent='größe', mdev_type='t 2', origin=record.Origin.FOUND
    )
    held = [
        claim(0, owner=record.Owner.CLI, state=record.ClaimState.PENDING),
        claim(1, 1, owner=record.Owner.ACCELERATOR),
    ]
    write(store, [one, two], held)
    assert again(store).load() == record.Claims(
        mdevs={UUID: one, OTHER: two}, claims={UUID: held[0], OTHER: held[1]}
    )


def test_a_life(store):
    write(store, [mdev()], [claim(state=record.ClaimState.PENDING)])
    with store.transaction() as session:
        session.set_state(UUID, record.ClaimState.READY)
    assert store.load().claims[UUID].state is record.ClaimState.READY
    with store.transaction() as session:
        session.drop_claim(UUID)
    assert (list(store.load().mdevs), list(store.load().claims)) == ([UUID], [])
    with store.transaction() as session:
        session.add_claim(claim())
        session.drop_mdev(UUID)
        assert session.load() == record.Claims()
    assert store.load() == record.Claims()


@pytest.mark.parametrize(
    ('scope', 'mdevs'),
    [
        pytest.param(record.Scope(), [], id='nothing'),
        pytest.param(record.Scope(parents={'dev_p'}), [0, 1], id='a-parent'),
        pytest.param(
            record.Scope(parents={'dev_p', 'dev_q'}), [0, 1, 2], id='two-parents'
        ),
        pytest.param(record.Scope(mdev_types={'t-2'}), [1, 3], id='a-type'),
        pytest.param(
            record.Scope(consumer=scenes.CONSUMERS[0]), [0, 3], id='a-consumer'
        ),
        pytest.param(
            record.Scope(
                parents={'dev_q'},
                mdev_types={'t-2'},
                consumer=scenes.CONSUMERS[0],
            ),
            [0, 1, 2, 3],
            id='whatever-fits-one-of-them',
        ),
        pytest.param(record.Scope(parents={"'; DROP TABLE mdevs"}), [], id='odd-name'),
    ],
)
def test_a_part_of_the_record(store, scope, mdevs):
    write(
        store,
        [
            mdev(0),
            mdev(1, mdev_type='t-2'),
            mdev(2, parent='dev_q'),
            mdev(3, parent='dev_r', mdev_type='t-2'),
            mdev(4, parent='dev_s'),
        ],
        [claim(0), claim(3), claim(1, 1), claim(4, 1)],
    )
    whole, part = store.load(), store.load(scope)
    uuids = [scenes.UUIDS[n] for n in mdevs]
    assert list(part.mdevs) == uuids
    assert part.claims == {u: c for u, c in whole.claims.items() if u in uuids}


def test_a_part_costs_no_look_at_the_rest(store):
    """SQLite says how: by an index, and never row by row."""
    connection = sqlite3.connect(store.path)
    statements = []
    connection.set_trace_callback(statements.append)
    scope = record.Scope(
        parents={'dev_p'}, mdev_types={'t-1'}, consumer=scenes.CONSUMERS[0],
        mdevs={UUID},
    )  # fmt: skip
    store_module.session.read(connection, scope)
    (statement,) = [s for s in statements if 'FROM mdevs' in s]
    steps = [row[3] for row in connection.execute(f'EXPLAIN QUERY PLAN {statement}')]
    connection.close()
    assert any('USING COVERING INDEX mdevs_parent' in step for step in steps)
    assert not [s for s in steps if 'SCAN' in s and 'json_each' not in s]


# All or nothing


class Boom(Exception):
    pass


def fail_after_a_write(store, error):
    with store.transaction() as session:
        session.add_mdev(mdev())
        session.add_claim(claim())
        raise error


def test_what_fails_in_the_block_leaves_nothing(store):
    before = contents(store.path)
    with pytest.raises(Boom):
        fail_after_a_write(store, Boom())
    assert contents(store.path) == before
    write(store, [mdev()])


@pytest.mark.parametrize(
    'error',
    [
        pytest.param(OSError(28, 'not of the record'), id='of-the-system'),
        pytest.param(exceptions.HostError('x', 'y'), id='of-ours'),
        pytest.param(KeyboardInterrupt(), id='of-the-user'),
    ],
)
def test_the_blocks_own_error_stays_what_it_is(store, error):
    with pytest.raises(type(error)) as caught:
        fail_after_a_write(store, error)
    assert caught.value is error
    assert store.load() == record.Claims()


@pytest.mark.parametrize(
    ('mdevs', 'held'),
    [
        pytest.param([mdev(), mdev()], [], id='an-mdev-twice'),
        pytest.param([mdev()], [claim(), claim(consumer=1)], id='an-mdev-for-two'),
        pytest.param([mdev()], [claim(1)], id='a-claim-of-no-mdev'),
    ],
)
def test_the_record_contradicts_itself_never(store, mdevs, held):
    with pytest.raises(exceptions.ClaimsError, match=re.escape(store.path)):
        write(store, mdevs, held)
    assert store.load() == record.Claims()


def test_a_killed_writer_leaves_what_was_before_it(store):
    write(store, [mdev()], [claim()])
    before = store.load()
    assert run(processes.die_in_a_transaction, store.state_path) == -signal.SIGKILL
    assert is_hot(store)
    assert store.load() == before
    assert not is_hot(store)


def test_a_killed_writer_is_put_right_by_the_next_writer(store):
    write(store, [mdev()])
    assert run(processes.die_in_a_transaction, store.state_path) == -signal.SIGKILL
    write(store, [mdev(1)])
    assert list(store.load().mdevs) == [UUID, OTHER]


def test_a_new_record_takes_nothing_from_one_that_was_moved_away(store):
    assert run(processes.die_in_a_transaction, store.state_path) == -signal.SIGKILL
    os.rename(store.path, f'{store.path}.aside')
    store.create(record.Claims(mdevs={OTHER: mdev(1)}))
    assert store.load() == record.Claims(mdevs={OTHER: mdev(1)})
    write(store, [mdev()])
    assert list(store.load().mdevs) == [UUID, OTHER]


def test_who_may_not_write_is_told_of_a_killed_writer(store, as_nobody):
    assert run(processes.die_in_a_transaction, store.state_path) == -signal.SIGKILL
    chmod(store.state_path, 0o555)
    chmod(os.path.join(store.state_path, 'locks'), 0o555)
    before = contents(store.path)
    with as_nobody(), pytest.raises(exceptions.ClaimsError) as caught:
        store.load()
    assert store.state_path in caught.value.path
    assert contents(store.path) == before
    chmod(store.state_path, 0o755)


def test_a_crash_while_it_is_made_leaves_no_record(state_path):
    assert run(processes.die_while_making, str(state_path)) == -signal.SIGKILL
    store = claims.ClaimStore(str(state_path), processes.MACHINE)
    assert not store.exists()
    assert store.load() == record.Claims()
    store.create(record.Claims(mdevs={OTHER: mdev(1)}))
    assert list(store.load().mdevs) == [OTHER]
    assert files(state_path) == ['claims.sqlite', 'locks']


def test_there_are_no_files_but_the_record_and_its_locks(store):
    seen = set()
    for number in range(3):
        with store.transaction() as session:
            session.add_mdev(mdev(number))
            seen |= set(files(store.state_path))
    store.load()
    assert files(store.state_path) == FILES
    assert seen <= set(FILES)


# Shared


def test_threads_do_not_lose_each_others_writes(store):
    failed = []

    def work(first):
        try:
            processes.add(store.state_path, range(first, first + 5))
        except exceptions.MdevError as e:
            failed.append(e)

    threads = [threading.Thread(target=work, args=(n * 5,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    # Each saw all that was there before it, and nothing half-made.
    assert {m.mdev_type for m in store.load().mdevs.values()} == {
        f't-{n}' for n in range(40)
    }


def test_threads_that_read_and_write_do_not_poll_for_each_other(store, monkeypatch):
    slept = []
    monkeypatch.setattr(opening.time, 'sleep', slept.append)
    scope = record.Scope(mdevs=frozenset([UUID]))

    def work(number):
        for again in range(5):
            write(store, [processes.mdev(5 * number + again)])
            store.load(scope)
            store.load()

    with futures.ThreadPoolExecutor(8) as threads:
        for _ in threads.map(work, range(8)):
            pass
    assert len(store.load().mdevs) == 40
    assert slept == []


def test_processes_do_not_lose_each_others_writes(state_path):
    numbers = [list(range(n * 10, n * 10 + 10)) for n in range(3)]
    workers = [
        SPAWN.Process(target=processes.add, args=(str(state_path), some))
        for some in numbers
    ]
    for worker in workers:
        worker.start()
    store = claims.ClaimStore(str(state_path), processes.MACHINE)
    while any(worker.is_alive() for worker in workers):
        store.load()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert {m.mdev_type for m in store.load().mdevs.values()} == {
        f't-{n}' for n in range(30)
    }


def test_a_reader_sees_one_moment(store):
    """mdevs and claims change together, and are read together."""
    stop = threading.Event()

    def flicker():
        while not stop.is_set():
            write(store, [mdev()], [claim()])
            with store.transaction() as session:
                session.drop_mdev(UUID)

    thread = threading.Thread(target=flicker)
    thread.start()
    try:
        for _ in range(40):
            now = store.load()
            assert now.mdevs.keys() == now.claims.keys()
    finally:
        stop.set()
        thread.join(60)


def test_it_waits_for_another_process_and_no_longer_than_that(store, monkeypatch):
    ready, done = SPAWN.Event(), SPAWN.Event()
    other = SPAWN.Process(target=processes.hold, args=(store.state_path, ready, done))
    other.start()
    try:
        assert ready.wait(30)
        monkeypatch.setattr(opening, '_WRITER_SECONDS', 0.2)
        with pytest.raises(exceptions.ClaimsError, match='another program has it open'):
            write(store, [mdev()])
        # Nobody who reads has to wait for those who write.
        assert store.load() == record.Claims()
    finally:
        done.set()
        other.join(30)
    monkeypatch.setattr(opening, '_WRITER_SECONDS', 30.0)
    write(store, [mdev()])


def test_a_program_of_others_that_locks_the_file(store, monkeypatch):
    for patience in ('_READER_SECONDS', '_WRITER_SECONDS'):
        monkeypatch.setattr(opening, patience, 0.1)
    connection = sqlite3.connect(store.path, isolation_level=None)
    connection.execute('BEGIN EXCLUSIVE')
    before = contents(store.path)
    for use in (store.load, lambda: write(store, [mdev()])):
        with pytest.raises(exceptions.ClaimsError, match='another program') as caught:
            use()
        assert caught.value.path == store.path
    connection.close()
    assert contents(store.path) == before


# Whose it is


def test_everybody_reads_it_and_only_its_owner_writes(store, as_nobody):
    write(store, [mdev()], [claim()])
    chmod(store.path, 0o444)
    chmod(store.state_path, 0o555)
    with as_nobody():
        assert list(store.load().claims) == [UUID]
        with pytest.raises(exceptions.ClaimsError):
            write(store, [mdev(1)])
    chmod(store.state_path, 0o755)


@pytest.mark.parametrize('missing', ['state', 'above/state'])
@root_only
def test_roots_record_belongs_to_the_owner_of_what_is_above_it(
    state_path, missing, as_nobody
):
    os.chown(state_path.parent, NOBODY, NOBODY)
    path = state_path.parent / missing
    store = claims.ClaimStore(str(path), processes.MACHINE)
    store.create(record.Claims())
    write(store, [mdev()])
    with store.locks.held(['device-x']):
        pass
    for made in [path, *path.rglob('*')]:
        assert (made.stat().st_uid, made.stat().st_gid) == (NOBODY, NOBODY), made
    with as_nobody():
        write(store, [mdev(1)])
        with store.locks.held(['device-x']):
            pass


@root_only
def test_root_gives_nothing_away_that_it_did_not_make(state_path, tmp_path):
    """The owner of the state path must not get root's files by a link."""
    precious = tmp_path / 'shadow'
    precious.write_text('precious')
    (state_path / 'locks').mkdir(parents=True)
    for name in ('claims.sqlite.new', 'locks/claims.lock', 'locks/x.lock'):
        (state_path / name).symlink_to(precious)
    os.chown(state_path, NOBODY, NOBODY)
    store = claims.ClaimStore(str(state_path), processes.MACHINE)
    store.create(record.Claims())
    with store.locks.held(['x']):
        pass
    assert precious.stat().st_uid == 0
    assert precious.read_text() == 'precious'


@pytest.mark.parametrize('missing', ['state', 'state/locks', 'state/locks/x.lock'])
@root_only
def test_what_root_makes_has_no_name_before_it_is_its_owners(
    state_path, missing, monkeypatch
):
    """Root is killed in between: what has a name is never made again."""
    os.chown(state_path.parent, NOBODY, NOBODY)
    wanted = state_path.parent / missing
    give = os.fchown
    seen = []

    def look_and_give(handle, *owner):
        seen.append((wanted.exists(), os.readlink(f'/proc/self/fd/{handle}')))
        give(handle, *owner)

    monkeypatch.setattr(os, 'fchown', look_and_give)
    store = claims.ClaimStore(str(state_path), processes.MACHINE)
    store.create(record.Claims())
    with store.locks.held(['x']):
        pass
    there = [exists for exists, path in seen if f'.{wanted.name}-' in path]
    assert there == [False]
    assert wanted.stat().st_uid == NOBODY
    assert not list(state_path.parent.rglob('.*'))


# What is not its own


def newer(path):
    connection = sqlite3.connect(path)
    connection.execute(f'PRAGMA user_version = {schema.VERSION + 1}')
    connection.execute('CREATE TABLE more (x)')
    connection.commit()
    connection.close()


def sql(statement):
    def change(path):
        connection = sqlite3.connect(path)
        connection.execute('PRAGMA ignore_check_constraints = ON')
        connection.execute(statement)
        connection.commit()
        connection.close()

    return change


def truncated(size):
    return lambda path: os.truncate(path, size)


def garbage(path):
    with open(path, 'wb') as file:
        file.write(b'This is not a database, and it never was one.\n' * 100)


def overwritten(path):
    with open(path, 'r+b') as file:
        file.seek(4096)
        file.write(b'\xff' * 20000)


@pytest.mark.parametrize(
    ('damage', 'told'),
    [
        pytest.param(newer, f'its version is {schema.VERSION + 1}', id='newer'),
        pytest.param(
            sql("UPDATE host SET machine_id = 'another'"),
            'of machine another',
            id='other',
        ),
        pytest.param(sql('DELETE FROM host'), 'nobody knows', id='of-no-machine'),
        pytest.param(sql('DROP TABLE host'), 'no such table', id='without-a-table'),
        pytest.param(sql('PRAGMA user_version = 0'), 'no record of claims', id='alien'),
        pytest.param(truncated(0), 'no record of claims', id='empty'),
        pytest.param(truncated(100), 'move it away', id='truncated-to-a-header'),
        pytest.param(truncated(5000), 'move it away', id='truncated'),
        pytest.param(garbage, 'move it away', id='garbage'),
        pytest.param(overwritten, 'move it away', id='overwritten'),
        pytest.param(
            sql("UPDATE mdevs SET origin = 'stolen'"), 'is damaged', id='origin-unknown'
        ),
        pytest.param(
            sql("UPDATE mdevs SET attributes = '['"),
            'is damaged',
            id='attributes-broken',
        ),
        pytest.param(
            sql("UPDATE mdevs SET attributes = '[1]'"),
            'is damaged',
            id='attributes-odd',
        ),
        pytest.param(
            sql("UPDATE mdevs SET mdev_type = 'a/b'"), 'is damaged', id='type-a-path'
        ),
        pytest.param(
            sql("UPDATE claims SET consumer = 'X'"), 'is damaged', id='consumer-no-uuid'
        ),
        pytest.param(
            sql("UPDATE mdevs SET parent = CAST(x'ff' AS TEXT)"),
            'put a copy of it back',
            id='parent-no-text',
        ),
        pytest.param(
            sql("UPDATE claims SET state = 'gone'"), 'is damaged', id='state-unknown'
        ),
    ],
)
def test_a_record_that_cannot_be_used_is_named_and_not_touched(store, damage, told):
    write(store, [mdev()], [claim()])
    damage(store.path)
    before = contents(store.path)

    def change():
        with store.transaction() as session:
            session.load()
            session.drop_mdev(UUID)

    for use in (store.load, change):
        with pytest.raises(exceptions.ClaimsError, match=told) as caught:
            use()
        assert caught.value.path == store.path
        assert store.path in str(caught.value)
    store.create(record.Claims(mdevs={OTHER: mdev(1)}))
    assert contents(store.path) == before
    assert set(files(store.state_path)) <= set(FILES)


def test_a_record_that_is_a_directory(state_path):
    (state_path / 'claims.sqlite').mkdir(parents=True)
    store = claims.ClaimStore(str(state_path), processes.MACHINE)
    for use in (store.load, lambda: write(store, [mdev()])):
        with pytest.raises(exceptions.ClaimsError, match=r'claims\.sqlite'):
            use()


def test_a_record_that_may_not_be_read(store, as_nobody):
    chmod(store.path, 0o000)
    with as_nobody(), pytest.raises(exceptions.ClaimsError, match=r'claims\.sqlite'):
        store.load()


def test_a_state_path_that_may_not_be_entered_is_not_an_empty_one(store, as_nobody):
    chmod(store.state_path, 0o000)
    with as_nobody():
        for use in (store.exists, store.load, lambda: claims.exists(store.state_path)):
            with pytest.raises(exceptions.ClaimsError, match='Permission denied'):
                use()
    chmod(store.state_path, 0o755)


@pytest.mark.parametrize('name', ['file', 'file/state'])
def test_a_state_path_that_is_a_file(tmp_path, name):
    (tmp_path / 'file').write_text('mine')
    store = claims.ClaimStore(str(tmp_path / name), processes.MACHINE)
    with pytest.raises(exceptions.ClaimsError, match='file'):
        store.create(record.Claims())
    assert (tmp_path / 'file').read_text() == 'mine'


def test_a_state_path_that_may_not_be_written(state_path, as_nobody):
    state_path.mkdir(mode=0o555)
    store = claims.ClaimStore(str(state_path), processes.MACHINE)
    with as_nobody(), pytest.raises(exceptions.ClaimsError):
        store.create(record.Claims())
    assert files(state_path) == []


def test_a_disk_that_is_full(store, monkeypatch):
    """SQLite's own limit stands for the disk's: the same error, the same way."""
    connect = sqlite3.connect

    def tight(*args, **kwargs):
        connection = connect(*args, **kwargs)
        connection.execute('PRAGMA max_page_count = 1')
        return connection

    monkeypatch.setattr(store_module.sqlite3, 'connect', tight)
    with pytest.raises(exceptions.ClaimsError, match='full'):
        write(store, [mdev(n, parent='x' * 3000) for n in range(50)])
    monkeypatch.setattr(store_module.sqlite3, 'connect', connect)
    assert store.load() == record.Claims()


def test_odd_state_paths(tmp_path):
    odd = tmp_path / 'a?mode=memory#b%20c&größe'
    store = claims.ClaimStore(str(odd), processes.MACHINE)
    store.create(record.Claims(mdevs={UUID: mdev()}))
    assert list(again(store).load().mdevs) == [UUID]
    assert (odd / 'claims.sqlite').is_file()


def test_a_relative_state_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = claims.ClaimStore('state', processes.MACHINE)
    store.create(record.Claims())
    monkeypatch.chdir('/')
    write(store, [mdev()])
    assert list(store.load().mdevs) == [UUID]


# The locks by themselves


def test_locks_are_taken_in_one_order(tmp_path):
    ours = locks.Locks(str(tmp_path))
    done = []

    def work(names):
        for _ in range(50):
            with ours.held(names, seconds=20):
                done.append(names)

    threads = [
        threading.Thread(target=work, args=(names,))
        for names in (['a', 'b', 'c'], ['c', 'b', 'a'], ['b', 'a'])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == 150


@pytest.mark.parametrize(
    'names',
    [
        pytest.param(['a b', 'a/b', 'a_b'], id='that-become-the-same-file'),
        pytest.param(['../../x'], id='a-way-out'),
        pytest.param(['x' * 300], id='too-long'),
        pytest.param(['größe', '', '.'], id='odd'),
        pytest.param([], id='none'),
    ],
)
def test_odd_names_of_locks(tmp_path, names):
    ours = locks.Locks(str(tmp_path / 'state'))
    (tmp_path / 'state').mkdir()
    with ours.held(names):
        pass
    assert files(tmp_path) == ['state']


def test_a_thread_waits_for_another_and_no_longer_than_that(tmp_path):
    one, other = locks.Locks(str(tmp_path)), locks.Locks(str(tmp_path))
    caught = []

    def work():
        try:
            with other.held(['a'], seconds=0.1):
                pass
        except exceptions.ClaimsError as e:
            caught.append(e)

    with one.held(['a']):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
    assert 'another thread has held it' in str(caught[0])
    with other.held(['a'], seconds=1):
        pass


def test_a_lock_is_given_back_when_the_block_fails(tmp_path):
    ours = locks.Locks(str(tmp_path))
    with pytest.raises(Boom), ours.held(['a', 'b']):
        raise Boom
    with ours.held(['a', 'b'], seconds=1):
        pass


def test_the_id_of_a_machine(monkeypatch, tmp_path):
    there = tmp_path / 'machine-id'
    there.write_text(f'{"0a" * 16}\n')
    monkeypatch.setattr('nova_generic_mdev.claims.files._MACHINE_ID', str(there))
    assert claims.machine_id() == '0a' * 16


def test_a_machine_without_an_id(monkeypatch, tmp_path):
    missing = str(tmp_path / 'machine-id')
    monkeypatch.setattr('nova_generic_mdev.claims.files._MACHINE_ID', missing)
    with pytest.raises(exceptions.HostError, match='systemd-machine-id-setup'):
        claims.machine_id()


def test_a_new_record_has_its_name_on_the_disk(tmp_path, monkeypatch):
    """After a power cut: not the file alone, each new directory above it too."""
    synced = set()
    fsync = os.fsync

    def note(handle):
        synced.add(os.readlink(f'/proc/self/fd/{handle}'))
        fsync(handle)

    monkeypatch.setattr(os, 'fsync', note)
    claims.ClaimStore(str(tmp_path / 'nova' / 'mdev'), 'm' * 32).create(record.Claims())
    wanted = {tmp_path, tmp_path / 'nova', tmp_path / 'nova' / 'mdev'}
    assert {str(path) for path in wanted} <= synced


def test_what_is_committed_is_not_taken_back_by_a_power_cut(store, monkeypatch):
    """That the journal's head is overwritten is the commit: it is synced."""
    asked = []
    connect = sqlite3.connect

    def watched(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.set_trace_callback(asked.append)
        return connection

    monkeypatch.setattr(sqlite3, 'connect', watched)
    with store.transaction():
        pass
    for pragma in ('PRAGMA journal_mode = PERSIST', 'PRAGMA synchronous = FULL'):
        assert asked.index(pragma) < asked.index('BEGIN IMMEDIATE')
