# SPDX-License-Identifier: Apache-2.0
"""The one orchestrator: lock, look, decide, claim, act; undo what failed.

Whoever gives devices to guests — the command line, the Nova driver — calls
:class:`Engine`, and nothing else changes the host or the record.
"""

from nova_generic_mdev.engine.accelerating import Ask
from nova_generic_mdev.engine.engine import Engine
from nova_generic_mdev.engine.giving import Device
from nova_generic_mdev.engine.looking import Look
from nova_generic_mdev.engine.reconciling import Elsewhere
from nova_generic_mdev.engine.recovering import Recovery

__all__ = ['Ask', 'Device', 'Elsewhere', 'Engine', 'Look', 'Recovery']
