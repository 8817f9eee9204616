# SPDX-License-Identifier: Apache-2.0
"""What each caller in the table does to the claims, by way of the driver itself."""

import contextlib
from unittest import mock

import fixtures
import nova.conf
from nova import context as nova_context
from nova import objects
from nova import test
from nova.tests import fixtures as nova_fixtures
from nova.virt import fake
from nova.virt.libvirt import driver as libvirt_driver
from oslo_utils import importutils
from oslo_utils import uuidutils

from nova_generic_mdev import allocation
from nova_generic_mdev import claims
from nova_generic_mdev import fixture
from nova_generic_mdev.adapters.nova import hosts
from nova_generic_mdev.adapters.nova import lifecycle
from nova_generic_mdev.adapters.nova import situations
from tests import nova as testing
from tests.callers import table

Call = situations.Call
PARENT = 'pci_0000_84_00_0'
CONF = nova.conf.CONF


class EndsTest(test.NoDBTestCase):
    """One driver on a host with devices; libvirt does nothing."""

    def setUp(self):
        super().setUp()
        self.flags(host=table.HERE)
        self.useFixture(nova_fixtures.LibvirtFixture())
        driver_class = importutils.import_class(f'nova.virt.{testing.OURS}')
        self._enable()
        self.host = fixture.pci_gpus(1)
        state = self.useFixture(fixtures.TempDir()).path
        store = claims.ClaimStore(state, 'machine')
        self._replace(hosts, 'host_of', lambda *_: self.host)
        self._replace(hosts, 'store_of', lambda *_: store)
        self._silence_libvirt()
        self.driver = driver_class(fake.FakeVirtAPI())

    def _enable(self):
        self.flags(enabled_mdev_types=['nvidia-11'], group='devices')
        nova.conf.devices.register_dynamic_opts(CONF)

    def _replace(self, owner, name, new):
        self.useFixture(fixtures.MockPatchObject(owner, name, new))

    def _silence_libvirt(self):
        in_tree = libvirt_driver.LibvirtDriver
        for name in ('_destroy', '_cleanup_resize', 'unplug_vifs'):
            self._replace(in_tree, name, mock.Mock())
        self._replace(in_tree, '_cleanup', self._save_in_cleanup)
        self._replace(in_tree, '_get_vpmems', lambda *_, **__: None)
        self._replace(objects.Migration, 'get_by_id', self._migration_by_id)

    def _save_in_cleanup(self, context, instance, *args, **kwargs):
        """Nova saves the instance here, which reads its states again."""
        instance.vm_state, instance.task_state = 'active', None

    def _migration_by_id(self, context, migration_id):
        self.assertEqual(self.migration.id, migration_id)
        return self.migration

    # The server

    def _instance(self, facts):
        uuid = uuidutils.generate_uuid()
        self.migration = objects.Migration(
            id=7, uuid=uuidutils.generate_uuid(), instance_uuid=uuid
        )
        return objects.Instance(
            uuid=uuid,
            host=facts.host,
            vm_state=facts.vm_state,
            task_state=facts.task_state,
            deleted=facts.deleted,
            hidden=facts.hidden,
            flavor=objects.Flavor(extra_specs={}),
            numa_topology=None,
            migration_context=objects.MigrationContext(
                instance_uuid=uuid, migration_id=self.migration.id
            ),
        )

    def _give(self, *consumers):
        request = allocation.Request(parent=PARENT, resource_class='VGPU')
        for consumer in consumers:
            self.driver._mdevs.engine.allocate(consumer, [request])

    def _claimed(self, consumer):
        return {device.uuid for device in self.driver._mdevs.claimed(consumer)}

    # Nova's call

    def _call(self, row, instance):
        facts = row.facts
        context = nova_context.get_admin_context()
        if not facts.by_service:
            context = nova_context.RequestContext('somebody', 'a project')
        with self._operation(facts, instance):
            self._calls(row)[facts.call](context, instance)

    def _operation(self, facts, instance):
        if facts.operation is None:
            return contextlib.nullcontext()
        return self.driver._operations.under_way(facts.operation, instance)

    def _calls(self, row):
        driver = self.driver
        data = objects.migrate_data.LibvirtLiveMigrateData()
        called = row.paths[0].split(' > ')[-1]
        return {
            Call.CLEANUP: {
                'destroy': lambda c, i: driver.destroy(c, i, None),
                'cleanup': lambda c, i: driver.cleanup(
                    c, i, None, migrate_data=data if row.facts.live_migration else None
                ),
            }.get(called),
            Call.CONFIRM_MIGRATION: lambda c, i: driver.confirm_migration(
                c, self.migration, i, None
            ),
            Call.ROLLBACK_AT_DESTINATION: lambda c, i: (
                driver.rollback_live_migration_at_destination(c, i, None, None)
            ),
            Call.POST_AT_SOURCE: lambda c, i: driver.post_live_migration_at_source(
                c, i, None
            ),
            Call.CLEANUP_LINGERING: lambda _, i: (
                driver.cleanup_lingering_instance_resources(i)
            ),
        }

    def test_each_caller(self):
        for row in table.situations_of():
            try:
                self._check(row)
            except Exception as e:
                raise AssertionError(f'{row.name}: {e}') from e

    def _check(self, row):
        instance = self._instance(row.facts)
        migration = self.migration.uuid
        holders = [instance.uuid] if row.hands_over else [instance.uuid, migration]
        self._give(*holders)
        before = {holder: self._claimed(holder) for holder in holders}
        self._call(row, instance)
        for holder, name in (
            (instance.uuid, lifecycle.Holder.INSTANCE),
            (migration, lifecycle.Holder.MIGRATION),
        ):
            stays = name not in row.releases
            expected = before.get(holder, set()) if stays else set()
            if row.hands_over:
                is_new = name is lifecycle.Holder.MIGRATION
                expected = before[instance.uuid] if is_new else set()
            self.assertEqual(expected, self._claimed(holder), name)
        self.driver._mdevs.engine.release(instance.uuid)
        self.driver._mdevs.engine.release(migration)
