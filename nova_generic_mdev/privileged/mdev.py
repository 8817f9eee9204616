# SPDX-License-Identifier: Apache-2.0
"""The entry points: create, configure and remove one mdev of this machine.

They take names and never a path.  They raise :class:`OSError` as the kernel
gave it and :class:`ValueError` for a name that cannot be one: both cross the
helper's socket unharmed.
"""

from __future__ import annotations

from nova_generic_mdev.privileged import context
from nova_generic_mdev.privileged import writer

SYSFS = '/sys'


@context.entrypoint
def create(parent_sysname: str, mdev_type: str, uuid: str) -> None:
    """Create an mdev; see :func:`.writer.create`."""
    writer.create(SYSFS, parent_sysname, mdev_type, uuid)


@context.entrypoint
def set_attribute(uuid: str, name: str, value: str) -> None:
    """Set one attribute of an mdev; see :func:`.writer.set_attribute`."""
    writer.set_attribute(SYSFS, uuid, name, value)


@context.entrypoint
def remove(uuid: str) -> None:
    """Remove an mdev that nobody uses; see :func:`.writer.remove`."""
    writer.remove(SYSFS, uuid)
