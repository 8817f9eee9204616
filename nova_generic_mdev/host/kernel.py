# SPDX-License-Identifier: Apache-2.0
"""This machine's mdevs through sysfs: read as anybody, written with privilege."""

from __future__ import annotations

import collections.abc as cabc
import errno
import os

from nova_generic_mdev import exceptions
from nova_generic_mdev import host
from nova_generic_mdev import model
from nova_generic_mdev.privileged import mdev as writes

# A driver that has no room says so in its own way: mtty and mbochs ENOSPC, mdpy
# EUSERS, others EPERM or EAGAIN.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EUSERS, errno.EPERM, errno.EAGAIN})


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
    ) -> None:
        """Create an mdev and set its attributes; undone if one is refused."""
        look = self.snapshot([parent])
        if parent not in look.parents:
            raise exceptions.NotFound(parent, 'there is no such parent device now')
        sysname = look.parents[parent].sysname
        try:
            writes.create(sysname, mdev_type, uuid)
        except FileExistsError:
            self._accept(uuid, parent, mdev_type)
            return
        except OSError as e:
            raise _refused(e, parent, mdev_type) from e
        self._configure(uuid, attributes)

    def _accept(self, uuid: str, parent: str, mdev_type: str) -> None:
        """An mdev that is there already is what was asked for, or a clash."""
        there = self.snapshot([parent]).mdevs.get(uuid)
        if there is None or there.mdev_type != mdev_type:
            raise exceptions.HostError(
                f'mdev {uuid}', f'it exists already, and not as {mdev_type} of {parent}'
            )

    def _configure(self, uuid: str, attributes: model.Attributes) -> None:
        for name, value in attributes:
            try:
                writes.set_attribute(uuid, name, value)
            except OSError as e:
                self.remove(uuid)
                raise exceptions.HostError(
                    f'mdev {uuid}',
                    f'the kernel refused {name}={value}: {_text(e)}; see "attributes"',
                ) from e

    def remove(self, uuid: str) -> None:
        """Remove an mdev; one that is gone will do."""
        try:
            writes.remove(uuid)
        except FileNotFoundError:
            return
        except OSError as e:
            if e.errno == errno.EBUSY:
                raise exceptions.InUse(uuid, 'a process that has opened it') from e
            raise exceptions.HostError(
                f'mdev {uuid}', f'removing it: {_text(e)}'
            ) from e


def _refused(error: OSError, parent: str, mdev_type: str) -> exceptions.MdevError:
    if error.errno in _NO_ROOM:
        return exceptions.CapacityError(
            parent, mdev_type, asked=1, left=None, error=error.errno
        )
    if isinstance(error, FileNotFoundError):
        return exceptions.NotFound(parent, f'it has no mdev type {mdev_type} now')
    return exceptions.HostError(parent, f'creating one {mdev_type}: {_text(error)}')


def _text(error: OSError) -> str:
    return f'{os.strerror(error.errno)} ({error.errno})' if error.errno else str(error)
