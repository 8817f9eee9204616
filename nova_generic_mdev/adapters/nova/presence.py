# SPDX-License-Identifier: Apache-2.0
"""Parents that come and go while nova-compute runs: each is named once.

A provider stays while anything is claimed there, with nothing free; so nobody
would hear of it otherwise.  This module needs no Nova.
"""

from __future__ import annotations

import collections
import collections.abc as cabc

from oslo_log import log as logging

from nova_generic_mdev import model
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record

LOG = logging.getLogger(__name__)


class Presence:
    """Remembers which parents of ours were there at the last look."""

    def __init__(self) -> None:
        self._seen: frozenset[str] | None = None
        self._away: frozenset[str] = frozenset()

    def tell(
        self,
        resolution: policylib.Resolution,
        snapshot: model.HostSnapshot,
        claims: record.Claims,
    ) -> None:
        """Log what changed since the last look; of a first one, what is away."""
        unread = {fault.parent for fault in snapshot.faults}
        claimed = _claimed(claims)
        away = claimed.keys() - snapshot.parents.keys() - unread
        for parent in sorted(away - self._away):
            LOG.warning(
                'parent device %s is not there, and %d of its mdevs are claimed: '
                'nothing is given there; load its driver, or make its virtual '
                'functions, then reboot their guests hard',
                parent,
                claimed[parent],
            )
        for parent in sorted(self._away & snapshot.parents.keys()):
            LOG.info('parent device %s is there again', parent)
        if self._seen is not None:
            for parent in sorted(resolution.rules.keys() - self._seen - self._away):
                LOG.info('parent device %s is new here: it is published', parent)
            for parent in sorted(self._seen - snapshot.parents.keys() - away - unread):
                LOG.info(
                    'parent device %s is gone, and nothing of it is claimed', parent
                )
        self._seen, self._away = frozenset(resolution.rules), frozenset(away)


def _claimed(claims: record.Claims) -> cabc.Mapping[str, int]:
    """How many are claimed on each parent."""
    return collections.Counter(claims.mdevs[uuid].parent for uuid in claims.claims)
