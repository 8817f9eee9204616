# SPDX-License-Identifier: Apache-2.0
"""The tables of the record: their rows, written and read.

An mdev's row goes last, after the mdev is gone.
"""

from __future__ import annotations

import collections.abc as cabc
import json
import sqlite3
import typing as ty

from nova_generic_mdev import exceptions
from nova_generic_mdev import record

VERSION = 1
SCHEMA = """
CREATE TABLE host (machine_id TEXT NOT NULL);
CREATE TABLE mdevs (
    uuid TEXT PRIMARY KEY,
    parent TEXT NOT NULL,
    mdev_type TEXT NOT NULL,
    attributes TEXT NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('created', 'found')),
    backend TEXT
) WITHOUT ROWID;
CREATE TABLE claims (
    uuid TEXT PRIMARY KEY REFERENCES mdevs (uuid),
    consumer TEXT NOT NULL,
    resource_class TEXT NOT NULL,
    owner TEXT NOT NULL CHECK (owner IN ('placement', 'cli', 'accelerator')),
    state TEXT NOT NULL CHECK (state IN ('pending', 'ready'))
) WITHOUT ROWID;
CREATE TABLE published (
    parent TEXT NOT NULL,
    trait TEXT NOT NULL,
    PRIMARY KEY (parent, trait)
) WITHOUT ROWID;
CREATE INDEX claims_consumer ON claims (consumer);
CREATE INDEX mdevs_parent ON mdevs (parent);
CREATE INDEX mdevs_type ON mdevs (mdev_type);
"""

# One statement, so that it sees one state of the record.
_READ = """
SELECT mdevs.uuid, parent, mdev_type, origin, attributes, backend,
       consumer, resource_class, owner, state
FROM mdevs LEFT JOIN claims ON claims.uuid = mdevs.uuid
"""
_IN_SCOPE = """
WHERE mdevs.uuid IN (
    SELECT uuid FROM mdevs WHERE parent IN (SELECT value FROM json_each(:parents))
    UNION
    SELECT uuid FROM mdevs WHERE mdev_type IN (SELECT value FROM json_each(:types))
    UNION
    SELECT uuid FROM claims WHERE consumer = :consumer
)
"""


class Damaged(sqlite3.DatabaseError):
    """A row that no release wrote."""


class Session:
    """The changes of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def load(self) -> record.Claims:
        """The record as this transaction sees it."""
        return read(self._connection, None)

    def add_mdev(self, known: record.MdevRecord) -> None:
        """Record an mdev."""
        self._connection.execute(
            'INSERT INTO mdevs VALUES (?, ?, ?, ?, ?, ?)',
            (
                known.uuid,
                known.parent,
                known.mdev_type,
                json.dumps(known.attributes),
                known.origin.value,
                known.backend,
            ),
        )

    def add_claim(self, claim: record.Claim) -> None:
        """Give a recorded mdev to a consumer."""
        self._connection.execute(
            'INSERT INTO claims VALUES (?, ?, ?, ?, ?)',
            (
                claim.uuid,
                claim.consumer,
                claim.resource_class,
                claim.owner.value,
                claim.state.value,
            ),
        )

    def set_state(self, uuid: str, state: record.ClaimState) -> None:
        """Note whether the effect of a claim is still to come, or is done."""
        self._connection.execute(
            'UPDATE claims SET state = ? WHERE uuid = ?', (state.value, uuid)
        )

    def set_backend(self, uuid: str, backend: str | None) -> None:
        """Note what made an mdev, which is what can remove all of it."""
        self._connection.execute(
            'UPDATE mdevs SET backend = ? WHERE uuid = ?', (backend, uuid)
        )

    def set_origin(self, uuid: str, origin: record.Origin) -> None:
        """Note whether an mdev is ours to remove."""
        self._connection.execute(
            'UPDATE mdevs SET origin = ? WHERE uuid = ?', (origin.value, uuid)
        )

    def drop_claim(self, uuid: str) -> None:
        """Take an mdev from its consumer."""
        self._connection.execute('DELETE FROM claims WHERE uuid = ?', (uuid,))

    def drop_mdev(self, uuid: str) -> None:
        """Forget a mdev, and whose it was: it is gone."""
        self.drop_claim(uuid)
        self._connection.execute('DELETE FROM mdevs WHERE uuid = ?', (uuid,))

    def published(self) -> dict[str, frozenset[str]]:
        """The traits that we last gave each parent's provider, by parent."""
        return read_published(self._connection)

    def set_published(self, parent: str, traits: cabc.Iterable[str]) -> None:
        """Note which traits a parent's provider has from us; none: forget it."""
        self._connection.execute('DELETE FROM published WHERE parent = ?', (parent,))
        self._connection.executemany(
            'INSERT INTO published VALUES (?, ?)', ((parent, t) for t in set(traits))
        )


def read(connection: sqlite3.Connection, scope: record.Scope | None) -> record.Claims:
    """The rows of both tables as values: all of them, or those in the scope.

    :raises Damaged: a row that cannot be one of ours
    """
    if scope is None:
        rows = connection.execute(_READ)
    else:
        rows = connection.execute(_READ + _IN_SCOPE, _parameters(scope))
    mdevs, claims = {}, {}
    for uuid, *facts in rows:
        try:
            mdevs[uuid] = _mdev(uuid, *facts[:5])
            if facts[5] is not None:
                claims[uuid] = _claim(uuid, *facts[5:])
        except (ValueError, TypeError, exceptions.MdevError) as e:
            raise Damaged(f'the row of mdev {uuid} is damaged: {e}') from e
    return record.Claims(mdevs=mdevs, claims=claims)


def read_published(connection: sqlite3.Connection) -> dict[str, frozenset[str]]:
    """The traits that we last gave each parent's provider, by parent."""
    found: dict[str, set[str]] = {}
    for parent, trait in connection.execute('SELECT parent, trait FROM published'):
        found.setdefault(parent, set()).add(trait)
    return {parent: frozenset(traits) for parent, traits in found.items()}


def _parameters(scope: record.Scope) -> dict[str, str | None]:
    return {
        'parents': json.dumps(sorted(scope.parents)),
        'types': json.dumps(sorted(scope.mdev_types)),
        'consumer': scope.consumer,
    }


def _mdev(
    uuid: str,
    parent: str,
    mdev_type: str,
    origin: str,
    attributes: str,
    backend: str | None,
) -> record.MdevRecord:
    pairs: list[ty.Any] = json.loads(attributes)
    return record.MdevRecord(
        uuid=uuid,
        parent=parent,
        mdev_type=mdev_type,
        origin=record.Origin(origin),
        attributes=tuple((name, value) for name, value in pairs),
        backend=backend,
    )


def _claim(
    uuid: str, consumer: str, resource_class: str, owner: str, state: str
) -> record.Claim:
    return record.Claim(
        consumer=consumer,
        uuid=uuid,
        resource_class=resource_class,
        owner=record.Owner(owner),
        state=record.ClaimState(state),
    )
