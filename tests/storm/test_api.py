# SPDX-License-Identifier: Apache-2.0
"""A storm through the API: more servers than mdevs, and much that goes wrong."""

import contextlib
import errno
import functools
import os
import random
import threading
import time

from nova.tests.fixtures import libvirt as fakelibvirt

from nova_generic_mdev import fixture
from tests.nova import guests
from tests.nova.storm import crowd
from tests.nova.storm import watching
from tests.storm import base
from tests.storm import boots as bootslib
from tests.storm import orders as orderslib
from tests.storm import users

SEED = int(os.environ.get('NOVA_MDEV_STORM_SEED', '4'))
#: how many users there are at once
USERS = 8
HOSTS = ('one', 'two')
# Whoever found no room tries again so often, if others found some.
_TRIES = 6
_PORTS = ['0000:00:05.0', '0000:00:06.0']


class ApiStorm(users.Users, base.TestCase):
    """Two hosts with devices for half of those who want some."""

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)  # noqa: S311 - no secret
        self.configure(
            mttypci_1={'device_addresses': _PORTS},
            mttypci_2={'mdev_class': 'CUSTOM_DUAL', 'device_addresses': _PORTS},
            nvidia_18={
                'mdev_class': 'CUSTOM_LARGE', 'device_addresses': ['0000:84:00.0'],
            },
        )  # fmt: skip
        for hostname in HOSTS:
            self._start_host(hostname)
        self.sync()
        self.before = self.all_inventories()
        self.flavors = {
            name: self.flavor(**{k.replace(':', '__'): v for k, v in specs.items()})
            for name, specs in orderslib.FLAVORS.items()
        }
        self.boots = self.useFixture(bootslib.Boots())
        self.ordered = self.updates = 0
        self.stumbled = set()
        #: the creates that the kernel refuses, by their host and number
        self.refused = set()

    def _start_host(self, hostname):
        host = fixture.together(fixture.pci_mtty(2, ports=6), fixture.pci_gpus(1))
        connection = self.libvirtds[hostname] = watching.Watching(host, hostname)
        connection.peers = self.libvirtds
        connection.before_start = self._start
        self.start_host(hostname, None)

    def test_no_server_runs_without_what_placement_says_it_has(self):
        with self._updates():
            servers = self._storm()
        self.sync()
        self.assert_right(servers)
        self._assert_stormy(servers)
        flavors = self._lull(servers)
        for flavor in flavors:
            self.assertFalse(self.has_candidates(flavor), f'{flavor} would fit')
        crowd.at_once(self.delete, self.servers(), USERS)
        self._until(lambda: not self.servers(), 'the end of all servers')
        self.wait_for_quiet()
        self.sync()
        self.assert_right([])
        self.assertEqual(self.before, self.all_inventories())

    def _assert_stormy(self, servers):
        """It was a storm: else nothing of this says much."""
        running = {s['name'].partition('-')[0] for s in servers if users.is_active(s)}
        self.assertLessEqual({'plain', 'several'}, running)
        self.assertTrue(any(users.is_doomed(server) for server in servers))
        made = {hostname: self._made(hostname) for hostname in HOSTS}
        refused = [nth for hostname, nth in self.refused if nth <= made[hostname]]
        self.assertTrue(refused, 'the kernel refused nothing')
        self.assertGreater(self.updates, 0)

    # What happens

    def _storm(self):
        """All order at once, and one nova-compute is restarted meanwhile."""
        self._spoil_creates(one_in=10)
        orders = orderslib.many(self.random)
        errors = []

        def use():
            try:
                crowd.at_once(self.order, orders, USERS)
            except Exception as e:  # noqa: BLE001 - of whatever kind, it is told
                errors.append(e)

        using = threading.Thread(target=use, daemon=True)
        using.start()
        self._until(lambda: self._made('one') > 5 or errors, 'some boots')
        self.assertTrue(self.servers('BUILD'), 'the storm is over already')
        self._restart('one')
        using.join()
        if errors:
            raise errors[0]
        return self.wait_for_quiet()

    def _restart(self, hostname):
        """As an orderly stop of the process: what it has begun comes to its end."""
        stopped = self.computes[hostname].manager

        def end():
            self._until(lambda: not self.boots.of(stopped), 'the boots that it began')

        self.restart(hostname, while_down=end)

    def sync(self):
        """Nova's periodic tasks: also what deletes is late for, a service being down.

        The API then deletes a server by itself, and its guest runs on until it is
        reaped.
        """
        for hostname, compute in self.computes.items():
            with self._host_is(hostname):
                compute.manager._cleanup_running_deleted_instances(self.context)
        super().sync()

    @contextlib.contextmanager
    def _updates(self):
        """All the while both nova-computes update their resources."""
        ended = threading.Event()

        def run():
            while not ended.wait(5):
                for compute in list(self.computes.values()):
                    compute.manager.update_available_resource(self.context)
                    self.updates += 1

        updating = threading.Thread(target=run, daemon=True)
        updating.start()
        try:
            yield
        finally:
            ended.set()
            updating.join()

    def _lull(self, servers):
        """Nothing fails by intention: who found no room tries again, till none does.

        :returns: the flavors of those who found none
        """
        self._spoil_creates(one_in=None)
        failed = [s for s in servers if s['status'] == 'ERROR']
        waiting = [users.flavor_of(s) for s in failed if not users.is_doomed(s)]
        for number in range(_TRIES):
            crowd.at_once(self.delete, failed, USERS)
            again = [
                orderslib.Order(name=f'again-{number}', flavor=flavor)
                for flavor in waiting
            ]
            crowd.at_once(self.order, again, USERS)
            servers = self.wait_for_quiet()
            self.sync()
            self.assert_right(servers)
            failed = [s for s in servers if s['status'] == 'ERROR']
            found_room = len(failed) < len(waiting)
            waiting = [users.flavor_of(server) for server in failed]
            if not found_room:
                break
        self.assertFalse(found_room, f'some found room even at try {_TRIES}')
        return set(waiting)

    # How it goes wrong

    def _start(self, guest):
        time.sleep(0.02)
        xml, uuid = guest.given_xml, guest.UUIDString()
        stumbles = orderslib.STUMBLING in xml and uuid not in self.stumbled
        self.stumbled.add(uuid)
        if orderslib.DOOMED in xml or stumbles:
            code = fakelibvirt.VIR_ERR_INTERNAL_ERROR
            raise guests.error(code, crowd.NOT_TO_START)

    def _spoil_creates(self, one_in):
        """From now on creates take a moment, and of so many the kernel refuses one."""
        for connection in self.libvirtds.values():
            host, made = connection.mdevs, self._made(connection.hostname)
            for nth in range(made + 1, made + 400):
                if one_in and self.random.randrange(one_in) == 0:
                    refusal = self.random.choice((errno.ENOSPC, errno.EUSERS))
                    host.fail_create(nth, refusal)
                    self.refused.add((connection.hostname, nth))
                else:
                    moment = self.random.uniform(0, 0.01)
                    host.before_create(nth, functools.partial(time.sleep, moment))

    def _made(self, hostname):
        calls = self.libvirtds[hostname].mdevs.calls
        return sum(call.verb == 'create' for call in calls)
