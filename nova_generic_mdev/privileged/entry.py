# SPDX-License-Identifier: Apache-2.0
"""The entry points: what the helper does for us, on this machine's sysfs.

They take names and never a path.  What the kernel refuses is returned, as an
error number and a text, and what cannot be a name is a :class:`ValueError`: so
neither can be mistaken for a failure of the helper itself.
"""

from __future__ import annotations

import collections.abc as cabc
import os

from nova_generic_mdev.privileged import context
from nova_generic_mdev.privileged import writer

SYSFS = '/sys'
# A driver may talk to its firmware to make one; longer than that it is stuck.
SECONDS = 120.0
Answer = tuple[int, str]


@context.entrypoint_with_timeout(SECONDS)
def create(parent_sysname: str, mdev_type: str, uuid: str) -> Answer:
    """Create an mdev; see :func:`.writer.create`."""
    return _answer(lambda: writer.create(SYSFS, parent_sysname, mdev_type, uuid))


@context.entrypoint_with_timeout(SECONDS)
def set_attribute(uuid: str, name: str, value: str) -> Answer:
    """Set one attribute of an mdev; see :func:`.writer.set_attribute`."""
    return _answer(lambda: writer.set_attribute(SYSFS, uuid, name, value))


@context.entrypoint_with_timeout(SECONDS)
def remove(uuid: str) -> Answer:
    """Remove an mdev that nobody uses; see :func:`.writer.remove`."""
    return _answer(lambda: writer.remove(SYSFS, uuid))


def _answer(write: cabc.Callable[[], None]) -> Answer:
    try:
        write()
    except OSError as e:
        return e.errno or 0, e.strerror or os.strerror(e.errno or 0)
    return 0, ''
