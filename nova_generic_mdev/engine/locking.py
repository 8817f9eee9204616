# SPDX-License-Identifier: Apache-2.0
"""Who waits for whom.

==========  ===============================================================
lock        held by
==========  ===============================================================
consumer    whoever gives to or takes from one consumer, first of all; in the
            place of one, the uuid of an mdev that nobody has and that is
            named: another one may be about to forget it
device      whoever gives of a physical device, from the look at it until
            its mdevs are made; nobody who removes, which can take long
mdev type   the same, for a type of which the host may have only so many
record      every transaction, and nothing else inside of it
==========  ===============================================================
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib

from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import host as hostlib


def consumers(
    store: claimslib.ClaimStore, *uuids: str
) -> contextlib.AbstractContextManager[None]:
    """Hold one consumer, or several, which are taken in one order.

    By their last digits: there is no end of consumers, and each lock is a file.
    """
    return store.locks.held({f'consumer-{uuid[-2:]}' for uuid in uuids})


def device(
    store: claimslib.ClaimStore, physical_device: str
) -> contextlib.AbstractContextManager[None]:
    """Hold one physical device."""
    return store.locks.held([_device(physical_device)])


@contextlib.contextmanager
def devices(
    host: hostlib.Host,
    store: claimslib.ClaimStore,
    parents: cabc.Collection[str],
    mdev_types: cabc.Iterable[str] = (),
) -> cabc.Iterator[None]:
    """Hold the physical devices of these parents, and these types.

    :raises HostError: nobody can tell which devices those are
    """
    look = host.snapshot(parents)
    wanted = {_device(parent.physical_device) for parent in look.parents.values()}
    wanted |= {f'type-{mdev_type}' for mdev_type in mdev_types}
    with store.locks.held(wanted):
        yield


def _device(physical_device: str) -> str:
    return f'device-{physical_device}'
