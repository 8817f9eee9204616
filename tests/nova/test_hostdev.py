# SPDX-License-Identifier: Apache-2.0
"""The ``<hostdev>`` of an mdev in a guest's XML, as libvirt reads it."""

from unittest import mock

from lxml import etree
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import guest as libvirt_guest

from nova_generic_mdev import allocation
from nova_generic_mdev import domain_xml
from nova_generic_mdev import fixture
from tests.nova import driving

GUEST = '8f4d6c1e-1f64-4c6b-9d6c-37d4f5a3b001'
OTHER = '4b20d080-1b54-4048-85b3-a6a62d165c01'
# What is configured, where it is, and what the guest's XML then has.
DEVICES = {
    'no display': ('mdpy-vga', {}, 'mdpy_mdpy', 'vfio-pci', {}),
    'a display': (
        'mdpy-vga', {'display': True}, 'mdpy_mdpy', 'vfio-pci', {'display': True},
    ),
    'a boot display': (
        'mdpy-vga', {'display': True, 'ramfb': True}, 'mdpy_mdpy', 'vfio-pci',
        {'display': True, 'ramfb': True},
    ),
    'none by intention': (
        'mdpy-vga', {'display': False, 'ramfb': False}, 'mdpy_mdpy', 'vfio-pci',
        {'display': False, 'ramfb': False},
    ),
    'a channel device': (
        'vfio_ccw-io', {}, 'css_0_0_0023', 'vfio-ccw', {},
    ),
    'a crypto adapter': (
        'vfio_ap-passthrough', {}, 'ap_matrix', 'vfio-ap', {},
    ),
}  # fmt: skip


def canonical(xml):
    """The same for all ways to write the same element."""
    element = etree.fromstring(xml)
    return etree.canonicalize(element, strip_text=True)


class HostdevTest(driving.Case):
    def setUp(self):
        super().setUp()
        self.host = fixture.together(fixture.mdpy(), fixture.s390())

    def _claim(self, mdev_type, options, parent):
        self.start(**{mdev_type: options})
        request = allocation.Request(parent=parent, resource_class='VGPU', amount=1)
        (device,) = self.driver._mdevs.allocate(GUEST, [request])
        return device.uuid

    def test_it_is_what_libvirt_s_schema_says(self):
        for name, (mdev_type, options, parent, api, flags) in DEVICES.items():
            with self.subTest(name):
                uuid = self._claim(mdev_type, options, parent)
                wanted = canonical(domain_xml.hostdev(uuid, api, **flags))
                self.assertEqual([wanted], self._added(uuid))
                self.assertEqual([wanted], self._given_back(uuid))
                self.driver._mdevs.release(GUEST)

    def _added(self, *uuids):
        """To a guest that is to be."""
        config = vconfig.LibvirtConfigGuest()
        config.uuid = GUEST
        self.driver._guest_add_mdevs(config, uuids)
        return [canonical(device.to_xml()) for device in config.devices]

    def _given_back(self, uuid):
        """To a guest that resumes; libvirt's XML of it tells the uuid alone."""
        told = vconfig.LibvirtConfigGuestHostdevMDEV()
        told.uuid = uuid
        guest = mock.Mock(spec=libvirt_guest.Guest, uuid=GUEST)
        self.driver._attach_mediated_devices(guest, [told])
        return [
            canonical(call.args[0].to_xml())
            for call in guest.attach_device.call_args_list
        ]

    def test_what_is_not_claimed_is_written_as_nova_does(self):
        uuid = self._claim('mdpy-vga', {'display': True}, 'mdpy_mdpy')
        novas = vconfig.LibvirtConfigGuestHostdevMDEV()
        novas.uuid = OTHER
        mine = domain_xml.hostdev(uuid, 'vfio-pci', display=True)
        self.assertEqual(
            [canonical(mine), canonical(novas.to_xml())], self._added(uuid, OTHER)
        )

    def test_a_display_that_is_no_longer_configured_is_left_to_libvirt(self):
        uuid = self._claim('mdpy-vga', {'display': True}, 'mdpy_mdpy')
        self.start(mdpy_hd={})
        self.assertEqual(
            [canonical(domain_xml.hostdev(uuid, 'vfio-pci'))], self._added(uuid)
        )
