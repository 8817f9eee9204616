# SPDX-License-Identifier: Apache-2.0
"""Makes each mdev the way that suits its parent: by libvirt, or by the kernel.

libvirt keeps a definition, so its mdevs come back by themselves after a reboot;
it knows PCI parents, subchannels, the AP matrix and mtty, and needs mdevctl
beside it.  The kernel's own interface knows every parent and forgets all at a
reboot.  sysfs is the authority for what is live, whoever made it.
"""

from __future__ import annotations

import collections.abc as cabc
import enum
import time

from oslo_log import log as logging

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev.host import kernel
from nova_generic_mdev.host import nodedev

LOG = logging.getLogger(__name__)
# udev and libvirt follow the kernel within a second or two; a busy host is slow.
SETTLE_SECONDS = 30.0
_POLL_SECONDS = 0.1


class Backend(enum.StrEnum):
    """What makes mdevs: ``[generic_mdev] backend``, and what is recorded."""

    AUTO = 'auto'
    SYSFS = 'sysfs'
    LIBVIRT = 'libvirt'


class AutoHost:
    """A :class:`~nova_generic_mdev.host.Host` on libvirt and the kernel.

    :param kernel_host: looks at this machine, and makes what libvirt cannot
    :param source: a connection to libvirt that may write, or its URI; None is
        libvirt's default
    """

    def __init__(
        self,
        kernel_host: kernel.KernelHost,
        backend: Backend = Backend.AUTO,
        source: nodedev.Connection | str | None = None,
    ) -> None:
        self._kernel = kernel_host
        self._backend = backend
        self._source = source

    def snapshot(self, parents: cabc.Iterable[str] | None = None) -> model.HostSnapshot:
        """What sysfs tells."""
        return self._kernel.snapshot(parents)

    def create(
        self,
        uuid: str,
        parent: str,
        mdev_type: str,
        attributes: model.Attributes = (),
    ) -> str:
        """Make an mdev; returns which backend made it.

        :raises CapacityError: the parent is full
        :raises NotFound: the parent or the type is not there
        :raises HostError: anything else
        """
        if self._is_libvirts(parent):
            try:
                self._define(uuid, parent, mdev_type, attributes)
            except exceptions.HostError as e:
                self._give_up_libvirt(e)
            else:
                return Backend.LIBVIRT.value
        return self._kernel.create(uuid, parent, mdev_type, attributes)

    def _give_up_libvirt(self, error: exceptions.HostError) -> None:
        """Without mdevctl beside it, libvirt knows a parent and can do nothing."""
        if self._backend is Backend.LIBVIRT or isinstance(error, exceptions.NotFound):
            raise error
        LOG.warning('libvirt could not, so the kernel is asked: %s', error)

    def _is_libvirts(self, parent: str) -> bool:
        if self._backend is Backend.SYSFS:
            return False
        try:
            with nodedev.acting(self._source) as devices:
                known = devices.knows(parent)
        except exceptions.HostError as e:
            if self._backend is Backend.LIBVIRT:
                raise
            LOG.info('%s is used through sysfs: %s', parent, e)
            return False
        if not known and self._backend is Backend.LIBVIRT:
            raise exceptions.HostError(
                parent,
                'libvirt knows no such parent device; '
                'set [generic_mdev] backend to auto or sysfs',
            )
        return known

    def _define(
        self, uuid: str, parent: str, mdev_type: str, attributes: model.Attributes
    ) -> None:
        look = self.snapshot([parent])
        if parent not in look.parents:
            raise exceptions.NotFound(parent, 'there is no such parent device now')
        try:
            with nodedev.acting(self._source) as devices:
                devices.create(uuid, look.parents[parent], mdev_type, attributes)
        except exceptions.HostError as e:
            raise self._why_not(e, parent, mdev_type) from e
        self._settle(lambda: uuid in self.snapshot([parent]).mdevs, uuid, 'appear')

    def _why_not(
        self, error: exceptions.HostError, parent: str, mdev_type: str
    ) -> exceptions.MdevError:
        """libvirt says in words why it did not: the kernel says it in numbers."""
        there = self.snapshot([parent]).parents.get(parent)
        if there is None:
            return exceptions.NotFound(parent, 'it has gone meanwhile')
        if mdev_type not in there.types:
            return exceptions.NotFound(parent, f'it has no mdev type {mdev_type} now')
        left = there.types[mdev_type].available_instances
        if left == 0:
            return exceptions.CapacityError(parent, mdev_type, asked=1, left=0)
        return error

    def remove(self, uuid: str, backend: str | None = None) -> None:
        """Remove an mdev and its definition; what is gone will do.

        :param backend: what made it, where that is known
        :raises InUse: something uses it; the error names the guest
        :raises HostError: anything else
        """
        if backend != Backend.SYSFS.value and self._backend is not Backend.SYSFS:
            self._undefine(uuid, backend)
        try:
            self._kernel.remove(uuid)
        except exceptions.InUse as e:
            raise exceptions.InUse(uuid, self._user(uuid) or e.user) from e

    def _undefine(self, uuid: str, backend: str | None) -> None:
        try:
            with nodedev.acting(self._source) as devices:
                devices.remove(uuid)
        except exceptions.HostError as e:
            user = self._user(uuid)
            if user is not None:
                raise exceptions.InUse(uuid, user) from e
            if backend == Backend.LIBVIRT.value:
                # Its definition would bring it back at the next start.
                raise
            LOG.info('mdev %s is removed through sysfs: %s', uuid, e)

    def _user(self, uuid: str) -> str | None:
        """The guest that runs with an mdev, where libvirt tells."""
        try:
            with nodedev.connected(self._source) as connection:
                guest = nodedev.guests(connection).get(uuid)
        except exceptions.MdevError as e:
            LOG.debug('the user of mdev %s cannot be named: %s', uuid, e)
            return None
        return f'guest {guest.name}' if guest is not None and guest.running else None

    def _settle(self, done: cabc.Callable[[], bool], uuid: str, what: str) -> None:
        """Wait for what was asked, and not longer than that takes."""
        end = time.monotonic() + SETTLE_SECONDS
        while not done():
            if time.monotonic() > end:
                raise exceptions.HostError(
                    f'mdev {uuid}', f'it did not {what} in {SETTLE_SECONDS:.0f} s'
                )
            time.sleep(_POLL_SECONDS)
