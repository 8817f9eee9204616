# SPDX-License-Identifier: Apache-2.0
"""What the tests of the record let other processes do."""

from __future__ import annotations

import os
import signal
import sqlite3

from nova_generic_mdev import claims
from nova_generic_mdev import record
from tests.unit import scenes

MACHINE = 'm' * 32


def add(state_path: str, numbers: list[int]) -> None:
    """Record one mdev in each of so many transactions."""
    store = claims.ClaimStore(state_path, MACHINE)
    store.create(record.Claims())
    for number in numbers:
        with store.transaction() as session:
            # What is there must be seen, and be counted up from.
            seen = len(session.load().mdevs)
            session.add_mdev(mdev(number, mdev_type=f't-{seen}'))


def die_in_a_transaction(state_path: str) -> None:
    """Be killed when part of a large change has reached the file."""
    path = os.path.join(state_path, 'claims.sqlite')
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute('PRAGMA cache_size = 1')
    connection.execute('BEGIN IMMEDIATE')
    session = claims.Session(connection)
    for number in range(3000):
        uuid = f'dead0000-0000-4000-8000-{number:012x}'
        session.add_mdev(mdev(0, uuid=uuid, parent='x' * 200))
    os.kill(os.getpid(), signal.SIGKILL)


def die_while_making(state_path: str) -> None:
    """Be killed just before the new record gets its name."""
    store = claims.ClaimStore(state_path, MACHINE)
    os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    store.create(record.Claims(mdevs={scenes.UUIDS[0]: mdev(0)}))


def hold(state_path: str, ready, done) -> None:
    """Hold the lock of all writers until told."""
    store = claims.ClaimStore(state_path, MACHINE)
    with store.transaction():
        ready.set()
        done.wait(30)


def mdev(number: int, **more) -> record.MdevRecord:
    more = {'uuid': scenes.UUIDS[number], 'parent': 'dev_p', 'mdev_type': 't-1'} | more
    return record.MdevRecord(origin=record.Origin.CREATED, **more)
