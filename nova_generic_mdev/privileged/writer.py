# SPDX-License-Identifier: Apache-2.0
"""What the privileged entry points do, below a sysfs root that is an argument.

Every name is checked again on this side of the privilege boundary and every
path is built here, below the directory of a device that the kernel registered
(Documentation/ABI/testing/sysfs-bus-vfio-mdev).
"""

from __future__ import annotations

import collections.abc as cabc
import errno
import os
import re

from nova_generic_mdev import exceptions
from nova_generic_mdev import names

_ATTRIBUTE = re.compile(r'[A-Za-z0-9_.-]+')
# The mdev core's own files, and what would take the device from its driver.
_NOT_ATTRIBUTES = frozenset({'remove', 'create', 'uevent', 'driver_override'})


def create(root: str, parent_sysname: str, mdev_type: str, uuid: str) -> None:
    """Write a uuid to the ``create`` file of a type of a parent.

    :raises ValueError: a name that cannot be one
    :raises OSError: as the kernel gave it: ENOENT (no such parent or type),
        EEXIST (the uuid is taken), ENOSPC or EUSERS (full), and what else a
        driver returns
    """
    _checked(names.sysname, parent_sysname)
    _checked(names.mdev_type, mdev_type)
    uuid = _checked(names.uuid, uuid)
    parent = _device(root, os.path.join('class/mdev_bus', parent_sysname))
    _write(os.path.join(parent, 'mdev_supported_types', mdev_type, 'create'), uuid)


def set_attribute(root: str, uuid: str, name: str, value: str) -> None:
    """Write one attribute of an mdev, ``assign_adapter`` say.

    :raises ValueError: not an attribute's name
    :raises OSError: as the kernel gave it
    """
    if _ATTRIBUTE.fullmatch(name) is None or name in _NOT_ATTRIBUTES | {'.', '..'}:
        raise ValueError(f'{name!r} is not an attribute of an mdev')
    _write(os.path.join(_mdev(root, uuid), name), value)


def remove(root: str, uuid: str) -> None:
    """Write 1 to the ``remove`` file of an mdev, unless it is in use.

    The kernel would block until the user lets go, and nothing could stop the
    writer; so its VFIO group is tried first: it can be opened only once.

    :raises OSError: EBUSY, something uses it; else as the kernel gave it
    """
    device = _mdev(root, uuid)
    _refuse_if_open(device)
    _write(os.path.join(device, 'remove'), '1')


def _refuse_if_open(device: str) -> None:
    group = os.path.basename(os.path.realpath(os.path.join(device, 'iommu_group')))
    try:
        os.close(os.open(f'/dev/vfio/{group}', os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return


def _mdev(root: str, uuid: str) -> str:
    uuid = _checked(names.uuid, uuid)
    return _device(root, os.path.join('bus/mdev/devices', uuid))


def _device(root: str, link: str) -> str:
    """The real directory of a device that the kernel links at this place."""
    path = os.path.realpath(os.path.join(root, link), strict=True)
    devices = os.path.realpath(os.path.join(root, 'devices'))
    if os.path.commonpath([path, devices]) != devices:
        raise OSError(errno.ENODEV, 'it is not a device of this sysfs', path)
    return path


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _checked(check: cabc.Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except exceptions.InvalidName as e:
        # Its constructor takes fields, which the helper's socket cannot carry.
        raise ValueError(str(e)) from None
