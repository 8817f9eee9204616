# SPDX-License-Identifier: Apache-2.0
"""Connections to the record's file."""

from __future__ import annotations

import sqlite3
import time
import typing as ty
import urllib.parse

# How long a commit waits for those who are reading, which is a moment.
_BUSY_SECONDS = 5.0
_BUSY_POLL = 0.005


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
    return sqlite3.connect(
        f'file:{urllib.parse.quote(path)}?mode={mode}',
        uri=True,
        isolation_level=None,
        timeout=0,
        factory=Connection,
        # Each is used by one at a time.
        check_same_thread=False,
    )
