# SPDX-License-Identifier: Apache-2.0
"""A storm at the driver: more servers than mdevs, and much that goes wrong."""

import collections
import contextlib
import errno
import functools
import os
import random
import threading
import time
import uuid as uuidlib

import fixtures
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_generic_mdev import fixture
from tests.nova import base
from tests.nova import guests
from tests.nova import libvirtd
from tests.nova.storm import checking
from tests.nova.storm import crowd
from tests.nova.storm import watching

SERVERS = 200
SEED = int(os.environ.get('NOVA_MDEV_STORM_SEED', '4'))
#: the classes of each parent; two of one parent compete for what it has
CLASSES = {
    'mtty_mtty': ('CUSTOM_ONE', 'CUSTOM_TWO'),
    'pci_0000_00_05_0': ('CUSTOM_ONE', 'CUSTOM_TWO'),
    'pci_0000_00_06_0': ('CUSTOM_ONE', 'CUSTOM_TWO'),
    'pci_0000_84_00_0': ('VGPU', 'CUSTOM_SMALL'),
    'pci_0000_85_00_0': ('VGPU', 'CUSTOM_SMALL'),
    'mdpy_mdpy': ('CUSTOM_DISPLAY',),
}
#: what somebody else made: any server may get it, and it outlives them all
FOUND = (('mdpy_mdpy', 'mdpy-vga', 2), ('mtty_mtty', 'mtty-1', 3))
_PCI = ['0000:00:05.0', '0000:00:06.0']
_GPUS = ['0000:84:00.0', '0000:85:00.0']


