# SPDX-License-Identifier: Apache-2.0
"""The audit: all checks over one set of witnesses."""

from __future__ import annotations

from nova_generic_mdev.audit import consumers
from nova_generic_mdev.audit import facts as factslib
from nova_generic_mdev.audit import findings
from nova_generic_mdev.audit import host
from nova_generic_mdev.audit import mdevs
from nova_generic_mdev.audit import publication
from nova_generic_mdev.audit import users
from nova_generic_mdev.audit import witnesses
from nova_generic_mdev.audit.kinds import Severity

_CHECKS = (host, mdevs, users, consumers, publication)
_ORDER = list(Severity)


def audit(told: witnesses.Witnesses) -> tuple[findings.Finding, ...]:
    """All on which the witnesses differ, errors first; none: they agree.

    A difference is told once for each thing that it is about.  What a witness
    that is None would have had to tell is left out.
    """
    facts = factslib.Facts(told)
    found = [finding for check in _CHECKS for finding in check.find(facts)]
    return tuple(sorted(found, key=lambda one: _ORDER.index(one.severity)))
