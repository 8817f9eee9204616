# SPDX-License-Identifier: Apache-2.0
"""Lets a parent run empty, before its driver is upgraded say."""

from __future__ import annotations

from oslo_log import log as logging

from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import exceptions
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import model
from nova_generic_mdev.engine import locking

LOG = logging.getLogger(__name__)


@model.value
class Drained:
    """What became of a parent.

    :param changed: whether it was otherwise before
    :param claims: how many mdevs there are still somebody's
    """

    parent: str
    drained: bool
    changed: bool
    claims: int


def set_drained(
    host: hostlib.Host, store: claimslib.ClaimStore, parent: str, *, drained: bool
) -> Drained:
    """Say whether anything new may land on a parent; what is there stays.

    Who is giving of its device right now is waited for: afterwards what is
    claimed there can only get less.  A parent that is away may be drained where it
    is known, and every drained one can be undrained.

    :raises NotFound: it is neither there nor known
    :raises ClaimsError: the record cannot be written
    :raises HostError: the host cannot be looked at
    """
    is_there = parent in host.snapshot([parent]).parents
    with locking.devices(host, store, [parent]), store.transaction() as session:
        known = session.load()
        before = parent in known.drained
        ours = {
            mdev.parent for mdev in known.mdevs.values()
        } | session.published().keys()
        if not (is_there or before or parent in ours):
            raise exceptions.NotFound(
                f'parent {parent}',
                'there is none; "nova-mdev parent list" names what is there',
            )
        session.set_drained(parent, drained=drained)
    left = sum(known.mdevs[uuid].parent == parent for uuid in known.claims)
    if before != drained:
        told = 'drained: nothing new lands there' if drained else 'drained no more'
        LOG.info('parent %s is %s; %d of its mdevs are claimed', parent, told, left)
    return Drained(
        parent=parent, drained=drained, changed=before != drained, claims=left
    )