class SpawnStorm(checking.Checking, base.TestCase):
    """Two hundred servers on a host that has devices for a third of them."""

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)  # noqa: S311 - no secret
        self.configure(
            mtty_1={'mdev_class': 'CUSTOM_ONE', 'device_addresses': ['mtty']},
            mtty_2={'mdev_class': 'CUSTOM_TWO', 'device_addresses': ['mtty']},
            mttypci_1={'mdev_class': 'CUSTOM_ONE', 'device_addresses': _PCI},
            mttypci_2={'mdev_class': 'CUSTOM_TWO', 'device_addresses': _PCI},
            nvidia_18={'device_addresses': _GPUS},
            nvidia_11={'mdev_class': 'CUSTOM_SMALL', 'device_addresses': _GPUS},
            mdpy_vga={'mdev_class': 'CUSTOM_DISPLAY', 'device_addresses': ['mdpy']},
        )
        self.host = fixture.together(
            fixture.mtty(), fixture.pci_mtty(), fixture.pci_gpus(), fixture.mdpy()
        )
        self.found = set(self._place_found())
        self.one = self.libvirtds['one'] = watching.Watching(self.host, 'one')
        self.start_host('one', None)
        self.sync()
        self.before = self._all_inventories()
        driver = self.computes['one'].driver
        self.store = driver._mdevs.store
        self.crowd = crowd.Crowd(self.context, driver)
        self.doomed = set()
        self.updates = 0
        #: the creates that the kernel refuses, by their number
        self.refused = []
        self.one.before_start = self._start
        driver._create_image = self._fetch_image
        # These instances are in no database.
        driver._create_configdrive = libvirtd.nothing
        driver._register_undefined_instance_details = libvirtd.nothing
        self.useFixture(fixtures.MockPatch('nova.objects.Instance.save'))

    def _place_found(self):
        for parent, mdev_type, count in FOUND:
            for _ in range(count):
                uuid = str(uuidlib.UUID(int=self.random.getrandbits(128), version=4))
                self.host.place(uuid, parent, mdev_type)
                yield uuid

    def test_nobody_shares_and_nothing_is_left_over(self):
        servers = self._servers()
        with self._updates():
            by_fate = self._storm(servers)
            self._lull(servers)
            self._change_of_guests(servers)
        self._end(servers)
        # It was a storm: else nothing of this says much.
        self.assertEqual({'booted', 'refused', 'failed'}, by_fate.keys())
        self.assertGreater(self.crowd.most_at_once, crowd.THREADS // 2)
        self.assertGreater(self.updates, 0)

    def _servers(self):
        parents = sorted(CLASSES)
        providers = {p: self.provider('one', p)['uuid'] for p in parents}
        return [
            crowd.Server(self.context, number, self._asks(parents), providers)
            for number in range(1, SERVERS + 1)
        ]

    def _asks(self, parents):
        """One or two classes, of one parent or of two."""
        asks = collections.Counter()
        for _ in range(self.random.choice((1, 1, 2))):
            parent = self.random.choice(parents)
            asks[parent, self.random.choice(CLASSES[parent])] += 1
        return asks

    # What happens

    @contextlib.contextmanager
    def _updates(self):
        """All the while nova-compute updates its resources, again and again."""
        ended = threading.Event()
        errors = []

        def run():
            while not ended.wait(0.1) and not errors:
                try:
                    self.sync()
                except Exception as e:  # noqa: BLE001 - of whatever kind, it is told
                    errors.append(e)
                self.updates += 1

        updating = threading.Thread(target=run, daemon=True)
        updating.start()
        try:
            yield
        finally:
            ended.set()
            updating.join()
        if errors:
            raise errors[0]

    def _storm(self, servers):
        """All at once; some guests do not start, the kernel refuses some mdevs."""
        self._spoil_creates(one_in=10)
        self.doomed = {s.uuid for s in self.random.sample(servers, SERVERS // 5)}
        leaving = {s.uuid for s in self.random.sample(servers, SERVERS // 4)}

        def boot(server):
            fate = self.crowd.boot(server)
            fates[fate] += 1
            if fate == 'booted' and server.uuid in leaving:
                self.crowd.delete(server)

        fates = collections.Counter()
        crowd.at_once(boot, servers)
        self.check(servers)
        self.assertGreater(
            self._made(), min(self.refused), 'the kernel refused nothing'
        )
        return fates

    def _lull(self, servers):
        """Nothing fails by intention: who does not boot has no room."""
        self._spoil_creates(one_in=None)
        self.doomed = set()
        again = [s for s in servers if s.fate in {'refused', 'failed'}]
        crowd.at_once(self.crowd.boot, again)
        self.check(servers)
        fates = {server.fate for server in again}
        self.assertEqual({'booted', 'refused'}, fates)
        for server in servers:
            if server.fate == 'refused':
                self.assertFalse(self.fits(server), f'{server.asks} would fit')

    def _change_of_guests(self, servers):
        """Some leave, and those who had no room come at the same time."""
        leaving = [s for s in servers if s.fate == 'booted'][::2]
        waiting = [s for s in servers if s.fate == 'refused']
        acts = [(self.crowd.delete, s) for s in leaving]
        acts += [(self.crowd.boot, s) for s in waiting]
        self.random.shuffle(acts)
        crowd.at_once(lambda act: act[0](act[1]), acts)
        self.check(servers)
        self.assertIn('booted', {server.fate for server in waiting})

    def _end(self, servers):
        """All leave."""
        crowd.at_once(self.crowd.delete, [s for s in servers if s.fate == 'booted'])
        self.check(servers)
        self.assertEqual({}, self.one.owners, 'guests are left over')
        self.assertEqual({}, self.store.load().claims, 'claims are left over')
        self.assertEqual(self.found, set(self.store.load().mdevs))
        self.assertEqual(self.found, self.uuids('one'), 'mdevs are left over')
        self.sync()
        self.assertEqual(self.before, self._all_inventories())

    # How it goes wrong

    def _spoil_creates(self, one_in):
        """From now on creates take a moment, and of so many the kernel refuses one."""
        made = self._made()
        for nth in range(made + 1, made + 4 * SERVERS):
            if one_in and self.random.randrange(one_in) == 0:
                refusal = self.random.choice((errno.ENOSPC, errno.EUSERS))
                self.host.fail_create(nth, refusal)
                self.refused.append(nth)
            else:
                moment = self.random.uniform(0, 0.01)
                self.host.before_create(nth, functools.partial(time.sleep, moment))

    def _made(self):
        return sum(call.verb == 'create' for call in self.host.calls)

    def _fetch_image(self, *args, **kwargs):
        time.sleep(0.005)
        return False, False

    def _start(self, guest):
        time.sleep(0.005)
        if guest.UUIDString() in self.doomed:
            code = fakelibvirt.VIR_ERR_INTERNAL_ERROR
            raise guests.error(code, crowd.NOT_TO_START)

    def _all_inventories(self):
        return {parent: self.inventories('one', parent) for parent in CLASSES}
