# SPDX-License-Identifier: Apache-2.0
"""This machine's mdevs through sysfs: read as anybody, written with privilege."""

from __future__ import annotations

import collections.abc as cabc
import errno

from nova_generic_mdev import exceptions
from nova_generic_mdev import host
from nova_generic_mdev import model
from nova_generic_mdev.privileged import mdev as writes

# A driver that has no room says so in its own way: mtty and mbochs ENOSPC, mdpy
# EUSERS, others EPERM or EAGAIN.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EUSERS, errno.EPERM, errno.EAGAIN})
# ENODEV: what is being unregistered is still listed for a moment.
_GONE = frozenset({errno.ENOENT, errno.ENODEV})
# The kernel's refusals, and names that cannot be one.
_NOT_DONE = (OSError, ValueError)


class KernelHost:
    """A :class:`~nova_generic_mdev.host.Host` on the kernel's own interface.

    :param reader: looks at the sysfs of this machine
    """

    backend = 'sysfs'

    def __init__(self, reader: host.Reader) -> None:
        self._reader = reader

    def snapshot(self, parents: cabc.Iterable[str] | None = None) -> model.HostSnapshot:
        """What the reader sees."""
        return self._reader.snapshot(parents)

    def create(
        self,
        uuid: str,
        parent: str,
        mdev_type: str,
        attributes: model.Attributes = (),
    ) -> str:
        """Create an mdev and set its attributes; undone if one is refused.

        :raises CapacityError: the kernel refused (ENOSPC, EUSERS, EPERM, EAGAIN)
        :raises NotFound: the parent or the type is not there
        :raises HostError: anything else
        """
        look = self.snapshot([parent])
        if parent not in look.parents:
            raise exceptions.NotFound(parent, 'there is no such parent device now')
        try:
            writes.create(look.parents[parent].sysname, mdev_type, uuid)
        except FileExistsError as e:
            self._accept(uuid, parent, mdev_type, e)
            # Whoever made it may have been ended before it had them all.
            self._configure(uuid, attributes)
            return self.backend
        except _NOT_DONE as e:
            raise _refused(e, parent, mdev_type) from e
        try:
            self._configure(uuid, attributes)
        except exceptions.HostError as e:
            self._undo_create(uuid, e)
            raise
        return self.backend

    def _undo_create(self, uuid: str, error: exceptions.HostError) -> None:
        try:
            self.remove(uuid)
        except exceptions.HostError as e:
            raise exceptions.HostError(
                error.where, f'{error.reason}; nor can it be removed: {e.reason}'
            ) from error

    def _accept(
        self, uuid: str, parent: str, mdev_type: str, error: FileExistsError
    ) -> None:
        """An mdev that is there already is what was asked for, or a clash."""
        there = self.snapshot([parent]).mdevs.get(uuid)
        if there is None or there.mdev_type != mdev_type:
            other = there or self.snapshot().mdevs.get(uuid)
            told = f', but as {other.mdev_type} of {other.parent}' if other else ''
            raise exceptions.HostError(
                f'mdev {uuid}',
                f'it exists already, and not as {mdev_type} of {parent}{told}',
            ) from error

    def _configure(self, uuid: str, attributes: model.Attributes) -> None:
        for name, value in attributes:
            try:
                writes.set_attribute(uuid, name, value)
            except _NOT_DONE as e:
                raise exceptions.HostError(
                    f'mdev {uuid}',
                    f'{name}={value} was refused: {_text(e)}; see "attributes" in '
                    "its type's group",
                ) from e

    def remove(
        self, uuid: str, backend: str | None = None, parent: str | None = None
    ) -> None:
        """Remove an mdev; one that is gone will do.

        :raises InUse: something has opened it
        :raises HostError: anything else
        """
        try:
            writes.remove(uuid)
        except _NOT_DONE as e:
            if _number(e) in _GONE:
                return
            if _number(e) == errno.EBUSY:
                raise exceptions.InUse(uuid, 'a process that has opened it') from e
            raise exceptions.HostError(
                f'mdev {uuid}', f'it cannot be removed: {_text(e)}'
            ) from e


def _refused(error: Exception, parent: str, mdev_type: str) -> exceptions.MdevError:
    number = _number(error)
    if number in _NO_ROOM:
        return exceptions.CapacityError(
            parent, mdev_type, asked=1, left=None, error=number
        )
    if number in _GONE:
        return exceptions.NotFound(parent, f'it has no mdev type {mdev_type} now')
    return exceptions.HostError(
        parent, f'no {mdev_type} can be created: {_text(error)}'
    )


def _number(error: Exception) -> int | None:
    return error.errno if isinstance(error, OSError) else None


def _text(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f'{error.strerror} ({error.errno})'
    return str(error)
