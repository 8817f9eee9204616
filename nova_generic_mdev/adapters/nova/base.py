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
from nova_generic_mdev import exceptions
from nova_generic_mdev import names
from nova_generic_mdev import providers
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

        :param allocations: None: Placement does not tell
        :raises ComputeResourcesUnavailable: less than its flavor asks for
        """
        wanted = self._mdevs.asked(instance.flavor.extra_specs)
        if not wanted and not allocations:
            return ()
        if allocations is None:
            raise exception.ComputeResourcesUnavailable(
                reason=f'Placement does not tell what server {instance.uuid} has'
            )
        tree = self.provider_tree or self._placement.tree(self._host.get_hostname())
        with errors.as_novas():
            told = allocations or {}
            parents = promises.parents_of(tree, self._mdevs.store.published, told)
            return promises.requests(instance.uuid, told, parents, wanted)

    def _serve(
        self,
        operation: operations.Operation,
        allocations: cabc.Mapping[str, cabc.Mapping[str, ty.Any]] | None,
    ) -> list[str]:
        """Give an instance what Placement promised it; returns the mdevs.

        A guest does not stay down for Placement: one that was here before, and has
        claimed as many as its flavor asks for, keeps these.

        :param allocations: None: Placement does not tell
        :raises ComputeResourcesUnavailable: it cannot be had here
        """
        operation.is_served = True
        try:
            return self._give(operation, allocations)
        except exception.ComputeResourcesUnavailable as e:
            is_full = isinstance(e.__cause__, exceptions.CapacityError)
            if is_full or operation.migration or not self._has_all(operation.instance):
                raise
            uuid = operation.instance.uuid
            LOG.warning('server %s keeps what it claimed: %s', uuid, e)
            self._mdevs.restore(uuid)
            return [device.uuid for device in self._mdevs.promised(uuid)]

    def _has_all(self, instance: ty.Any) -> bool:
        """Whether an instance has claimed as many mdevs as its flavor asks for."""
        wanted = sum(self._mdevs.asked(instance.flavor.extra_specs).values())
        return 0 < wanted <= len(self._mdevs.promised(instance.uuid))

    def _give(
        self,
        operation: operations.Operation,
        allocations: cabc.Mapping[str, cabc.Mapping[str, ty.Any]] | None,
    ) -> list[str]:
        instance = operation.instance
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
            self._follow(instance.uuid, migration.uuid)
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
            # The sweep finds out; there is nothing to be done by hand.
            LOG.info('the migration of %s is not known: %s', instance.uuid, e)
            return None

    def _follow(self, consumer: str, to: str) -> None:
        """The claims follow Placement's allocation; Nova's part is done already."""
        try:
            self._mdevs.rekey(consumer, to)
        except exception.NovaException as e:
            told = 'what %s had is of %s, and is not yet recorded so: %s'
            LOG.warning(told, consumer, to, e)

    def _release(self, *consumers: str) -> None:
        """Take back what consumers had whose guest is gone for good."""
        released = self._mdevs.release(*consumers)
        self._republish({device.parent for device in released})

    def _republish(self, parents: cabc.Collection[str]) -> None:
        """Publish again what several types share; Nova's update may be long off.

        The operation is done: it does not fail for what that update does as well.
        """
        try:
            shared = self._mdevs.shared(parents)
            tree = self.provider_tree
            if not shared or tree is None:
                return
            root = self._host.get_hostname()
            with errors.as_novas():
                wanted = names.providers(root, sorted(shared))
            # By name: a walk through all of a large host's would take longer.
            for now in publishing.current(tree, root, wanted):
                if providers.is_marked(now.traits):
                    offered = functools.partial(self._offered, root, wanted[now.name])
                    self._placement.republish(now.uuid, offered)
        except exception.NovaException as e:
            LOG.info('%s wait for the next update: %s', ', '.join(sorted(parents)), e)

    def _offered(self, root: str, parent: str) -> publishing.Inventories:
        """What a parent offers now, of each class.

        :raises NovaException: it cannot be looked at
        """
        view = self._mdevs.view([parent])
        with errors.as_novas():
            name = names.provider(root, parent)
            tree = publishing.current(self.provider_tree, root, {name})
            told = publishing.offer(view, root, tree).wanted.get(name)
        return {} if told is None else publishing.placed(told.inventories)
