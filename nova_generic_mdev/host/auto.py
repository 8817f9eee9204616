# SPDX-License-Identifier: Apache-2.0
"""Makes each mdev the way that suits its parent: by libvirt, or by the kernel.

libvirt keeps a definition, so its mdevs come back by themselves after a reboot;
it knows PCI parents, subchannels, the AP matrix and mtty, and needs mdevctl
beside it.  The kernel's own interface knows every parent and forgets all at a
reboot.  sysfs is the authority for what is live, whoever made it.

What is live goes through the kernel's interface, with a bound, unless libvirt
alone may be used: mdevctl would wait inside libvirt for as long as the user of
an mdev lives.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import enum

from oslo_log import log as logging

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev.host import kernel
from nova_generic_mdev.host import node_act
from nova_generic_mdev.host import nodedev
from nova_generic_mdev.host import patience

LOG = logging.getLogger(__name__)


class Backend(enum.StrEnum):
    """What makes mdevs: ``[generic_mdev] backend``, and what is recorded."""

    AUTO = 'auto'
    SYSFS = 'sysfs'
    LIBVIRT = 'libvirt'


class AutoHost:
    """A :class:`~nova_generic_mdev.host.Host` on libvirt and the kernel.

    :param kernel_host: looks at this machine, and makes what libvirt cannot
    :param source: a connection to libvirt that may write, or its URI; None is
        the system's own libvirt
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
        """Make an mdev; returns what made it, and so what can remove all of it.

        :raises CapacityError: the parent is full
        :raises NotFound: the parent or the type is not there
        :raises HostError: anything else
        """
        if self._backend is Backend.SYSFS:
            return self._kernel.create(uuid, parent, mdev_type, attributes)
        try:
            if self._through_libvirt(uuid, parent, mdev_type, attributes):
                return Backend.LIBVIRT.value
        except exceptions.HostError as e:
            if self._backend is Backend.LIBVIRT or isinstance(e, exceptions.NotFound):
                raise
            LOG.warning('libvirt could not, so the kernel is asked: %s', e)
            made = self._kernel.create(uuid, parent, mdev_type, attributes)
            # A definition that is left over has to be removed with the mdev.
            is_defined = isinstance(e, node_act.LeftDefined)
            return Backend.LIBVIRT.value if is_defined else made
        return self._kernel.create(uuid, parent, mdev_type, attributes)

    def _through_libvirt(
        self, uuid: str, parent: str, mdev_type: str, attributes: model.Attributes
    ) -> bool:
        """Make an mdev; False: libvirt is not there, or knows no such parent."""
        with contextlib.ExitStack() as stack:
            try:
                devices = stack.enter_context(nodedev.acting(self._source))
                known = devices.knows(parent)
            except exceptions.HostError as e:
                if self._backend is Backend.LIBVIRT:
                    raise
                LOG.debug('%s is used through sysfs: %s', parent, e)
                return False
            if known:
                self._define(devices, uuid, parent, mdev_type, attributes)
        if not known and self._backend is Backend.LIBVIRT:
            raise exceptions.HostError(
                parent,
                'libvirt knows no such parent device; '
                'set [generic_mdev] backend to auto or sysfs',
            )
        return known

    def _define(
        self,
        devices: node_act.NodeDevices,
        uuid: str,
        parent: str,
        mdev_type: str,
        attributes: model.Attributes,
    ) -> None:
        look = self.snapshot([parent])
        if parent not in look.parents:
            raise exceptions.NotFound(parent, 'there is no such parent device now')
        there = look.mdevs.get(uuid)
        if there is not None and there.mdev_type != mdev_type:
            raise exceptions.HostError(
                f'mdev {uuid}', f'it is there already, as {there.mdev_type} of {parent}'
            )
        try:
            devices.create(
                uuid,
                look.parents[parent],
                mdev_type,
                attributes,
                is_live=there is not None,
            )
        except exceptions.HostError as e:
            why = self._why_not(parent, mdev_type)
            if why is None:
                raise
            raise why from e
        if not patience.settled(lambda: uuid in self.snapshot([parent]).mdevs):
            raise node_act.LeftDefined(
                f'mdev {uuid}',
                f'libvirt made it, but it is not in sysfs {patience.IN_TIME}',
            )

    def _why_not(self, parent: str, mdev_type: str) -> exceptions.MdevError | None:
        """libvirt says in words why it did not: the kernel says it in numbers."""
        there = self.snapshot([parent]).parents.get(parent)
        if there is None:
            return exceptions.NotFound(parent, 'it has gone meanwhile')
        if mdev_type not in there.types:
            return exceptions.NotFound(parent, f'it has no mdev type {mdev_type} now')
        left = there.types[mdev_type].available_instances
        if left == 0:
            return exceptions.CapacityError(parent, mdev_type, asked=1, left=0)
        return None

    def remove(
        self, uuid: str, backend: str | None = None, parent: str | None = None
    ) -> None:
        """Remove an mdev and its definition; what is gone will do.

        :param backend: what made it, where that is known
        :param parent: where it is; what is defined elsewhere is somebody else's
        :raises InUse: something uses it; the error names the guest
        :raises HostError: anything else
        """
        with contextlib.ExitStack() as stack:
            devices = None
            # Whatever is configured now, what libvirt defined it must forget.
            if (backend or self._backend) != Backend.SYSFS:
                devices = self._undefining(uuid, backend, parent, stack)
            try:
                if devices is not None and self._backend is Backend.LIBVIRT:
                    self._destroy(devices, uuid, parent)
                else:
                    self._kernel.remove(uuid)
            except exceptions.InUse as e:
                raise exceptions.InUse(uuid, self._user(uuid) or e.user) from e

    def _undefining(
        self,
        uuid: str,
        backend: str | None,
        parent: str | None,
        stack: contextlib.ExitStack,
    ) -> node_act.NodeDevices | None:
        """libvirt, which forgets the mdev when the stack is left; None: it is away."""
        try:
            devices = stack.enter_context(nodedev.acting(self._source))
            stack.enter_context(devices.undefined(uuid, parent))
        except exceptions.HostError as e:
            if Backend.LIBVIRT in (backend, self._backend):
                # Its definition would bring it back at the next start.
                raise
            LOG.debug('mdev %s is removed through sysfs: %s', uuid, e)
            return None
        return devices

    def _destroy(
        self, devices: node_act.NodeDevices, uuid: str, parent: str | None
    ) -> None:
        def is_gone() -> bool:
            return uuid not in self.snapshot([parent] if parent else None).mdevs

        # libvirt may not have heard of it yet, that it came or that it went.
        if is_gone():
            return
        try:
            devices.destroy(uuid, parent)
        except exceptions.HostError as e:
            user = self._user(uuid)
            if user is None:
                raise
            raise exceptions.InUse(uuid, user) from e
        if not patience.settled(is_gone):
            raise exceptions.HostError(
                f'mdev {uuid}',
                f'libvirt removed it, but it is in sysfs {patience.IN_TIME}',
            )

    def _user(self, uuid: str) -> str | None:
        """The guest that runs with an mdev, where libvirt tells."""
        try:
            with nodedev.connected(self._source) as connection:
                guest = nodedev.guests(connection).get(uuid)
        except exceptions.MdevError as e:
            LOG.debug('the user of mdev %s cannot be named: %s', uuid, e)
            return None
        return f'guest {guest.name}' if guest is not None and guest.running else None
