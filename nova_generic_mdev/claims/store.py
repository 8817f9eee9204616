# SPDX-License-Identifier: Apache-2.0
"""The file of the record: made, read, and changed in transactions.

A claim is written here before any effect on the host, so that a crash leaves a
trace to follow and two spawns never get the same device.

The journal is a rollback journal, so that a reader without any right to write
can read; who writes waits for others *before* the transaction, so that nothing
waits inside one but its commit, for those who are reading.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import os
import sqlite3
import typing as ty

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import record
from nova_generic_mdev.claims import files
from nova_generic_mdev.claims import locks
from nova_generic_mdev.claims import opening
from nova_generic_mdev.claims import schema
from nova_generic_mdev.claims import session
from nova_generic_mdev.claims import watch

FILE = 'claims.sqlite'
_T = ty.TypeVar('_T')
_LOCK_SECONDS = 30.0
_UNFINISHED = frozenset({'SQLITE_READONLY_ROLLBACK', 'SQLITE_READONLY_CANTLOCK'})
# What SQLite says where it may not use the journal, among other things.
_OF_JOURNAL = ('SQLITE_IOERR', 'SQLITE_READONLY', 'SQLITE_CANTOPEN')
_DAMAGED = frozenset({'SQLITE_CORRUPT', 'SQLITE_NOTADB'})


def exists(state_path: str) -> bool:
    """Whether there is a record; nothing is made.

    :raises ClaimsError: nobody can tell, since the path cannot be entered
    """
    path = os.path.join(state_path, FILE)
    with _reported(path):
        try:
            os.stat(path)
        except FileNotFoundError:
            return False
    return True


class ClaimStore:
    """The record in one state path.

    :param state_path: the directory; made with the record when it is first
        written
    :param machine: the id of the host whose mdevs these are
    """

    def __init__(self, state_path: str, machine: str) -> None:
        self.state_path = os.path.abspath(state_path)
        self.path = os.path.join(self.state_path, FILE)
        #: what orders those who change the host, whatever process they are in
        self.locks = locks.Locks(self.state_path)
        self._machine = machine
        self._watch = watch.Watch(self.path)
        self._writer = opening.Kept(self.path)

    def exists(self) -> bool:
        """Whether there is a record; nothing is made."""
        return exists(self.state_path)

    def load(self, scope: record.Scope | None = None) -> record.Claims:
        """The record as it is now, or this part of it; an absent one is empty.

        :raises ClaimsError: it cannot be read, is newer, or of another machine
        """
        if scope is not None:
            return self._look(lambda seen: session.read(seen, scope), record.Claims())
        return self._watch.kept(
            'claims',
            lambda: self._look(lambda seen: session.read(seen, None), record.Claims()),
        )

    def published(self) -> cabc.Mapping[str, frozenset[str]]:
        """The traits that we last gave each parent's provider, by parent.

        :raises ClaimsError: as :meth:`load`
        """
        return self._watch.kept(
            'published', lambda: self._look(session.read_published, model.freeze({}))
        )

    def drained(self) -> frozenset[str]:
        """The parents on which nothing new is to land; raises as :meth:`load`."""
        return self._look(session.read_drained, frozenset())

    def _look(self, read: cabc.Callable[[sqlite3.Connection], _T], absent: _T) -> _T:
        if not self.exists():
            return absent
        with _reported(self.path):
            try:
                with self._watch.reading() as connection:
                    return self._read(connection, read)
            except sqlite3.OperationalError as e:
                if opening.name_of(e) not in _UNFINISHED:
                    raise
            # A writer was killed in the middle: it takes the right to write to
            # put back what was before it.
            with self._writer.begun() as connection:
                return self._read(connection, read)

    def _read(
        self,
        connection: sqlite3.Connection,
        read: cabc.Callable[[sqlite3.Connection], _T],
    ) -> _T:
        self._check(connection)
        return read(connection)

    def create(self, found: record.Claims) -> None:
        """Make the record with what the host has at this first start.

        :raises ClaimsError: it cannot be made
        """
        with _reported(self.path):
            files.make_directory(self.state_path)
            with self._making():
                if not self.exists():
                    self._make(found)

    def _make(self, found: record.Claims) -> None:
        # Made aside and renamed: a half-made record is never seen.
        scratch = f'{self.path}.new'
        files.remove(scratch)
        files.make_file(scratch)
        with contextlib.closing(sqlite3.connect(scratch)) as connection:
            connection.execute('PRAGMA journal_mode = OFF')
            schema.make(connection)
            connection.execute('INSERT INTO host VALUES (?)', (self._machine,))
            new = session.Session(connection)
            for known in found.mdevs.values():
                new.add_mdev(known)
            connection.commit()
        # What is left of one that was moved away would be played back into this.
        files.remove(f'{self.path}-journal')
        files.replace(scratch, self.path)

    @contextlib.contextmanager
    def transaction(self) -> cabc.Iterator[session.Session]:
        """All that is done in the block is durable at its end, or none of it.

        :raises ClaimsError: the record cannot be written, or is locked
        """
        with (
            # Not OSError: what the block raises of its own is the block's.
            _reported(self.path, (sqlite3.Error,)),
            contextlib.ExitStack() as stack,
        ):
            connection = stack.enter_context(self._writer.begun())
            if self._check(connection) < schema.VERSION:
                stack.close()
                self._upgrade()
                connection = stack.enter_context(self._writer.begun())
                self._check(connection)
            yield session.Session(connection)
            self._commit(connection)

    def _upgrade(self) -> None:
        """Bring an older record to this version: all of it, or nothing."""
        # An older release holds this lock from its look at the version to its end.
        with self._making(), self._writer.begun() as connection:
            if self._check(connection) < schema.VERSION:
                # What is damaged is told as such, and left as it is.
                session.read(connection, None)
                schema.upgrade(connection)
                self._commit(connection)

    def _commit(self, connection: sqlite3.Connection) -> None:
        with self._watch.unread():
            connection.execute('COMMIT')

    def _making(self) -> contextlib.AbstractContextManager[None]:
        return self.locks.held(['claims'], _LOCK_SECONDS)

    def _check(self, connection: sqlite3.Connection) -> int:
        """The version of the record, which is one of ours.

        :raises ClaimsError: it is none, is newer, or of another machine
        """
        version = schema.version(connection)
        if version == 0:
            raise exceptions.ClaimsError(
                self.path, 'it is no record of claims; move it away'
            )
        if not 1 <= version <= schema.VERSION:
            raise exceptions.ClaimsError(
                self.path,
                f'its version is {version}, this release reads 1 to '
                f'{schema.VERSION}; run the release that wrote it',
            )
        machines = connection.execute('SELECT machine_id FROM host').fetchall()
        if machines != [(self._machine,)]:
            told = ', '.join(machine for (machine,) in machines) or 'nobody knows which'
            raise exceptions.ClaimsError(
                self.path,
                f'it is of machine {told}, this is {self._machine}; '
                'each host needs a state path of its own',
            )
        return version


@contextlib.contextmanager
def _reported(
    path: str, kinds: tuple[type[Exception], ...] = (sqlite3.Error, OSError)
) -> cabc.Iterator[None]:
    """What SQLite and the file system raise becomes a ClaimsError."""
    try:
        yield
    except kinds as e:
        raise exceptions.ClaimsError(path, _reason(path, e)) from e


def _reason(path: str, error: Exception) -> str:
    name = opening.name_of(error)
    if isinstance(error, OSError):
        return error.strerror or str(error)
    is_no_text = 'decode to UTF-8' in str(error)
    if name in _DAMAGED or isinstance(error, session.Damaged) or is_no_text:
        return (
            f'{error}; put a copy of it back, or move it away: then what is on the '
            'host counts as found'
        )
    if name.startswith('SQLITE_BUSY'):
        return (
            f'{error}: another program has it open; "fuser {path}" names it, among '
            'those that wait; end that, and try again'
        )
    if name.startswith(_OF_JOURNAL):
        return (
            f'{error}; only its owner and root may write to it, and {FILE}-journal '
            'beside it has to have the same owner and mode'
        )
    return str(error)
