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
        return self._waiting(_READER_SECONDS, sql, parameters)

    def begin(self) -> None:
        """Begin a change: from now on nobody else can, in any process."""
        self._waiting(_WRITER_SECONDS, 'BEGIN IMMEDIATE')

    def _waiting(
        self, seconds: float, sql: str, parameters: ty.Any = ()
    ) -> sqlite3.Cursor:
        end = time.monotonic() + seconds
        while True:
            try:
                return super().execute(sql, parameters)
            except sqlite3.OperationalError as e:
                is_busy = e.sqlite_errorname.startswith('SQLITE_BUSY')
                if not is_busy or time.monotonic() > end:
                    raise
            time.sleep(_POLL)


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
    # To remove the journal each time would take longer, and wait for the directory.
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
        self._left: Edition | None = None
        self._place: Edition = ()
        self._connection: Connection | None = None
        self._close: cabc.Callable[[], object] = nothing

    @contextlib.contextmanager
    def begun(self) -> cabc.Iterator[Connection]:
        """The connection, in a change that ends with the block, which commits it.

        What fails is taken back.

        :raises ClaimsError: another thread is writing for so long
        :raises sqlite3.Error: it cannot be opened, or another process is writing
        """
        with self._turn():
            try:
                with self._begun() as connection:
                    yield connection
                self._left = self._same_place()
            finally:
                if self._left is None:
                    self._close()

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

    def _begun(self) -> Connection:
        left, self._left = self._left, None
        if self._connection is not None and self._is(left):
            self._connection.begin()
            # It may have been replaced while others were waited for.
            if self._is(left):
                return self._connection
        self._close()
        self._place = place(edition(self._path))
        self._connection = opened(self._path, 'rw')
        self._close = closing(self, self._connection)
        self._connection.begin()
        return self._connection

    def _is(self, left: Edition | None) -> bool:
        """Whether the file is as it was left, by this process."""
        return left is not None and left == edition(self._path)

    def _same_place(self) -> Edition | None:
        """The file as it is left, if it is the one that was opened."""
        now = edition(self._path)
        return now if place(now) == self._place else None


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
