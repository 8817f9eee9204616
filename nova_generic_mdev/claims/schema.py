# SPDX-License-Identifier: Apache-2.0
"""The tables of the record, and how an older record gets them.

A record of an older version is read as it is, by whoever may read it, and
brought to this version by the first who writes to it.
"""

from __future__ import annotations

import sqlite3

VERSION = 4

_MDEVS = """
CREATE TABLE mdevs (
    uuid TEXT PRIMARY KEY,
    parent TEXT NOT NULL,
    mdev_type TEXT NOT NULL,
    attributes TEXT NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('created', 'found', 'foreign')),
    backend TEXT
) WITHOUT ROWID
"""
_CLAIMS = """
CREATE TABLE claims (
    uuid TEXT PRIMARY KEY REFERENCES mdevs (uuid),
    consumer TEXT NOT NULL,
    resource_class TEXT NOT NULL,
    owner TEXT NOT NULL CHECK (owner IN ('placement', 'cli', 'accelerator')),
    state TEXT NOT NULL CHECK (state IN ('pending', 'ready', 'lost')),
    migration TEXT
) WITHOUT ROWID
"""
_PUBLISHED = """
CREATE TABLE published (
    parent TEXT NOT NULL,
    trait TEXT NOT NULL,
    PRIMARY KEY (parent, trait)
) WITHOUT ROWID
"""
_DRAINED = 'CREATE TABLE drained (parent TEXT PRIMARY KEY) WITHOUT ROWID'
_INDEXES = (
    'CREATE INDEX claims_consumer ON claims (consumer)',
    'CREATE INDEX mdevs_parent ON mdevs (parent)',
    'CREATE INDEX mdevs_type ON mdevs (mdev_type)',
)
_ALL = (
    'CREATE TABLE host (machine_id TEXT NOT NULL)',
    _MDEVS,
    _CLAIMS,
    _PUBLISHED,
    _DRAINED,
    *_INDEXES,
)
#: how far a claim is that a version before 3 wrote: they did not tell what is
#: made again from what was never given, but what made it is noted when it is given
OLDER_STATE = """
CASE WHEN state = 'pending' AND (origin != 'created' OR backend NOTNULL)
    THEN 'lost' ELSE state END
"""
# Up to version 3 no parent was drained, and that is all.
_FROM_3 = (_DRAINED,)
# Version 1 knew no migrations and no foreign mdevs.  SQLite does not change what a
# column may hold, so both tables are made anew; the one that refers goes first.
_FROM_OLDER = (
    'CREATE TABLE old_mdevs AS SELECT * FROM mdevs',
    'CREATE TABLE old_claims AS SELECT * FROM claims',
    'DROP TABLE claims',
    'DROP TABLE mdevs',
    _MDEVS,
    _CLAIMS,
    *_INDEXES,
    """
    INSERT INTO mdevs
    SELECT uuid, parent, mdev_type, attributes, origin, backend FROM old_mdevs
    """,
    """
    INSERT INTO claims
    SELECT uuid, consumer, resource_class, owner, {state}, {migration}
    FROM old_claims JOIN old_mdevs USING (uuid)
    """,
    'DROP TABLE old_claims',
    'DROP TABLE old_mdevs',
    *_FROM_3,
)


def version(connection: sqlite3.Connection) -> int:
    """The version of a record; 0 is none of ours."""
    (number,) = connection.execute('PRAGMA user_version').fetchone()
    return int(number)


def make(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file."""
    _run(connection, _ALL)


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring an older record to this version; to be called in a transaction."""
    number = version(connection)
    facts = {'state': OLDER_STATE, 'migration': 'NULL' if number == 1 else 'migration'}
    statements = _FROM_3 if number == 3 else _FROM_OLDER
    _run(connection, tuple(statement.format(**facts) for statement in statements))


def knows_drained(connection: sqlite3.Connection) -> bool:
    """Whether a record, which may be read only, tells which parents are drained."""
    return version(connection) > 3


def _run(connection: sqlite3.Connection, statements: tuple[str, ...]) -> None:
    # Not executescript(): that would end the transaction.
    for statement in statements:
        connection.execute(statement)
    # It is in the file's header, so the transaction has it too.
    connection.execute(f'PRAGMA user_version = {VERSION}')
