# SPDX-License-Identifier: Apache-2.0
"""The record of a described host: who has which mdev."""

from __future__ import annotations

import pathlib

from benchmarks import hosts
from nova_generic_mdev import claims
from nova_generic_mdev import record


def store_of(described: hosts.Described, path: pathlib.Path) -> claims.ClaimStore:
    """A record in which each guest has claimed the mdev that it has."""
    store = claims.ClaimStore(str(path), claims.machine_id())
    store.create(record.all_found(described.snapshot))
    with store.transaction() as session:
        for guest in described.guests:
            if guest.mdev is not None:
                session.set_origin(guest.mdev, record.Origin.CREATED)
                session.set_backend(guest.mdev, 'sysfs')
                session.add_claim(
                    record.Claim(
                        consumer=guest.uuid, uuid=guest.mdev, resource_class='VGPU'
                    )
                )
    return store
