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

from nova_generic_mdev import exceptions
from nova_generic_mdev import names
from nova_generic_mdev.privileged import bounded

# One page with the NUL that the kernel adds (Documentation/filesystems/sysfs.rst).
_LONGEST_VALUE = 4095
_VFIO = '/dev/vfio'
_PARENTS = 'class/mdev_bus'
_BUS = 'bus/mdev/devices'
# A driver has cleaned up by then, unless it waits for the user.
_REMOVE_SECONDS = 10.0


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
    parent = _device(root, _PARENTS, parent_sysname)
    _write(parent, os.path.join('mdev_supported_types', mdev_type, 'create'), uuid)


def set_attribute(root: str, uuid: str, name: str, value: str) -> None:
    """Write one attribute of an mdev, ``assign_adapter`` say.

    :raises ValueError: not an attribute's name, or a value that none can have
    :raises OSError: as the kernel gave it
    """
    _checked(names.attribute, name)
    _checked(_value, value)
    _write(_mdev(root, uuid), name, value)


def remove(
    root: str, uuid: str, *, vfio: str = _VFIO, seconds: float = _REMOVE_SECONDS
) -> None:
    """Write 1 to the ``remove`` file of an mdev, unless it is in use.

    The kernel would block until the user lets go, and nothing could stop the
    writer; so its VFIO group is tried first: it can be opened only once.  Who
    opened it in another way (iommufd's ``/dev/vfio/devices``) cannot be seen:
    then the write is left to wait, and the mdev goes when its user does.

    :raises ValueError: not a uuid
    :raises OSError: EBUSY, something uses it; ENOENT, it is gone; else as the
        kernel gave it
    """
    _refuse_if_going(root, _checked(names.uuid, uuid))
    device = _mdev(root, uuid)
    _refuse_if_open(device, vfio)
    try:
        bounded.write(_attribute_path(device, 'remove'), b'1', seconds)
    except TimeoutError as e:
        raise OSError(errno.EBUSY, 'its removal waits for its user') from e


def _refuse_if_going(root: str, uuid: str) -> None:
    """Refuse a second removal while a first one waits for the user.

    The mdev is in its parent's directory then, and not on its bus any more.
    """
    uuid = uuid.lower()
    if os.path.lexists(os.path.join(root, _BUS, uuid)):
        return
    try:
        parents = os.listdir(os.path.join(root, _PARENTS))
    except FileNotFoundError:
        return
    for parent in parents:
        if os.path.lexists(os.path.join(root, _PARENTS, parent, uuid)):
            raise OSError(errno.EBUSY, 'its removal waits for its user')


def _refuse_if_open(device: str, vfio: str) -> None:
    group = os.path.basename(os.path.realpath(os.path.join(device, 'iommu_group')))
    try:
        os.close(os.open(os.path.join(vfio, group), os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return
    except PermissionError as e:
        # libvirt gives the group to QEMU's user for as long as the guest runs,
        # and root without capabilities may not open it then.
        raise OSError(errno.EBUSY, 'its VFIO group is given to a user') from e


def _mdev(root: str, uuid: str) -> str:
    return _device(root, _BUS, _checked(names.uuid, uuid))


def _device(root: str, place: str, name: str) -> str:
    """The real directory of the device that the kernel links at this place."""
    path = os.path.realpath(os.path.join(root, place, name), strict=True)
    devices = os.path.realpath(os.path.join(root, 'devices'))
    below = os.path.dirname(path)
    if (
        os.path.basename(path) != name
        or os.path.commonpath([below, devices]) != devices
    ):
        # Not ENODEV, which says that it is gone.
        raise OSError(errno.EXDEV, 'it is not a device of this sysfs')
    return path


def _write(device: str, attribute: str, text: str) -> None:
    """Write one attribute of a device, and nothing that a link leads to."""
    path = _attribute_path(device, attribute)
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _attribute_path(device: str, attribute: str) -> str:
    path = os.path.join(device, attribute)
    if os.path.realpath(path, strict=True) != path:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return path


def _value(text: str) -> str:
    # The kernel never sees an empty write, so that it would seem to succeed.
    if not text.isprintable() or not 1 <= len(text.encode()) <= _LONGEST_VALUE:
        raise exceptions.InvalidName(
            'value', text, f'1 to {_LONGEST_VALUE} bytes of one line are expected'
        )
    return text


def _checked(check: cabc.Callable[[str], str], text: str) -> str:
    if not isinstance(text, str):
        raise ValueError(f'{text!r} is not text')  # noqa: TRY004
    try:
        return check(text)
    except exceptions.InvalidName as e:
        # Its constructor takes fields, which the helper's socket cannot carry.
        raise ValueError(str(e)) from None
