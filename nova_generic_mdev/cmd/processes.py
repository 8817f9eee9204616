# SPDX-License-Identifier: Apache-2.0
"""What else runs on this host (proc(5))."""

from __future__ import annotations

import pathlib
import re

PROC = '/proc'
# What a program that gives itself a title writes over its arguments.
_TITLE = re.compile(r'nova-compute(: .*)?')
_INTERPRETER = re.compile(r'python[\d.]*|(ba|da)?sh')
_COMMAND = 'nova-compute'
_MODULE = 'nova.cmd.compute'


def nova_compute(proc: str = PROC) -> int | None:
    """The process id of a nova-compute of this host, the lowest; or None.

    Those in containers are seen from the host, and not the other way round.

    :param proc: root of the proc file system
    """
    found = (int(p.name) for p in pathlib.Path(proc).iterdir() if p.name.isdecimal())
    return next((i for i in sorted(found) if _is_it(pathlib.Path(proc, str(i)))), None)


def _is_it(process: pathlib.Path) -> bool:
    try:
        command = (process / 'cmdline').read_bytes().decode(errors='replace')
    except OSError:
        # It ended, or it is not for us to see.
        return False
    program, *arguments = command.rstrip('\0').split('\0')
    if _TITLE.fullmatch(program) or _base(program) == _COMMAND:
        return True
    if _INTERPRETER.fullmatch(_base(program)) is None:
        return False
    script = next((a for a in arguments if not a.startswith('-')), '')
    return _base(script) == _COMMAND or arguments[:2] == ['-m', _MODULE]


def _base(path: str) -> str:
    return path.rpartition('/')[2]
