# SPDX-License-Identifier: Apache-2.0
"""A shell in a machine, at the user's own terminal."""

from __future__ import annotations

import os
import select
import shutil
import socket
import sys
import termios
import threading
import tty

from tests.system.machine import errors
from tests.system.machine.machine import Machine

_LEAVE = b'\x1d'  # Control and ]
_DAY = 86400.0


def attach(machine: Machine) -> None:
    """Give the user a shell until it ends, or until Control and ].

    :raises MachineError: standard input is not a terminal.
    """
    if not sys.stdin.isatty():
        raise errors.MachineError('a shell needs a terminal; "run" does not')
    size = shutil.get_terminal_size()
    shell = (
        f'stty -F /dev/ttyS1 rows {size.lines} columns {size.columns} && '
        'exec setsid --ctty --wait bash -l -i <> /dev/ttyS1 >&0 2>&1'
    )
    runs = threading.Thread(
        target=machine.run,
        args=(shell,),
        kwargs={'timeout': _DAY, 'check': False},
        daemon=True,
    )
    settings = termios.tcgetattr(sys.stdin)
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(machine.terminal))
        runs.start()
        try:
            tty.setraw(sys.stdin)
            _relay(line, runs)
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)


def _relay(line: socket.socket, runs: threading.Thread) -> None:
    while runs.is_alive():
        ready, _, _ = select.select([sys.stdin, line], [], [], 0.5)
        if sys.stdin in ready:
            typed = os.read(sys.stdin.fileno(), 1024)
            if not typed or _LEAVE in typed:
                return
            line.sendall(typed)
        if line in ready:
            shown = line.recv(65536)
            if not shown:
                return
            os.write(sys.stdout.fileno(), shown)
