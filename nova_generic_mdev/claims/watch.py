# SPDX-License-Identifier: Apache-2.0
"""Whether the record is still what it was when it was last read.

An update of a large host would read some hundred rows twice, to find each time
that nobody has written any.
"""

from __future__ import annotations

import collections.abc as cabc
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
                mine = self._connected(told[:3])
                (number,) = mine.execute('PRAGMA data_version').fetchone()
            except sqlite3.Error:
                return None
        return (*told, number)

    def _connected(self, place: opening.Edition) -> sqlite3.Connection:
        if self._connection is None or place != self._place:
            # While one is open, no other file can have its inode.
            opened = opening.opened(self._path, 'ro')
            self._close()
            self._connection, self._place = opened, place
            self._close = opening.closing(self, opened)
        return self._connection
