# SPDX-License-Identifier: Apache-2.0
"""Commands one after another, in one machine, each in a process of its own.

One of ``nova-mdev`` may be killed right before or right after one of its effects,
or stopped there: a knife is BEFORE, AFTER or STOP, one of `EFFECTS`, and the number
of the one of its kind.

It runs in the machine, with the Python of the installed program, which has all of
it loaded once: to start takes longer there than what a command does.  It reads what
there is to do (`program.Step`) and writes what came of it, both as JSON.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

# Where each is done: module, class and function, and its first argument.
EFFECTS = {
    'commit': ('nova_generic_mdev.claims.opening:Connection.execute', 'COMMIT'),
    'define': ('libvirt:virConnect.nodeDeviceDefineXML', None),
    'start': ('libvirt:virNodeDevice.create', None),
    'autostart': ('libvirt:virNodeDevice.setAutostart', None),
    'destroy': ('libvirt:virNodeDevice.destroy', None),
    'undefine': ('libvirt:virNodeDevice.undefine', None),
    'create': ('nova_generic_mdev.privileged.mdev:create', None),
    'remove': ('nova_generic_mdev.privileged.mdev:remove', None),
}
# What it gets, before the effect and after it.
SIGNALS = {
    'before': (signal.SIGKILL, None),
    'after': (None, signal.SIGKILL),
    'stop': (signal.SIGSTOP, None),
}
# They stand on what this machine lacks.
_NOT_HERE = ('nova_generic_mdev.adapters.nova', 'nova_generic_mdev.tempest')


def get(number: signal.Signals | None) -> None:
    """As from outside: nothing is undone, nothing is flushed."""
    if number is not None:
        os.kill(os.getpid(), number)


def cut(side: str, effect: str, number: int) -> None:
    """Put the knife where an effect is done."""
    place, argument = EFFECTS[effect]
    module, _, path = place.partition(':')
    owner: Any = importlib.import_module(module)
    *inner, name = path.split('.')
    for part in inner:
        owner = getattr(owner, part)
    whole: Callable[..., Any] = getattr(owner, name)
    left = number

    @functools.wraps(whole)
    def knife(*arguments: Any, **more: Any) -> Any:
        nonlocal left
        is_one = argument is None or argument in arguments
        left -= is_one
        first, last = SIGNALS[side] if is_one and left == 0 else (None, None)
        get(first)
        result = whole(*arguments, **more)
        get(last)
        return result

    setattr(owner, name, knife)


def load() -> None:
    """Have all that commands use, so that none has to load it."""
    import libvirt  # noqa: F401

    import nova_generic_mdev

    found = pkgutil.walk_packages(nova_generic_mdev.__path__, 'nova_generic_mdev.')
    for module in found:
        if not module.name.startswith(_NOT_HERE):
            importlib.import_module(module.name)


def run(words: list[str], knife: list[Any] | None) -> tuple[int, str, str]:
    """Run a command of the program; its status is as a shell tells it."""
    from nova_generic_mdev.cmd import main

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            if knife is not None:
                cut(*knife)
            sys.exit(main.main(words))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = [os.pread(f.fileno(), 1 << 24, 0).decode() for f in (out, err)]
    return code if code >= 0 else 128 - code, texts[0], texts[1]


def bash(line: str) -> tuple[int, str, str]:
    """Run a line of bash."""
    done = subprocess.run(
        ['/bin/bash', '-c', line], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


if __name__ == '__main__':
    load()
    results = [
        bash(step['bash']) if step['bash'] else run(step['words'], step['knife'])
        for step in json.load(sys.stdin)
    ]
    json.dump(results, sys.stdout)
