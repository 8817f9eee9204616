# SPDX-License-Identifier: Apache-2.0
"""Where no type is enabled, and none ever was, the driver is Nova's driver."""

import inspect
import os
from unittest import mock

from nova import objects
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import guest as libvirt_guest

from nova_generic_mdev.adapters.nova import hosts
from tests.nova import driving

IN_TREE = libvirt_driver.LibvirtDriver
UUID = '4b20d080-1b54-4048-85b3-a6a62d165c01'
# What Nova's own method says, of each that we override.
ANSWERS = {
    '_allocate_cyborg_mdevs': [UUID],
    '_allocate_mdevs': [UUID],
    '_ensure_pgpu_providers': {'parent': 'data'},
    '_get_all_assigned_mediated_devices': {UUID: 'instance'},
    '_get_gpu_inventories': {'parent': {'total': 1}},
    '_get_guest_xml': '<domain/>',
    '_get_mdev_types_from_uuids': {UUID: 'some-type'},
    '_get_supported_vgpu_types': [],
    '_hard_reboot': None,
    '_start_inactive_mediated_devices': None,
    '_update_provider_tree_for_vgpu': None,
    'check_source_migrate_data_at_dest': 'data',
    'cleanup': None,
    'cleanup_lingering_instance_resources': 'whether it did',
    'confirm_migration': None,
    'finish_migration': None,
    'finish_revert_migration': None,
    'get_available_resource': {'vcpus': 4},
    'init_host': None,
    'migrate_disk_and_power_off': 'disks',
    'post_live_migration_at_destination': None,
    'post_live_migration_at_source': None,
    'rescue': None,
    'rollback_live_migration_at_destination': None,
    'spawn': None,
}
# These write XML, which is what is held against Nova's.
WRITERS = {'_attach_mediated_devices', '_guest_add_mdevs'}


class InertTest(driving.Case):
    def setUp(self):
        super().setUp()
        self.looked = self.replace(hosts, 'host_of', mock.Mock())
        self.make()

    def _overridden(self):
        """The methods of Nova's driver that our classes have, too."""
        classes = self.driver_class.__mro__
        return {
            name
            for ours in classes[: classes.index(IN_TREE)]
            for name in vars(ours)
            if hasattr(IN_TREE, name) and not name.startswith('__')
        }

    def _arguments(self, method):
        """What a method of Nova's has to be called with, whatever its series."""
        known = {
            'instance': self.instance(),
            'migrate_data': {},
            'migration': objects.Migration(uuid=UUID),
            'mdev_uuids': [UUID],
        }
        parameters = inspect.signature(method).parameters.values()
        needed = [p.name for p in parameters if p.default is p.empty]
        return [known.get(word, word) for word in needed if word != 'self']

    def test_every_override_is_here(self):
        # Before 34 there is no such method.
        missing = {n for n in ANSWERS if not hasattr(IN_TREE, n)}
        self.assertLessEqual(missing, {'_allocate_cyborg_mdevs'})
        self.assertEqual(ANSWERS.keys() - missing | WRITERS, self._overridden())

    def test_nova_is_asked_the_same_and_its_answer_is_the_answer(self):
        for name in self._overridden() - WRITERS:
            answer, arguments = ANSWERS[name], self._arguments(getattr(IN_TREE, name))
            with (
                self.subTest(name),
                mock.patch.object(
                    IN_TREE, name, autospec=True, return_value=answer
                ) as novas,
            ):
                self.assertEqual(answer, getattr(self.driver, name)(*arguments))
                (asked, more) = novas.call_args
                self.assertEqual(1, novas.call_count)
                given = [a for a in asked if a is not None]
                self.assertEqual(arguments, given)
                self.assertLessEqual(set(more.values()), {None}, 'something is added')

    def test_a_device_that_cannot_be_started_is_novas_to_judge(self):
        error = libvirt_driver.libvirt.libvirtError('no such parent')
        listed = [mock.Mock()]
        host = self.driver._host
        with (
            mock.patch.object(
                host, 'list_all_devices', autospec=True, return_value=listed
            ),
            mock.patch.object(host, 'device_start', autospec=True, side_effect=error),
        ):
            start = self.driver._start_inactive_mediated_devices
            self.assertRaises(libvirt_driver.libvirt.libvirtError, start)

    def test_the_xml_of_an_mdev_is_novas(self):
        novas = vconfig.LibvirtConfigGuestHostdevMDEV()
        novas.uuid = UUID
        guest = mock.Mock(spec=libvirt_guest.Guest, uuid='guest')
        self.driver._attach_mediated_devices(guest, [novas])
        (device,), _ = guest.attach_device.call_args
        config = vconfig.LibvirtConfigGuest()
        config.uuid = 'guest'
        self.driver._guest_add_mdevs(config, [UUID])
        for ours in (device, *config.devices):
            self.assertEqual(novas.to_xml(), ours.to_xml())

    def test_it_looks_at_nothing_and_leaves_nothing(self):
        self.test_nova_is_asked_the_same_and_its_answer_is_the_answer()
        self.looked.assert_not_called()
        self.assertFalse(os.path.lexists(self.state))
        self.assertEqual([], self.placement.calls)
