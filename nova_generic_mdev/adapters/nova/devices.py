# SPDX-License-Identifier: Apache-2.0
"""The mdevs of one compute service: what Nova wants done, told to the engine."""

from __future__ import annotations

import collections.abc as cabc
import typing as ty

from oslo_log import log as logging

from nova_generic_mdev import allocation
from nova_generic_mdev import engine as enginelib
from nova_generic_mdev import exceptions
from nova_generic_mdev.adapters.nova import errors
from nova_generic_mdev.adapters.nova import looks
from nova_generic_mdev.adapters.nova import options
from nova_generic_mdev.adapters.nova import presence
from nova_generic_mdev.adapters.nova import publishing

LOG = logging.getLogger(__name__)


class Devices(looks.Looks):
    """What one :class:`~.driver.GenericMdevDriver` does with its host's mdevs.

    All methods raise Nova's exceptions; see :mod:`~.errors`.

    :param driver: Nova's libvirt driver
    :param guests: the mdevs that are named in a guest's XML
    """

    def __init__(
        self, driver: ty.Any, guests: cabc.Callable[[], cabc.Collection[str] | None]
    ) -> None:
        super().__init__(driver, guests)
        self._problems = options.Problems()
        self._presence = presence.Presence()

    def start(self) -> None:
        """Make the record if there is none, and bring back what is claimed.

        What waits for its parent is named; the guests that need it cannot start.

        :raises InvalidConfiguration: with everything that is wrong
        """
        self.complain(self.view())
        with errors.as_novas():
            self.engine.start()
            recovery = self.engine.recover()
        for device in recovery.waiting:
            # That its parent is not there was said already, once for all of these.
            LOG.info(
                'mdev %s waits for its parent device %s', device.uuid, device.parent
            )
        for device, error in recovery.failed:
            LOG.warning('mdev %s cannot be brought back: %s', device.uuid, error)

    def complain(self, view: publishing.View) -> None:
        """Log what is wrong with the configuration on this host, each once.

        And which parents came or went.

        :raises InvalidConfiguration: something that no service may start with
        """
        self._problems.tell(view.resolution.problems)
        self._presence.tell(view.resolution, view.snapshot, view.claims)

    def allocate(
        self,
        consumer: str,
        requests: cabc.Collection[allocation.Request],
        migration: str | None = None,
    ) -> tuple[enginelib.Device, ...]:
        """Give a consumer all that it was promised, or nothing.

        :param migration: uuid of the live migration that brings it
        :raises ComputeResourcesUnavailable: it cannot be had here
        """
        with errors.as_novas():
            return self.engine.allocate(consumer, requests, migration=migration)

    def restore(self, consumer: str) -> None:
        """Make again what a consumer has and is not there."""
        with errors.as_novas():
            self.engine.restore(consumer)

    def accelerate(self, consumer: str, asks: cabc.Collection[enginelib.Ask]) -> None:
        """Give a consumer the mdevs of its accelerator requests.

        :raises ComputeResourcesUnavailable: the parent is full
        :raises InternalError: one is there as something else
        """
        with errors.as_novas():
            self.engine.accelerate(consumer, asks)

    def release(self, *consumers: str) -> tuple[enginelib.Device, ...]:
        """Take everything from consumers whose guest is gone for good.

        Nova's operation is done and must not fail for this: what cannot be
        removed now stays claimed, and the next periodic update tries again.
        """
        released: list[enginelib.Device] = []
        if not self.is_active:
            return ()
        for consumer in consumers:
            try:
                released += self.engine.release(consumer)
            except exceptions.MdevError as e:
                LOG.warning(
                    'consumer %s keeps its mdevs for now, and the next periodic '
                    'update tries again: %s',
                    consumer,
                    e,
                )
        return tuple(released)

    def rekey(self, consumer: str, to: str) -> None:
        """The claims of one consumer become another's."""
        if self.is_active:
            with errors.as_novas():
                self.engine.rekey(consumer, to)

    def arrive(self, consumer: str) -> None:
        """What a live migration brought is here to stay.

        The guest runs here by now, and Nova's operation must not fail for this.
        """
        if not self.is_active:
            return
        try:
            self.engine.arrive(consumer)
        except exceptions.MdevError as e:
            LOG.warning('server %s is not yet recorded as arrived: %s', consumer, e)

    def remember(self, published: publishing.Published) -> None:
        """Note the traits that we give to providers, where that changed."""
        if published:
            with errors.as_novas(), self.store.transaction() as session:
                for parent, traits in published.items():
                    session.set_published(parent, traits)
