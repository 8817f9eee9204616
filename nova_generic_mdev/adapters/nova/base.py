# SPDX-License-Identifier: Apache-2.0
"""What all parts of the driver share."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import functools
import typing as ty

import oslo_messaging as messaging
from nova import conf as nova_conf
from nova import context as nova_context
from nova import exception
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging

from nova_generic_mdev import allocation
from nova_generic_mdev.adapters.nova import devices
from nova_generic_mdev.adapters.nova import errors
from nova_generic_mdev.adapters.nova import lifecycle
from nova_generic_mdev.adapters.nova import operations
from nova_generic_mdev.adapters.nova import promises
from nova_generic_mdev.adapters.nova import publishing
from nova_generic_mdev.adapters.nova import reportclient
from nova_generic_mdev.adapters.nova import situations
from nova_generic_mdev.adapters.nova import sources
from nova_generic_mdev.adapters.nova import upkeep

CONF = nova_conf.CONF
LOG = logging.getLogger(__name__)


class Base(libvirt_driver.LibvirtDriver):  # type: ignore[misc]
    """Nova's libvirt driver, and what we know beside it."""

    def __init__(self, virtapi: ty.Any, read_only: bool = False) -> None:  # noqa: FBT001, FBT002
        # Nova's own constructor asks for the types already.
        self._mdevs = devices.Devices(self, self._named_in_guests)
        self._placement = reportclient.Placement(virtapi)
        self._operations = operations.Operations()
        self._upkeep = upkeep.Upkeep(
            self._mdevs, self._operations, sources.Sources(self)
        )
        super().__init__(virtapi, read_only=read_only)
        self._my_host = CONF.host

    def _named_in_guests(self) -> cabc.Collection[str] | None:
        """The mdevs that any guest's XML names; reads all of them."""
        return set(super()._get_all_assigned_mediated_devices())

    @contextlib.contextmanager
    def _operation(
        self, name: str, instance: ty.Any, migration: str | None = None
    ) -> cabc.Iterator[operations.Operation]:
        """In this block all that this thread does is for this instance.

        If it fails, what the instance got in it is taken back: but not what it
        had before, as in a rebuild.
        """
        with self._operations.under_way(name, instance, migration) as operation:
            self._settle(instance)
            had = self._mdevs.claimed(instance.uuid)
            try:
                yield operation
            except Exception:
                if operation.is_served and not had:
                    self._release(instance.uuid)
                raise

    def _settle(self, instance: ty.Any) -> None:
        """Claim what a guest has from before our record, before that is changed."""
        if self._mdevs.is_active:
            self._upkeep.settle(instance)

    def _promised(
        self,
        instance: ty.Any,
        allocations: cabc.Mapping[str, cabc.Mapping[str, ty.Any]] | None,
    ) -> tuple[allocation.Request, ...]:
        """What Placement promised an instance on this host.

        :raises ComputeResourcesUnavailable: less than its flavor asks for
        """
        wanted = self._mdevs.asked(instance.flavor.extra_specs)
        if not wanted and not allocations:
            return ()
        tree = self.provider_tree or self._placement.tree(self._host.get_hostname())
        with errors.as_novas():
            parents = promises.parents_of(tree, self._mdevs.store.published())
            return promises.requests(instance.uuid, allocations or {}, parents, wanted)

    def _serve(
        self,
        operation: operations.Operation,
        allocations: cabc.Mapping[str, cabc.Mapping[str, ty.Any]] | None,
    ) -> list[str]:
        """Give an instance what Placement promised it; returns the mdevs.

        :raises ComputeResourcesUnavailable: it cannot be had here
        """
        instance = operation.instance
        operation.is_served = True
        asked = self._promised(instance, allocations)
        if not asked:
            return []
        given = self._mdevs.allocate(instance.uuid, asked, operation.migration)
        self._republish({device.parent for device in given})
        return [device.uuid for device in given]

    @contextlib.contextmanager
    def _ending(
        self,
        call: situations.Call,
        instance: ty.Any,
        context: ty.Any = None,
        *,
        migration: ty.Any = None,
        migrate_data: ty.Any = None,
    ) -> cabc.Iterator[None]:
        """In this block Nova takes a guest down; afterwards its mdevs may go.

        Which they do is decided before: Nova's own code changes what tells.
        """
        if not self._mdevs.is_active:
            yield
            return
        self._settle(instance)
        operation = self._operations.current(instance)
        facts = situations.facts_of(
            call,
            instance,
            self._my_host,
            context=context,
            migrate_data=migrate_data,
            operation=operation.name if operation else None,
        )
        verdict = lifecycle.verdict(facts)
        yield
        LOG.debug('%s of %s: %s', call, instance.uuid, verdict.why)
        if verdict.hands_over or lifecycle.Holder.MIGRATION in verdict.releases:
            migration = migration or self._migration_of(context, instance)
        if verdict.hands_over and migration:
            self._hand_over(instance, migration)
        if lifecycle.Holder.MIGRATION in verdict.releases and migration:
            self._release(migration.uuid)
        if lifecycle.Holder.INSTANCE in verdict.releases:
            self._release(instance.uuid)

    def _migration_of(self, context: ty.Any, instance: ty.Any) -> ty.Any:
        """The migration that an instance is in, as Nova's object.

        None: it is in none, or nobody tells; the sweep finds out then.
        """
        context = context or nova_context.get_admin_context()
        try:
            moving = instance.migration_context
            if moving is None:
                return None
            return objects.Migration.get_by_id(context, moving.migration_id)
        except (exception.NovaException, messaging.MessagingException) as e:
            LOG.warning('the migration of %s is not known: %s', instance.uuid, e)
            return None

    def _hand_over(self, instance: ty.Any, migration: ty.Any) -> None:
        """What an instance has is its migration's; Nova's part is done already."""
        try:
            self._mdevs.rekey(instance.uuid, migration.uuid)
        except exception.NovaException as e:
            LOG.warning(
                'what %s has is its migration %s, and is not yet recorded so: %s',
                instance.uuid,
                migration.uuid,
                e,
            )

    def _release(self, *consumers: str) -> None:
        """Take back what consumers had whose guest is gone for good."""
        released = self._mdevs.release(*consumers)
        self._republish({device.parent for device in released})

    def _republish(self, parents: cabc.Collection[str]) -> None:
        """Publish again what several types share; Nova's update may be long off."""
        shared = self._mdevs.shared(parents)
        if not shared or self.provider_tree is None:
            return
        root = self._host.get_hostname()
        for uuid, parent in promises.parents_of(self.provider_tree).items():
            if parent in shared:
                offered = functools.partial(self._offered, root, parent)
                self._placement.republish(uuid, offered)

    def _offered(self, root: str, parent: str) -> publishing.Inventories:
        tree = publishing.current(self.provider_tree, root)
        offered = publishing.offer(self._mdevs.view([parent]), root, tree)
        return {
            resource_class: placed
            for provider in offered.wanted.values()
            if provider.parent == parent
            for resource_class, placed in publishing.placed(
                provider.inventories
            ).items()
        }
