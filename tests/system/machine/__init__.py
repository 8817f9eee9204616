# SPDX-License-Identifier: Apache-2.0
"""A Debian machine with real mdevs, on any x86_64 computer.

It is built from the distribution's packages once, kept in a cache, and run
under plain QEMU emulation: no KVM, no hardware, no network. Only the standard
library is used, so that this runs before anything of ours is installed.
``python3 -m tests.system.machine`` is the same by hand.
"""

from tests.system.machine.agent import Result
from tests.system.machine.errors import CommandFailed
from tests.system.machine.errors import DidNotComeUp
from tests.system.machine.errors import MachineDied
from tests.system.machine.errors import MachineError
from tests.system.machine.errors import NeedsMissing
from tests.system.machine.errors import TimedOut
from tests.system.machine.layers import obtain_image
from tests.system.machine.machine import Machine
from tests.system.machine.network import Network

__all__ = [
    'CommandFailed',
    'DidNotComeUp',
    'Machine',
    'MachineDied',
    'MachineError',
    'NeedsMissing',
    'Network',
    'Result',
    'TimedOut',
    'obtain_image',
]
