# SPDX-License-Identifier: Apache-2.0
"""Connections to the record's file."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import os
import sqlite3
import threading
import time
import typing as ty
import urllib.parse
import weakref

from nova_generic_mdev import exceptions

# How long a commit waits for those who are reading, which is a moment; and who
# wants to write for those who are writing, each of which waits for the disk.
_READER_SECONDS = 5.0
_WRITER_SECONDS = 30.0
_POLL = 0.005
# What a forked process has of its parent's, and neither uses nor closes.
_OF_PARENTS: list[sqlite3.Connection] = []

Edition = tuple[int, ...]


class Connection(sqlite3.Connection):
    """Waits for others by polling, and lets the rest of the process go on.

    SQLite waits inside of itself, and a service on eventlet with it as a whole:
    also the one that is waited for, if something let others run in its midst.
    """

    def execute(self, sql: str, parameters: ty.Any = (), /) -> sqlite3.Cursor:
        """As ever, but for whom it waits."""
        end = time.monotonic() + _READER_SECONDS
        while True:
            try:
                return super().execute(sql, parameters)
            except sqlite3.OperationalError as e:
                wait(e, end)

    def begin(self) -> None:
        """Begin a change: from now on nobody else can, in any process.

        :raises sqlite3.OperationalError: at once, if somebody has
        """
        super().execute('BEGIN IMMEDIATE')


def wait(error: sqlite3.OperationalError, end: float) -> None:
    """Wait for others, a moment, if that is what the error is about.

    :param end: the time, as ``monotonic`` has it, until which it may be
    :raises OperationalError: that error, if it is not, or time is up
    """
    if not name_of(error).startswith('SQLITE_BUSY') or time.monotonic() > end:
        raise error
    time.sleep(_POLL)


def name_of(error: BaseException) -> str:
    """SQLite's name of an error; the binding has errors of its own, without."""
    return getattr(error, 'sqlite_errorname', '')


def opened(path: str, mode: str) -> Connection:
    """Open a record that is there, to read it (``ro``) or to change it (``rw``)."""
    connection = sqlite3.connect(
        f'file:{urllib.parse.quote(path)}?mode={mode}',
        uri=True,
        isolation_level=None,
        timeout=0,
        factory=Connection,
        # Each is used by one at a time.
        check_same_thread=False,
    )
    if mode == 'rw':
        with contextlib.ExitStack() as undo:
            undo.callback(connection.close)
            _prepare(connection)
            undo.pop_all()
    return connection


def _prepare(connection: Connection) -> None:
    connection.execute('PRAGMA foreign_keys = ON')
    # What does not fit into memory would go to the file in the midst of a change,
    # and lock out those who read.
    connection.execute('PRAGMA cache_spill = OFF')
    # To remove the journal each time would take longer, and wait for the directory.
    # Who wants another kind of journal (WAL) has it: to change that, all must wait.
    if connection.execute('PRAGMA journal_mode').fetchone() == ('delete',):
        connection.execute('PRAGMA journal_mode = PERSIST')
    # What commits is that the journal's head is overwritten. Less than FULL does not
    # wait for that to reach the disk, and a power cut would take it back.
    connection.execute('PRAGMA synchronous = FULL')


class Kept:
    """The connection that changes the record, kept from one change to the next.

    To open one takes as long as a change.  It is opened anew where the file is not
    as it was left, be it that a copy was put back; where a change failed; and in a
    process that was forked, which leaves alone what its parent may be in the midst
    of: to close that would take back, in the file, what the parent is writing.

    Threads take turns here, and processes by the lock of SQLite: either waits
    before the change, and not in its midst.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        # What the file is if the connection may be used: the whole of an edition, or,
        # for one that has read nothing yet, which file it is.  Empty: none is open.
        self._fits: Edition = ()
        self._connection: Connection | None = None
        self._close: cabc.Callable[[], object] = nothing

    @contextlib.contextmanager
    def begun(self) -> cabc.Iterator[Connection]:
        """The connection, in a change that ends with the block.

        What is not committed in the block is taken back.

        :raises ClaimsError: another thread is writing for so long; or the file was
            replaced in the midst of the change
        :raises sqlite3.Error: it cannot be opened, or another process is writing
        """
        end = time.monotonic() + _WRITER_SECONDS
        with self._turn(), contextlib.ExitStack() as undo:
            undo.callback(self._forget)
            connection = self._begun(end)
            try:
                yield connection
            finally:
                connection.rollback()
            now = edition(self._path)
            if place(now) != place(self._fits):
                raise exceptions.ClaimsError(
                    self._path,
                    'it was moved away or replaced while it was written to; what was '
                    'written is in the one that was there; try again',
                )
            self._fits = now or ()
            undo.pop_all()

    @contextlib.contextmanager
    def _turn(self) -> cabc.Iterator[None]:
        if not self._lock.acquire(timeout=_WRITER_SECONDS):
            raise exceptions.ClaimsError(
                self._path,
                f'another thread has been writing for {_WRITER_SECONDS:.0f} s; '
                'try again',
            )
        try:
            yield
        finally:
            self._lock.release()

    def _begun(self, end: float) -> Connection:
        """The connection, as soon as nobody else is writing.

        Before each attempt it has to be that of the file that is there: to begin
        may play back a journal, which is that file's.
        """
        while True:
            connection = self._opened()
            try:
                connection.begin()
            except sqlite3.OperationalError as e:
                wait(e, end)
                continue
            if self._is_of_file():
                return connection
            self._forget()
            if time.monotonic() > end:
                raise exceptions.ClaimsError(
                    self._path, 'it is being replaced time and again; end what does so'
                )

    def _opened(self) -> Connection:
        if self._connection is None or not self._is_of_file():
            self._forget()
            self._fits = place(edition(self._path))
            self._connection = opened(self._path, 'rw')
            self._close = closing(self, self._connection)
        return self._connection

    def _is_of_file(self) -> bool:
        now = edition(self._path) or ()
        return bool(self._fits) and now[: len(self._fits)] == self._fits

    def _forget(self) -> None:
        self._close()
        self._connection, self._close, self._fits = None, nothing, ()


def nothing() -> None:
    """Nothing is open."""


def edition(path: str) -> Edition | None:
    """What tells a file, and this process, from another; None: it is not there.

    The facts of a file tell one that was replaced, or written over by a program
    that knows nothing of SQLite.  What SQLite wrote, it tells itself.
    """
    try:
        told = os.stat(path)
    except OSError:
        return None
    return os.getpid(), told.st_dev, told.st_ino, told.st_mtime_ns, told.st_size


def place(told: Edition | None) -> Edition:
    """What of that stays as it is when the file is written to."""
    return told[:3] if told else ()


def closing(owner: object, connection: Connection) -> cabc.Callable[[], object]:
    """What closes a connection, and does so when its owner goes."""
    return weakref.finalize(owner, _close, connection, os.getpid())


def _close(connection: Connection, pid: int) -> None:
    if pid == os.getpid():
        connection.close()
    else:
        _OF_PARENTS.append(connection)
