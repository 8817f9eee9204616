# SPDX-License-Identifier: Apache-2.0
"""A change of mind under running servers: what is in use is drained, and then goes."""

import re
import typing as ty

from nova_generic_mdev import fixture
from tests.nova import base

GPU, OTHER = 'pci_0000_84_00_0', 'pci_0000_85_00_0'
HERE = {'device_addresses': ['0000:84:00.0']}
# A class is closed in one update and dropped in a later one, its provider after it.
UPDATES = 4


class Change(base.TestCase):
    """A host with one GPU, or two, and a server on the first."""

    gpus = 1
    #: the parents that are not there yet when nova-compute starts
    away: ty.ClassVar = ()
    before: ty.ClassVar = {'nvidia_11': HERE}

    def setUp(self):
        super().setUp()
        self.configure(**self.before)
        self.host = fixture.pci_gpus(self.gpus)
        for parent in self.away:
            self.host.lose_parent(parent)
        self.start_host('one', self.host)
        self.small = self.flavor(resources__VGPU='1')

    def change(self, **types):
        """The operator changes the configuration, and restarts nova-compute."""
        classes = self.classes
        self.restart('one', lambda: self.configure(**types))
        # What is there was promised as it was called before.
        self.classes = classes
        self.update()

    def update(self):
        """Some periodic updates; nothing is refused, or logged as an error, for good.

        What Nova remembers of a provider is older than the last allocation of it: so
        the first change is refused once, and Nova tries again at once.
        """
        self.sync()
        before = len(self.stdlog.logger.output)
        for _ in range(UPDATES - 1):
            self.sync()
        self.assert_nodes_sync()
        log = self.stdlog.logger.output[before:]
        wrong = r'.* ERROR \[nova.*|.*Got 409.*|.*"status": 409.*'
        self.assertEqual([], re.findall(wrong, log))

    def shown(self, parent=GPU):
        return self.inventories('one', parent)

    def types(self):
        """The types that are live."""
        return sorted(m.mdev_type for m in self.host.snapshot().mdevs.values())

    def delete(self, *servers):
        for server in servers:
            self._delete_server(server)
        self.update()

    def assert_nobody_comes(self, flavor=None):
        self.boot(flavor or self.small, expected_state='ERROR')

    def assert_runs_on(self, server):
        """It has its mdev still, also after it was rebooted hard."""
        had = self.guest_mdevs(server)
        self._reboot_server(server, hard=True)
        self.assertEqual(had, self.guest_mdevs(server))
        self.assert_has_its_mdevs(server)


class TypeTest(Change):
    """Another type for the same parent and class."""

    def test_the_new_one_takes_over_when_the_device_is_free(self):
        server = self.boot(self.small)
        self.change(nvidia_18=HERE)
        self.assertEqual({'VGPU': (16, 15)}, self.shown())
        self.assert_nobody_comes()
        self.assert_runs_on(server)
        self.delete(server)
        self.assertEqual({'VGPU': (4, 0)}, self.shown())
        self.boot(self.small)
        self.assertEqual(['nvidia-18'], self.types())

    def test_removed_entirely(self):
        server = self.boot(self.small)
        self.change()
        self.assertEqual({'VGPU': (16, 15)}, self.shown())
        self.assert_nobody_comes()
        self.assert_runs_on(server)
        self.delete(server)
        self.assertIsNone(self.provider('one', GPU))
        self.assertEqual([], self.types())

    def test_drained(self):
        server = self.boot(self.small)
        self.change(nvidia_11=HERE | {'drain': True})
        self.assertEqual({'VGPU': (16, 15)}, self.shown())
        self.assert_nobody_comes()
        self.assert_runs_on(server)
        self.delete(server)
        self.assertEqual({'VGPU': (1, 1)}, self.shown())


class ClassTest(Change):
    """Another class for the same type."""

    def test_the_old_one_goes_with_its_last_user(self):
        server = self.boot(self.small)
        self.change(nvidia_11=HERE | {'mdev_class': 'CUSTOM_SMALL'})
        self.assertEqual({'VGPU': (16, 15), 'CUSTOM_SMALL': (15, 0)}, self.shown())
        self.assert_nobody_comes()
        self.assert_runs_on(server)
        self.delete(server)
        self.assertEqual({'CUSTOM_SMALL': (16, 0)}, self.shown())
        self.boot(self.flavor(resources__CUSTOM_SMALL='1'))


