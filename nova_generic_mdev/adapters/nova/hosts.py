# SPDX-License-Identifier: Apache-2.0
"""What the adapter stands on: this compute host, and the record of its mdevs.

Two functions, so that a test can put another host below a real compute service.
"""

from __future__ import annotations

import collections.abc as cabc
import typing as ty

from nova import exception
from oslo_config import cfg

from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import exceptions
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import model
from nova_generic_mdev import opts
from nova_generic_mdev.host import auto
from nova_generic_mdev.host import kernel
from nova_generic_mdev.host import sysfs

SYSFS = '/sys'


def host_of(driver: ty.Any, conf: cfg.ConfigOpts) -> hostlib.Host:
    """The host that a driver's guests run on.

    :param driver: Nova's libvirt driver, whose connection is used
    """
    enabled = conf.devices.enabled_mdev_types
    return NovaHost(driver, auto.Backend(conf.generic_mdev.backend), enabled)


def store_of(driver: ty.Any, conf: cfg.ConfigOpts) -> claimslib.ClaimStore:
    """The record of the mdevs of that host; nova-mdev uses the same.

    :param driver: Nova's libvirt driver
    :raises ConfigError: there is no state path
    :raises HostError: this machine has no id
    """
    return claimslib.ClaimStore(opts.state_path(conf), claimslib.machine_id())


class NovaHost:
    """A :class:`~nova_generic_mdev.host.Host` that acts through Nova's libvirt.

    The connection is asked for each time: Nova makes a new one when libvirt was
    restarted, and hands out one that does not block an eventlet service.
    """

    def __init__(
        self, driver: ty.Any, backend: auto.Backend, enabled: cabc.Collection[str]
    ) -> None:
        self._driver = driver
        self._backend = backend
        self._kernel = kernel.KernelHost(sysfs.RememberingReader(SYSFS, enabled))

    def snapshot(self, parents: cabc.Iterable[str] | None = None) -> model.HostSnapshot:
        """What sysfs tells; see :class:`~nova_generic_mdev.host.Reader`."""
        return self._kernel.snapshot(parents)

    def create(
        self,
        uuid: str,
        parent: str,
        mdev_type: str,
        attributes: model.Attributes = (),
    ) -> str:
        """Make an mdev; see :class:`~nova_generic_mdev.host.Host`."""
        return self._acting().create(uuid, parent, mdev_type, attributes)

    def remove(
        self, uuid: str, backend: str | None = None, parent: str | None = None
    ) -> None:
        """Remove an mdev; see :class:`~nova_generic_mdev.host.Host`."""
        self._acting().remove(uuid, backend, parent)

    def _acting(self) -> auto.AutoHost:
        """What acts; the engine undoes and keeps going on our errors alone.

        :raises HostError: Nova has no connection
        """
        try:
            connection = self._driver._host.get_connection()
        except exception.NovaException as e:
            raise exceptions.HostError('libvirt', f'{e}; "virsh list" tells') from e
        return auto.AutoHost(self._kernel, self._backend, connection)
