# SPDX-License-Identifier: Apache-2.0
"""Connections to the record's file."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import os
import sqlite3
import time
import typing as ty
import urllib.parse
import weakref

# How long a commit waits for those who are reading, which is a moment.
_BUSY_SECONDS = 5.0
_BUSY_POLL = 0.005
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
        end = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                return super().execute(sql, parameters)
            except sqlite3.OperationalError as e:
                is_busy = e.sqlite_errorname.startswith('SQLITE_BUSY')
                if not is_busy or time.monotonic() > end:
                    raise
            time.sleep(_BUSY_POLL)


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
    # The removal of the journal is what commits. Less than EXTRA does not wait for
    # it to reach the disk, and a power cut would take it back.
    connection.execute('PRAGMA synchronous = EXTRA')


class Kept:
    """The connection that changes the record, kept from one change to the next.

    To open one takes as long as a change.  It is opened anew where the file is not
    as it was left, be it that a copy was put back; where a change failed; and in a
    process that was forked, which leaves alone what its parent may be in the midst
    of: to close that would take back, in the file, what the parent is writing.

    Whoever uses it holds the record's lock.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._left: Edition | None = None
        self._connection: Connection | None = None
        self._close: cabc.Callable[[], object] = nothing

    @contextlib.contextmanager
    def used(self) -> cabc.Iterator[Connection]:
        """The connection, for one change.

        :raises sqlite3.Error: it cannot be opened
        """
        left, self._left = self._left, None
        if self._connection is None or left is None or left != edition(self._path):
            self._close()
            self._connection = opened(self._path, 'rw')
            self._close = closing(self, self._connection)
        try:
            yield self._connection
            self._left = edition(self._path)
        finally:
            if self._left is None:
                self._close()


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


def closing(owner: object, connection: Connection) -> cabc.Callable[[], object]:
    """What closes a connection, and does so when its owner goes."""
    return weakref.finalize(owner, _close, connection, os.getpid())


def _close(connection: Connection, pid: int) -> None:
    if pid == os.getpid():
        connection.close()
    else:
        _OF_PARENTS.append(connection)
