# SPDX-License-Identifier: Apache-2.0
"""One mdev, one server: from before the guest is there until it is gone."""

import contextlib
import threading
import uuid as uuidlib

from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_generic_mdev import fixture
from tests.nova import base
from tests.nova import guests
from tests.nova.defects.rows import row

GPU = 'pci_0000_84_00_0'
# How long two spawns wait for each other.
_MEETING = 60


class OneAtATime(base.TestCase):
    """A GPU that holds four."""

    def setUp(self):
        super().setUp()
        self.configure(nvidia_18={})
        self.host = fixture.pci_gpus(1)
        self.one = self.start_host('one', self.host)
        self.one_device = self.flavor(resources__VGPU='1')

    @row(1, 'two guests were defined with the same mdev')
    def test_two_spawns_at_once_have_an_mdev_each(self):
        # One is idle, which both would like to have.
        self.host.place(str(uuidlib.uuid4()), GPU, 'nvidia-18')
        self.sync()
        meeting = threading.Barrier(2)
        defined = []

        def meet(xml):
            uuids = etree.fromstring(xml).xpath('//hostdev/source/address/@uuid')
            defined.append(frozenset(uuids))
            with contextlib.suppress(threading.BrokenBarrierError):
                meeting.wait(_MEETING)

        self.one.before_define = meet
        with contextlib.suppress(AssertionError):
            self.boot(self.one_device, count=2)
        self.one.before_define = lambda xml: None
        first, second = defined[:2]
        same = first & second
        self.assertEqual(set(), same, 'two guests were defined with the same mdev')
        servers = self.admin_api.get_servers()
        self.assertEqual(['ACTIVE', 'ACTIVE'], [s['status'] for s in servers])
        for server in servers:
            self.assert_has_its_mdevs(server)

    @row(8, 'the mdev outlives its server')
    def test_no_server_gets_the_device_of_another(self):
        server = self.boot(self.one_device)
        before = self.uuids('one')
        self._delete_server(server)
        self.assertEqual(set(), self.uuids('one'), 'the mdev outlives its server')
        server = self.boot(self.one_device)
        self.assertEqual(set(), before & self.uuids('one'))
        self.assert_all_agrees(server)

    @row(9, 'an mdev is left over')
    def test_a_boot_that_fails_leaves_nothing(self):
        def refuse(guest):
            raise guests.error(fakelibvirt.VIR_ERR_INTERNAL_ERROR, 'no such machine')

        self.one.before_start = refuse
        self.boot(self.one_device, expected_state='ERROR')
        self.assertEqual(set(), self.uuids('one'), 'an mdev is left over')
        self.assert_all_agrees()

    @row(12, 'two guests have the same mdev')
    def test_a_suspending_server_keeps_its_mdev(self):
        others = []

        def boot_another(guest):
            others.append(self.boot(self.one_device))

        server = self.boot(self.one_device)
        self.one.before_save = boot_another
        self._suspend_server(server)
        self.assert_all_agrees(server, *others)
        self._resume_server(server)
        self.assert_all_agrees(server, *others)


class ChangeOfType(base.TestCase):
    """A GPU on which one type runs at a time, and another is wanted now."""

    def setUp(self):
        super().setUp()
        self.configure(nvidia_11={})
        self.one = self.start_host('one', fixture.pci_gpus(1))
        self.flavor_id = self.flavor(resources__VGPU='1')
        self.server = self.boot(self.flavor_id)

    def _change(self):
        self.configure(nvidia_18={})
        self.restart('one')
        self.classes['nvidia-11'] = 'VGPU'
        self.assert_nodes_sync()

    @row(8, '4 != 0')
    def test_what_is_gone_leaves_room_for_another_type(self):
        self._delete_server(self.server)
        self._change()
        self.assertEqual(4, self.free('one', GPU))
        self.assert_all_agrees(self.boot(self.flavor_id))

    @row(8, 'the sync of a node was given up.*InUse')
    def test_what_is_in_use_is_drained(self):
        self._change()
        self.assertIsNotNone(self.provider('one', GPU), 'Placement has no provider')
        self.assertEqual(0, self.free('one', GPU))
        self.boot(self.flavor_id, expected_state='ERROR')
        self.assert_all_agrees(self.server)
        self._delete_server(self.server)
        self.sync()
        self.assertEqual(4, self.free('one', GPU))
