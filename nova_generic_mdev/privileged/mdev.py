# SPDX-License-Identifier: Apache-2.0
"""Create, configure and remove one mdev of this machine, by way of the helper.

All raise :class:`OSError` as the kernel gave it, :class:`ValueError` for a name
that cannot be one, and :class:`~.exceptions.HostError` where the helper itself
fails: it cannot be started, or does not answer.
"""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import privileged
from nova_generic_mdev.privileged import entry


def create(parent_sysname: str, mdev_type: str, uuid: str) -> None:
    """Create an mdev; see :func:`.writer.create`."""
    _call(entry.create, parent_sysname, mdev_type, uuid)


def set_attribute(uuid: str, name: str, value: str) -> None:
    """Set one attribute of an mdev; see :func:`.writer.set_attribute`."""
    _call(entry.set_attribute, uuid, name, value)


def remove(uuid: str) -> None:
    """Remove an mdev that nobody uses; see :func:`.writer.remove`."""
    _call(entry.remove, uuid)


def _call(entry_point: cabc.Callable[..., entry.Answer], *arguments: str) -> None:
    with privileged.reported():
        number, text = entry_point(*arguments)
    if number:
        raise OSError(number, text)
