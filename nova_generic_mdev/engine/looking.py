# SPDX-License-Identifier: Apache-2.0
"""Looks that change nothing: at the host and the record, and at device APIs."""

from __future__ import annotations

import collections.abc as cabc

from oslo_log import log as logging

from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import devices as deviceslib
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import model
from nova_generic_mdev import record
from nova_generic_mdev.engine import giving

LOG = logging.getLogger(__name__)
# An allocation takes a moment; several in a row do not end in a hurry.
_LOOKS = 5


@model.value
class Look:
    """The host and the record, at one moment."""

    snapshot: model.HostSnapshot
    claims: record.Claims


def look(
    host: hostlib.Reader,
    store: claimslib.ClaimStore,
    guests: cabc.Callable[[], cabc.Collection[str] | None],
    parents: cabc.Collection[str] | None = None,
) -> Look:
    """A look at the host and at the record that go together.

    A claim is written before its effect and dropped after it.  So claims that
    are the same before and after a look at the host fit what was seen: what
    happened to the host meanwhile belongs to a claim that is among them, and one
    that is claimed counts the same whether it is there yet, or still.  No lock
    is held, so nobody waits for a look.

    Where mdevs are given and taken faster than they can be counted, the record
    is the later of the two: it may have claims whose effect was not seen.

    :param guests: asked where there is no record: what they have was not found
    :param parents: look at these alone; the record is always told whole
    :raises ClaimsError: the record cannot be read
    :raises HostError: the host cannot be looked at
    """
    known = _load(store)
    for _ in range(_LOOKS):
        snapshot = host.snapshot(parents)
        before, known = known, _load(store)
        if known == before:
            break
    else:
        LOG.debug('claims changed during each of %d looks at the host', _LOOKS)
    if known is None:
        known = record.all_found(snapshot, guests() or ())
    return Look(snapshot=snapshot, claims=known)


def _load(store: claimslib.ClaimStore) -> record.Claims | None:
    return store.load() if store.exists() else None


def apis(
    host: hostlib.Reader, devices: cabc.Collection[giving.Device]
) -> dict[str, str]:
    """See :meth:`.Engine.apis`."""
    if not devices:
        return {}
    snapshot = host.snapshot({device.parent for device in devices})
    return {d.uuid: deviceslib.device_api(snapshot, d) for d in devices}
