# SPDX-License-Identifier: Apache-2.0
"""The durable record: which mdevs are ours, and whose they are.

One SQLite file below the state path, with two tables.  A claim is written here
before any effect on the host, so that a crash leaves a trace to follow and two
spawns never get the same device.

The journal is a rollback journal, so that a reader without any right to write
can read; transactions are ordered by a lock in the process and by a file lock
between processes *before* they begin, so that nothing waits inside one.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import os
import sqlite3
import threading
import urllib.parse

from oslo_concurrency import lockutils

from nova_generic_mdev import exceptions
from nova_generic_mdev import record
from nova_generic_mdev.claims import session

FILE = 'claims.sqlite'
_LOCK_SECONDS = 30.0
_MACHINE_ID = '/etc/machine-id'


def machine_id() -> str:
    """The id of this machine (machine-id(5)): a record is of one host only."""
    try:
        with open(_MACHINE_ID, encoding='ascii') as file:
            return file.read().strip()
    except OSError as e:
        raise exceptions.HostError(
            _MACHINE_ID, f'{e.strerror}; run systemd-machine-id-setup'
        ) from e


def exists(state_path: str) -> bool:
    """Whether there is a record; nothing is made."""
    return os.path.exists(os.path.join(state_path, FILE))


class ClaimStore:
    """The record in one state path.

    :param state_path: the directory; made with the record when it is first
        written
    :param machine: the id of the host whose mdevs these are
    """

    def __init__(self, state_path: str, machine: str) -> None:
        self.path = os.path.join(state_path, FILE)
        self.state_path = state_path
        self._machine = machine
        self._mutex = threading.Lock()

    def exists(self) -> bool:
        """Whether there is a record; nothing is made."""
        return exists(self.state_path)

    def load(self) -> record.Claims:
        """The whole record as it is now; an absent one is empty.

        :raises ClaimsError: it cannot be read, is newer, or of another machine
        """
        if not self.exists():
            return record.Claims()
        with self._reported(), self._connection('ro') as connection:
            return session.read(connection)

    def create(self, found: record.Claims) -> None:
        """Make the record with what the host has at this first start.

        :raises ClaimsError: it cannot be made
        """
        with self._reported():
            os.makedirs(self.state_path, mode=0o750, exist_ok=True)
        with self._exclusive():
            if self.exists():
                return
            self._make(found)

    def _make(self, found: record.Claims) -> None:
        # Made aside and renamed: a half-made record is never seen.
        scratch = f'{self.path}.new'
        with self._reported():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(scratch)
            with contextlib.closing(sqlite3.connect(scratch)) as connection:
                connection.executescript(session.SCHEMA)
                connection.execute('INSERT INTO host VALUES (?)', (self._machine,))
                new = session.Session(connection)
                for known in found.mdevs.values():
                    new.add_mdev(known)
                connection.execute(f'PRAGMA user_version = {session.VERSION}')
                connection.commit()
            self._give_to_owner(scratch)
            os.rename(scratch, self.path)

    def _give_to_owner(self, path: str) -> None:
        """Root's command line must not make a record that Nova cannot write."""
        owner = os.stat(self.state_path)
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)

    @contextlib.contextmanager
    def transaction(self) -> cabc.Iterator[session.Session]:
        """All that is done in the block is durable at its end, or none of it.

        :raises ClaimsError: the record cannot be written, or is locked
        """
        with (
            self._exclusive(),
            self._reported(),
            self._connection('rw') as connection,
        ):
            connection.execute('BEGIN IMMEDIATE')
            with connection:
                yield session.Session(connection)

    @contextlib.contextmanager
    def _exclusive(self) -> cabc.Iterator[None]:
        between_processes = lockutils.external_lock('claims', lock_path=self.state_path)
        with self._mutex:
            with self._reported():
                locked = between_processes.acquire(timeout=_LOCK_SECONDS)
            if not locked:
                raise exceptions.ClaimsError(
                    self.path, f'another process held it for {_LOCK_SECONDS:.0f} s'
                )
            try:
                yield
            finally:
                between_processes.release()

    @contextlib.contextmanager
    def _connection(self, mode: str) -> cabc.Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(
            f'file:{_quoted(self.path)}?mode={mode}', uri=True, isolation_level=None
        )
        with contextlib.closing(connection):
            connection.execute('PRAGMA foreign_keys = ON')
            self._check(connection)
            yield connection

    def _check(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute('PRAGMA user_version').fetchone()
        if version != session.VERSION:
            raise exceptions.ClaimsError(
                self.path,
                f'its version is {version}, this release reads {session.VERSION}; '
                'run the release that wrote it',
            )
        (machine,) = connection.execute('SELECT machine_id FROM host').fetchone()
        if machine != self._machine:
            raise exceptions.ClaimsError(
                self.path,
                f'it is of machine {machine}, this is {self._machine}; '
                'each host needs a state path of its own',
            )

    @contextlib.contextmanager
    def _reported(self) -> cabc.Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as e:
            raise exceptions.ClaimsError(self.path, str(e)) from e


def _quoted(path: str) -> str:
    """A path inside a SQLite URI, where ``?``, ``#`` and ``%`` mean something."""
    return urllib.parse.quote(os.path.abspath(path))
