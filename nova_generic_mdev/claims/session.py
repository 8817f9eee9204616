# SPDX-License-Identifier: Apache-2.0
"""The two tables of the record: their rows, written and read.

An mdev's row goes last, after the mdev is gone.
"""

from __future__ import annotations

import json
import sqlite3

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
CREATE INDEX claims_consumer ON claims (consumer);
CREATE INDEX mdevs_parent ON mdevs (parent);
"""


class Session:
    """The changes of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def load(self) -> record.Claims:
        """The record as this transaction sees it."""
        return read(self._connection)

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

    def set_ready(self, uuid: str) -> None:
        """Note that a pending claim's mdev is there."""
        self._connection.execute(
            "UPDATE claims SET state = 'ready' WHERE uuid = ?", (uuid,)
        )

    def drop_claim(self, uuid: str) -> None:
        """Take a mdev from its consumer."""
        self._connection.execute('DELETE FROM claims WHERE uuid = ?', (uuid,))

    def drop_mdev(self, uuid: str) -> None:
        """Forget a mdev, and whose it was: it is gone."""
        self.drop_claim(uuid)
        self._connection.execute('DELETE FROM mdevs WHERE uuid = ?', (uuid,))


def read(connection: sqlite3.Connection) -> record.Claims:
    """All rows of both tables, as values."""
    mdevs = [
        record.MdevRecord(
            uuid=uuid,
            parent=parent,
            mdev_type=mdev_type,
            attributes=tuple((name, value) for name, value in json.loads(attributes)),
            origin=record.Origin(origin),
            backend=backend,
        )
        for uuid, parent, mdev_type, attributes, origin, backend in connection.execute(
            'SELECT uuid, parent, mdev_type, attributes, origin, backend FROM mdevs'
        )
    ]
    claims = [
        record.Claim(
            uuid=uuid,
            consumer=consumer,
            resource_class=resource_class,
            owner=record.Owner(owner),
            state=record.ClaimState(state),
        )
        for uuid, consumer, resource_class, owner, state in connection.execute(
            'SELECT uuid, consumer, resource_class, owner, state FROM claims'
        )
    ]
    return record.Claims(
        mdevs={known.uuid: known for known in mdevs},
        claims={claim.uuid: claim for claim in claims},
    )