class LimitTest(Change):
    """A limit below what is in use."""

    def test_nothing_new_until_there_is_room(self):
        servers = [self.boot(self.small) for _ in range(3)]
        self.change(nvidia_11=HERE | {'max_instances': 2})
        self.assertEqual({'VGPU': (3, 0)}, self.shown())
        self.assert_nobody_comes()
        self.assert_runs_on(servers[0])
        self.delete(*servers[:2])
        self.assertEqual({'VGPU': (2, 0)}, self.shown())
        self.boot(self.small)
        self.assert_nobody_comes()


class AddressesTest(Change):
    """The type is for another parent now."""

    gpus = 2

    def test_the_provider_goes_with_its_last_user(self):
        server = self.boot(self.small)
        self.change(nvidia_11={'device_addresses': ['0000:85:00.0']})
        self.assertEqual({'VGPU': (16, 15)}, self.shown())
        self.assertEqual({'VGPU': (16, 0)}, self.shown(OTHER))
        self.assert_runs_on(server)
        self.delete(server)
        self.assertIsNone(self.provider('one', GPU))
        self.assertEqual({'VGPU': (16, 0)}, self.shown(OTHER))


class DrainTest(Change):
    """``nova-mdev parent drain``, while nova-compute runs."""

    gpus = 2
    before: ty.ClassVar = {'nvidia_11': {}}

    def set_drained(self, *parents, drained=True):
        """As the command does, with the record that both share."""
        engine = self.computes['one'].driver._mdevs.engine
        for parent in parents:
            engine.set_drained(parent, drained=drained)

    def test_the_next_update_heeds_it(self):
        server = self.boot(self.small)
        ((parent, _),) = self.live('one')
        (other,) = {GPU, OTHER} - {parent}
        self.set_drained(parent)
        self.update()
        self.assertEqual({'VGPU': (16, 15)}, self.shown(parent))
        self.assertEqual({'VGPU': (16, 0)}, self.shown(other))
        self.assert_runs_on(server)
        self.set_drained(parent, drained=False)
        self.update()
        self.assertEqual({'VGPU': (16, 0)}, self.shown(parent))

    def test_who_is_late_is_refused_and_told_why(self):
        self.set_drained(GPU, OTHER)
        server = self.boot(self.small, expected_state='ERROR')
        fault = self.admin_api.get_server(server['id'])['fault']['message']
        self.assertIn('Exceeded maximum number of retries', fault)
        log = self.stdlog.logger.output
        self.assertRegex(log, 'it is being drained; "nova-mdev parent undrain pci_')
        self.assertEqual([], self.types())


class HotPlugTest(Change):
    """A parent that comes while nova-compute runs."""

    gpus = 2
    away = (OTHER,)
    before: ty.ClassVar = {'nvidia_11': {}}

    def test_it_is_published_at_the_next_update(self):
        self.update()
        self.assertIsNone(self.provider('one', OTHER))
        self.host.regain_parent(OTHER)
        self.sync()
        self.assertEqual({'VGPU': (16, 0)}, self.shown(OTHER))
        self.assertIn(f'{OTHER} is new here', self.stdlog.logger.output)


class FailingTest(Change):
    """A parent that goes while nova-compute runs."""

    gpus = 2
    before: ty.ClassVar = {'nvidia_11': {}}

    def test_it_keeps_its_provider_while_it_is_held(self):
        server = self.boot(self.small)
        ((parent, _),) = self.live('one')
        self.host.lose_parent(parent)
        self.update()
        self.assertEqual({'VGPU': (16, 15)}, self.shown(parent))
        told = re.findall(
            f'WARNING .*{parent} is not there, and 1 of', self.stdlog.logger.output
        )
        self.assertEqual(1, len(told))
        self.host.regain_parent(parent)
        self.update()
        self.assertEqual({'VGPU': (16, 0)}, self.shown(parent))
        self.assertIn(f'{parent} is there again', self.stdlog.logger.output)
        self._reboot_server(server, hard=True)
        self.assert_has_its_mdevs(server)
        self.delete(server)
        self.assert_all_agrees()
