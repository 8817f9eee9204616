# SPDX-License-Identifier: Apache-2.0
"""A write to sysfs that may block for as long as a guest runs, and a bound on it.

Nothing ends such a write once the kernel has begun, not even a kill.  So a
process of its own does it, and is left behind where it takes too long: no
thread of the helper is used up, and nobody waits for a file that it holds.
"""

from __future__ import annotations

import errno
import os
import select


def write(path: str, text: bytes, seconds: float) -> None:
    """Write to a file.

    :raises OSError: as the kernel gave it; ETIMEDOUT: the write goes on
    """
    target = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    reading, writing = os.pipe()
    try:
        child = os.fork()
        if child == 0:
            _in_child(target, writing, text)
        os.close(writing)
        os.waitpid(child, 0)
        answered, _, _ = select.select([reading], [], [], seconds)
        number = int(os.read(reading, 16) or errno.EIO) if answered else errno.ETIMEDOUT
    finally:
        os.close(reading)
        os.close(target)
    if number:
        raise OSError(number, os.strerror(number))


def _in_child(target: int, writing: int, text: bytes) -> None:
    """Never returns.  The child's child writes, and init takes it over."""
    try:
        if os.fork() == 0:
            # All other files are somebody else's, who may wait for their end.
            os.dup2(writing, 0)
            os.dup2(target, 1)
            os.closerange(2, os.sysconf('SC_OPEN_MAX'))
            os.write(0, str(_number(1, text)).encode())
    finally:
        os._exit(0)


def _number(target: int, text: bytes) -> int:
    try:
        os.write(target, text)
    except OSError as e:
        return e.errno or errno.EIO
    return 0
