# SPDX-License-Identifier: Apache-2.0
"""``nova-mdev``, killed right before or after one of its effects, or stopped there.

It runs in the machine, with the Python of the installed program::

    cut.py before|after|stop EFFECT NUMBER WORD...

The effect is one of `EFFECTS`, and the NUMBERth of its kind.  What is stopped before
it hangs, and goes on when it is told to.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

# Where each is done: module, class and function, and its first argument.
EFFECTS = {
    'commit': ('nova_generic_mdev.claims.store:_Connection.execute', 'COMMIT'),
    'define': ('libvirt:virConnect.nodeDeviceDefineXML', None),
    'start': ('libvirt:virNodeDevice.create', None),
    'autostart': ('libvirt:virNodeDevice.setAutostart', None),
    'destroy': ('libvirt:virNodeDevice.destroy', None),
    'undefine': ('libvirt:virNodeDevice.undefine', None),
    'create': ('nova_generic_mdev.privileged.mdev:create', None),
    'remove': ('nova_generic_mdev.privileged.mdev:remove', None),
}


#: what it gets, before it and after it
SIGNALS = {
    'before': (signal.SIGKILL, None),
    'after': (None, signal.SIGKILL),
    'stop': (signal.SIGSTOP, None),
}


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
        left -= argument is None or argument in arguments
        is_it = left == 0 and (argument is None or argument in arguments)
        first, last = SIGNALS[side] if is_it else (None, None)
        get(first)
        result = whole(*arguments, **more)
        get(last)
        return result

    setattr(owner, name, knife)


if __name__ == '__main__':
    cut(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    from nova_generic_mdev.cmd import main

    sys.exit(main.main(sys.argv[4:]))
