# SPDX-License-Identifier: Apache-2.0
"""The rows of the record, written and read.

An mdev's row goes last, after the mdev is gone.
"""

from __future__ import annotations

import collections.abc as cabc
import functools
import json
import sqlite3
import typing as ty

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import record
from nova_generic_mdev.claims import schema

_READ = """
SELECT mdevs.uuid, parent, mdev_type, origin, attributes, backend,
       consumer, resource_class, owner, {state}, {migration}
FROM mdevs LEFT JOIN claims ON claims.uuid = mdevs.uuid
"""
_IN_SCOPE = """
WHERE mdevs.uuid IN (
    SELECT uuid FROM mdevs WHERE parent IN (SELECT value FROM json_each(:parents))
    UNION
    SELECT uuid FROM mdevs WHERE mdev_type IN (SELECT value FROM json_each(:types))
    UNION
    SELECT uuid FROM claims WHERE consumer = :consumer
    UNION
    SELECT value FROM json_each(:mdevs)
)
"""
_DRAINED = 'SELECT parent FROM drained'
_ADD_MDEV = """
INSERT INTO mdevs (uuid, parent, mdev_type, attributes, origin, backend)
VALUES (?, ?, ?, ?, ?, ?)
"""
_OR_CHANGE_IT = """
ON CONFLICT (uuid) DO UPDATE SET
    parent = excluded.parent, mdev_type = excluded.mdev_type,
    attributes = excluded.attributes, origin = excluded.origin,
    backend = excluded.backend
"""


class Damaged(sqlite3.DatabaseError):
    """A row that no release wrote."""


class Session:
    """The changes of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def load(self, scope: record.Scope | None = None) -> record.Claims:
        """The record, or this part of it, as this transaction sees it."""
        return read(self._connection, scope)

    def add_mdev(self, known: record.MdevRecord) -> None:
        """Record an mdev."""
        self._connection.execute(_ADD_MDEV, _row_of(known))

    def put_mdev(self, known: record.MdevRecord) -> None:
        """Record an mdev as it is now, known before or not; its claim stays."""
        self._connection.execute(_ADD_MDEV + _OR_CHANGE_IT, _row_of(known))

    def add_claim(self, claim: record.Claim) -> None:
        """Give a recorded mdev to a consumer."""
        self._connection.execute(
            'INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)',
            (
                claim.uuid,
                claim.consumer,
                claim.resource_class,
                claim.owner.value,
                claim.state.value,
                claim.migration,
            ),
        )

    def set_consumer(self, uuid: str, consumer: str) -> None:
        """Give a claimed mdev to another consumer, as it is."""
        self._connection.execute(
            'UPDATE claims SET consumer = ? WHERE uuid = ?', (consumer, uuid)
        )

    def set_arrived(self, uuid: str) -> None:
        """Note that no live migration is needed any more to bring the consumer."""
        self._connection.execute(
            'UPDATE claims SET migration = NULL WHERE uuid = ?', (uuid,)
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

    def published(self) -> cabc.Mapping[str, frozenset[str]]:
        """The traits that we last gave each parent's provider, by parent."""
        return read_published(self._connection)

    def set_published(self, parent: str, traits: cabc.Iterable[str]) -> None:
        """Note which traits a parent's provider has from us; none: forget it."""
        self._connection.execute('DELETE FROM published WHERE parent = ?', (parent,))
        self._connection.executemany(
            'INSERT INTO published VALUES (?, ?)', ((parent, t) for t in set(traits))
        )

    def set_drained(self, parent: str, *, drained: bool) -> None:
        """Note whether anything new may land on a parent, known or not."""
        change = 'DELETE FROM drained WHERE parent = ?'
        if drained:
            change = 'INSERT OR IGNORE INTO drained VALUES (?)'
        self._connection.execute(change, (parent,))


def read(connection: sqlite3.Connection, scope: record.Scope | None) -> record.Claims:
    """The rows of both tables as values: all of them, or those in the scope.

    To be called in a transaction: the version and the rows are of one moment.

    :raises Damaged: a row that cannot be one of ours
    """
    version = schema.version(connection)
    # Who may not write reads a record of an older version as it would become.
    select = _READ.format(
        state=schema.OLDER_STATE if version < 3 else 'state',
        migration='NULL' if version == 1 else 'migration',
    )
    if scope is None:
        rows = connection.execute(select)
    else:
        rows = connection.execute(select + _IN_SCOPE, _parameters(scope))
    mdevs, claims = {}, {}
    for uuid, *facts in rows:
        try:
            mdevs[uuid] = _mdev(uuid, *facts[:5])
            if facts[5] is not None:
                claims[uuid] = _claim(uuid, *facts[5:])
        except (ValueError, TypeError, exceptions.MdevError) as e:
            raise Damaged(f'the row of mdev {uuid} is damaged: {e}') from e
    return record.Claims(mdevs=mdevs, claims=claims, drained=read_drained(connection))


def read_published(
    connection: sqlite3.Connection,
) -> cabc.Mapping[str, frozenset[str]]:
    """The traits that we last gave each parent's provider, by parent."""
    found: dict[str, set[str]] = {}
    for parent, trait in connection.execute('SELECT parent, trait FROM published'):
        found.setdefault(parent, set()).add(trait)
    return model.freeze({p: frozenset(traits) for p, traits in found.items()})


def read_drained(connection: sqlite3.Connection) -> frozenset[str]:
    """The parents on which nothing new is to land; older records knew none."""
    if not schema.knows_drained(connection):
        return frozenset()
    return frozenset(parent for (parent,) in connection.execute(_DRAINED))


def _parameters(scope: record.Scope) -> dict[str, str | None]:
    return {
        'parents': json.dumps(sorted(scope.parents)),
        'types': json.dumps(sorted(scope.mdev_types)),
        'consumer': scope.consumer,
        'mdevs': json.dumps(sorted(scope.mdevs)),
    }


def _row_of(known: record.MdevRecord) -> tuple[str | None, ...]:
    return (
        known.uuid,
        known.parent,
        known.mdev_type,
        json.dumps(known.attributes),
        known.origin.value,
        known.backend,
    )


# Most rows are what they were when they were last read; of a row that is no longer
# there, the value goes in time.
_remembered = functools.lru_cache(maxsize=4096)


@_remembered
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


@_remembered
def _claim(
    uuid: str,
    consumer: str,
    resource_class: str,
    owner: str,
    state: str,
    migration: str | None,
) -> record.Claim:
    return record.Claim(
        consumer=consumer,
        uuid=uuid,
        resource_class=resource_class,
        owner=record.Owner(owner),
        state=record.ClaimState(state),
        migration=migration,
    )
