# SPDX-License-Identifier: Apache-2.0
"""From Nova's own driver to ours, and back: servers and providers stay."""

from nova_generic_mdev import fixture
from tests import nova as testing
from tests.nova import base

GPU = 'pci_0000_84_00_0'
VGPU = {'resources__VGPU': '1'}


class Case(base.TestCase):
    """Nova's driver first; ours may follow."""

    driver = testing.OURS

    def use(self, driver):
        """The next nova-compute that starts has this driver."""
        self.flags(compute_driver=driver)

    def assert_its_devices_stayed(self, server, before):
        self.assertEqual(before, self.guest_mdevs(server))
        self.assert_has_its_mdevs(server)


class Switch(Case):
    """One host that changes its driver."""

    def setUp(self):
        super().setUp()
        self.use(testing.IN_TREE)
        self.configure(nvidia_11={})
        self.start_host('one', fixture.pci_gpus(2))
        self.one_device = self.flavor(**VGPU)
        self.old = self.boot(self.one_device)
        self.mdevs = self.guest_mdevs(self.old)

    def _providers(self):
        return {
            parent: self.provider('one', parent)['uuid']
            for parent in self.libvirtds['one'].sysnames
        }

    def _mark(self):
        """The operator gives a provider a trait."""
        self._create_trait('CUSTOM_RACK_7')
        uuid = self.provider('one', GPU)['uuid']
        traits = {*self._get_provider_traits(uuid), 'CUSTOM_RACK_7'}
        self._set_provider_traits(uuid, sorted(traits))

    def test_everything_stays(self):
        self._mark()
        before = self._providers()
        self.use(testing.OURS)
        self.restart('one')
        self.assert_nodes_sync()
        self.assertEqual(before, self._providers())
        self.assertIn('CUSTOM_RACK_7', self.traits('one', GPU))
        self.assert_its_devices_stayed(self.old, self.mdevs)
        self.assert_all_agrees(self.old)

    def test_an_old_server_lives_on(self):
        self.use(testing.OURS)
        self.restart('one')
        self._reboot_server(self.old, hard=True)
        self.assert_its_devices_stayed(self.old, self.mdevs)
        new = self.boot(self.one_device)
        self.assert_all_agrees(self.old, new)
        self._delete_server(new)
        self.assertEqual(set(self.mdevs), self.uuids('one'))

    def test_what_nova_made_is_never_removed(self):
        self.use(testing.OURS)
        self.restart('one')
        self._delete_server(self.old)
        self.assertEqual(set(self.mdevs), self.uuids('one'))
        new = self.boot(self.flavor(resources__VGPU='16'))
        self.assert_has_its_mdevs(new)

    def test_back_again(self):
        self._mark()
        before = self._providers()
        self.use(testing.OURS)
        self.restart('one')
        new = self.boot(self.one_device)
        kept = self.guest_mdevs(new)
        self.use(testing.IN_TREE)
        self.restart('one')
        self.assert_nodes_sync()
        self.assertEqual(before, self._providers())
        self.assertIn('CUSTOM_RACK_7', self.traits('one', GPU))
        self.assertEqual({'VGPU': (16, 0)}, self.inventories('one', GPU))
        self.assert_its_devices_stayed(self.old, self.mdevs)
        self.assert_its_devices_stayed(new, kept)
        self._reboot_server(new, hard=True)
        self.assert_its_devices_stayed(new, kept)

    def test_there_and_back_and_there(self):
        """What Nova's driver gave away meanwhile is its server's."""
        self.use(testing.OURS)
        self.restart('one')
        self.use(testing.IN_TREE)
        self.restart('one')
        self._delete_server(self.old)
        heir = self.boot(self.one_device)
        inherited = self.guest_mdevs(heir)
        self.use(testing.OURS)
        self.restart('one')
        self.sync()
        self.assert_nodes_sync()
        self.assert_its_devices_stayed(heir, inherited)
        new = self.boot(self.one_device)
        self.assertEqual(set(), set(inherited) & set(self.guest_mdevs(new)))


class Both(Case):
    """A cluster with both drivers: a guest moves live from each to the other."""

    def _moves(self, source, destination):
        self.configure(nvidia_11={})
        for name, driver in (('source', source), ('destination', destination)):
            self.use(driver)
            self.start_host(name, fixture.pci_gpus(1))
            runs = type(self.computes[name].driver).__name__
            self.assertEqual(driver.rpartition('.')[2], runs)
        server = self.boot(self.flavor(**VGPU), host='source')
        self._live_migrate(server, 'completed')
        self.assertEqual('destination', self.where(server))
        self.assert_has_its_mdevs(server)
        return server

    def test_from_novas_driver_to_ours(self):
        server = self._moves(testing.IN_TREE, testing.OURS)
        mdevs = self.guest_mdevs(server)
        self._reboot_server(server, hard=True)
        self.assert_its_devices_stayed(server, mdevs)

    def test_from_ours_to_novas_driver(self):
        self._moves(testing.OURS, testing.IN_TREE)
        self.assertEqual(set(), self.uuids('source'))
