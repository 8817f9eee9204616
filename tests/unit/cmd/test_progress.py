# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

from nova_generic_mdev.cmd import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_told():
    terminal = Terminal()
    progress.say(terminal, 3, 12, 'set traits')
    assert terminal.getvalue() == '[ 3/12] set traits\n'


def test_a_pipe_is_not():
    pipe = io.StringIO()
    progress.say(pipe, 3, 12, 'set traits')
    assert pipe.getvalue() == ''
