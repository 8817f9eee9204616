# SPDX-License-Identifier: Apache-2.0
"""The record read through one connection, and whether it is still what it was.

To open a connection takes longer than to read what an allocation needs; and an
update of a large host would read some hundred rows twice, to find each time that
nobody has written any.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import sqlite3
import threading
import typing as ty

from nova_generic_mdev.claims import opening

_T = ty.TypeVar('_T')


class Watch:
    """Tells one edition of the record from the next; safe for threads.

    SQLite tells a connection that stays open whether another one has committed
    (``PRAGMA data_version``); the file's own facts tell whether it was replaced.

    :param path: of the record, which need not be there
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._place: opening.Edition = ()
        self._connection: sqlite3.Connection | None = None
        self._close: cabc.Callable[[], object] = opening.nothing
        self._kept: dict[object, tuple[opening.Edition, ty.Any]] = {}

    @contextlib.contextmanager
    def reading(self) -> cabc.Iterator[sqlite3.Connection]:
        """The connection, in a transaction: all that is read is of one moment.

        :raises sqlite3.Error: it cannot be opened or read
        """
        with self._lock:
            try:
                mine = self._connected(opening.edition(self._path))
                mine.execute('BEGIN')
                with mine:
                    yield mine
            except sqlite3.Error:
                # What is wrong with the file may be wrong with the connection.
                self._close()
                self._connection = None
                raise

    @contextlib.contextmanager
    def unread(self) -> cabc.Iterator[None]:
        """Nobody reads here meanwhile.

        A commit waits for all who are reading: for other processes by polling.
        """
        with self._lock:
            yield

    def kept(self, what: object, read: cabc.Callable[[], _T]) -> _T:
        """What was read before if the record is the same, or what is read now."""
        # Before it is read: what is written meanwhile is found out the next time.
        edition = self._edition()
        before = self._kept.get(what)
        if edition is not None and before is not None and before[0] == edition:
            return ty.cast(_T, before[1])
        now = read()
        if edition is not None:
            self._kept[what] = (edition, now)
        return now

    def _edition(self) -> opening.Edition | None:
        """None: it cannot be told; who reads the record finds out why."""
        with self._lock:
            told = opening.edition(self._path)
            if told is None:
                return None
            try:
                mine = self._connected(told)
                (number,) = mine.execute('PRAGMA data_version').fetchone()
            except sqlite3.Error:
                return None
        return (*told, number)

    def _connected(self, told: opening.Edition | None) -> sqlite3.Connection:
        place = opening.place(told)
        if self._connection is None or place != self._place:
            # While one is open, no other file can have its inode.
            opened = opening.opened(self._path, 'ro')
            self._close()
            self._connection, self._place = opened, place
            self._close = opening.closing(self, opened)
        return self._connection
