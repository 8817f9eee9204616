# SPDX-License-Identifier: Apache-2.0
"""What operators write, and parents and mdevs of every kind that hosts have."""

import re

from nova_generic_mdev import fixture
from nova_generic_mdev import model
from tests.nova import base
from tests.nova.defects.rows import row

GPU = 'pci_0000_84_00_0'
VGPU = {'resources__VGPU': '1'}


class Classes(base.TestCase):
    """A default type, for all parents that have it, with a class of its own."""

    def setUp(self):
        super().setUp()
        self.configure(nvidia_11={'mdev_class': 'CUSTOM_FAST'})
        self.start_host('one', fixture.pci_gpus(1))

    @row(5, r"\{'CUSTOM_FAST': \(16, 0\)\} != \{'VGPU': \(16, 0\)\}")
    def test_the_class_is_the_class(self):
        self.assertEqual({'CUSTOM_FAST': (16, 0)}, self.inventories('one', GPU))
        server = self.boot(self.flavor(resources__CUSTOM_FAST='1'))
        self.assert_all_agrees(server)

    @row(5, 'waited in vain for a server that is ERROR; there is ACTIVE')
    def test_no_server_is_active_without_its_device(self):
        self.boot(self.flavor(**VGPU), expected_state='ERROR')


class Written(base.TestCase):
    """A host with GPUs at 0000:84:00.0 and so on, to 0000:8a:00.0."""

    def setUp(self):
        super().setUp()
        self.host = fixture.pci_gpus(7)

    def warned_of(self, text):
        """Whether the log warns of something by its name."""
        log = self.stdlog.logger.output
        return re.search(rf'(WARNING|ERROR) .*{re.escape(text)}', log) is not None

    @row(15, r"\{'VGPU': \(16, 0\)\} != \{\}")
    def test_an_address_is_the_same_in_either_case(self):
        self.configure(nvidia_11={'device_addresses': ['0000:8A:00.0']})
        self.start_host('one', self.host)
        found = self.inventories('one', 'pci_0000_8a_00_0')
        self.assertEqual({'VGPU': (16, 0)}, found)

    @row(15, 'nobody said that there is no nvidia-999')
    def test_a_misspelt_type_is_named(self):
        here = {'device_addresses': ['0000:84:00.0']}
        self.configure(
            nvidia_11={'device_addresses': ['0000:85:00.0']}, nvidia_999=here
        )
        self.start_host('one', self.host)
        warned = self.warned_of('nvidia-999')
        self.assertTrue(warned, 'nobody said that there is no nvidia-999')
        found = self.inventories('one', 'pci_0000_85_00_0')
        self.assertEqual({'VGPU': (16, 0)}, found)

    @row(15, 'nobody said that there is no 0000:99:00.0')
    def test_a_misspelt_address_is_named(self):
        both = ['0000:85:00.0', '0000:99:00.0']
        self.configure(nvidia_11={'device_addresses': both})
        self.start_host('one', self.host)
        warned = self.warned_of('0000:99:00.0')
        self.assertTrue(warned, 'nobody said that there is no 0000:99:00.0')
        found = self.inventories('one', 'pci_0000_85_00_0')
        self.assertEqual({'VGPU': (16, 0)}, found)


class Parents(base.TestCase):
    """Parents that are not PCI devices."""

    @row(13, 'the sync of a node was given up.*AttributeError')
    def test_what_is_not_configured_is_left_alone(self):
        here = {'device_addresses': ['0000:84:00.0']}
        self.configure(nvidia_11=here)
        host = fixture.together(
            fixture.pci_gpus(1), fixture.mdpy(), fixture.mtty(), fixture.s390()
        )
        self.start_host('one', host)
        self.assert_nodes_sync()
        self.assertEqual({'VGPU': (16, 0)}, self.inventories('one', GPU))
        for parent in ('mdpy_mdpy', 'mtty_mtty', 'css_0_0_0023', 'ap_matrix'):
            self.assertIsNone(self.provider('one', parent))

    @row(13, 'does not start: (InvalidLibvirtMdevConfig|AttributeError)')
    def test_what_is_configured_is_a_parent_as_any_other(self):
        display = {'mdev_class': 'CUSTOM_DISPLAY', 'device_addresses': ['mdpy']}
        dasd = {'mdev_class': 'CUSTOM_DASD', 'device_addresses': ['css_0_0_0023']}
        self.configure(**{'mdpy-vga': display, 'vfio_ccw-io': dasd})
        host = fixture.together(fixture.mdpy(), fixture.s390())
        self.start_host('one', host)
        server = self.boot(
            self.flavor(resources__CUSTOM_DISPLAY='2', resources__CUSTOM_DASD='1')
        )
        self.assertEqual(2, self.free('one', 'mdpy_mdpy', 'CUSTOM_DISPLAY'))
        self.assertEqual(0, self.free('one', 'css_0_0_0023', 'CUSTOM_DASD'))
        self.assert_all_agrees(server)
        models = sorted(
            re.findall("model='(vfio[^']*)'", self.guest(server).XMLDesc(0))
        )
        self.assertEqual(['vfio-ccw', 'vfio-pci', 'vfio-pci'], models)


class Mdevs(base.TestCase):
    """Mdevs that are not as they should be."""

    def setUp(self):
        super().setUp()
        self.configure(nvidia_11={})
        self.host = fixture.pci_gpus(2)

    @row(14, 'the sync of a node was given up.*no node device')
    def test_an_mdev_may_vanish_while_it_is_looked_at(self):
        self.host.place('11111111-2222-4333-8444-000000000001', GPU, 'nvidia-11')
        one = self.start_host('one', self.host)

        def vanish(name):
            if name.startswith('mdev_'):
                self.host.lose_mdev('11111111-2222-4333-8444-000000000001')

        one.before_lookup = vanish
        self.sync()
        vanish('mdev_')
        self.assert_nodes_sync()
        self.assertEqual(16, self.free('one', GPU))

    @row(14, 'does not start')
    def test_a_bad_definition_does_not_stop_the_start(self):
        uuid = '11111111-2222-4333-8444-000000000002'
        self.host.definitions[uuid] = model.Definition(
            uuid=uuid, parent=GPU, mdev_type='nvidia-11', autostart=True
        )
        self.host.fail_create(1, 5)
        self.start_host('one', self.host)
        self.assertEqual(16, self.free('one', 'pci_0000_85_00_0'))
        self.assertIn(uuid.replace('-', '_'), self.stdlog.logger.output)
