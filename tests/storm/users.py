# SPDX-License-Identifier: Apache-2.0
"""What users do, and what everybody should see when all is quiet."""

import collections
import time
import urllib.parse

from nova.tests.functional.api import client as api_client

from tests.nova import base
from tests.storm import orders as orderslib

# How long nothing may change, on a machine that has much else to do.
_PATIENCE = 120.0
# All that ask take time from those who are asked.
_POLL = 2.0
_ENDS = {'ACTIVE', 'ERROR'}


class Users:
    """Of a test case that has ``flavors`` by their name, and hosts."""

    def order(self, order):
        """Do what a user does with one order."""
        body = self._build_server(
            name=order.name,
            image_uuid=base.IMAGE,
            flavor_id=self.flavors[order.flavor],
            networks='none',
        )
        if order.count > 1:
            body |= {'min_count': order.count, 'max_count': order.count}
        server = self.admin_api.post_server({'server': body})
        self.ordered += order.count
        if order.then == orderslib.LEAVE:
            self._wait_for_end(server)
        if order.then != orderslib.KEEP:
            self.delete(server)

    def delete(self, server):
        """Delete it, unless somebody was faster."""
        try:
            self.admin_api.delete_server(server['id'])
        except api_client.OpenStackApiNotFoundException:
            return

    def servers(self, *statuses):
        """All servers in one of these states; none: in any."""
        servers = self.admin_api.get_servers()
        return [s for s in servers if not statuses or s['status'] in statuses]

    def _wait_for_end(self, server):
        def there():
            return self.admin_api.get_server(server['id'])['status'] in _ENDS

        self._until(there, f'server {server["id"]}')

    def wait_for_quiet(self):
        """Until nothing is under way with any server; returns them.

        What the API shows is not all of it.  A server that was deleted while it
        was being scheduled is gone, and Nova's conductor has yet to find that out
        and to give back what the scheduler got for it; one that failed says so
        before nova-compute gives back what it had.
        """

        def there():
            servers = self.servers()
            busy = [s for s in servers if s['OS-EXT-STS:task_state']]
            busy += [s for s in servers if s['status'] not in _ENDS]
            return not busy and self._holders() <= ids(filter(is_active, servers))

        self._until(there, 'quiet')
        return self.servers()

    def _holders(self):
        """Everybody who holds something in Placement, of any host."""
        return {
            consumer
            for provider in self._get_all_providers()
            for consumer in self._get_allocations_by_provider_uuid(provider['uuid'])
        }

    def _until(self, there, what):
        """Wait as long as anything changes; how fast is the computer's affair."""
        before = None
        while not self._is_soon(there):
            seen = self._picture()
            if seen == before:
                servers, holders = seen
                others = holders - {uuid for uuid, *_ in servers}
                self.fail(
                    f'waited in vain for {what}; there are {servers}; of what is not '
                    f'there these hold something in Placement: {others}'
                )
            before = seen

    def _is_soon(self, there):
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if there():
                return True
            time.sleep(_POLL)
        return False

    def _picture(self):
        servers = [
            (s['id'], s['name'], s['status'], s['OS-EXT-STS:task_state'])
            for s in self.servers()
        ]
        return sorted(servers), self._holders()

    # What is seen

    def assert_right(self, servers):
        """Placement, claims, guests and hosts agree: on these servers, and no more."""
        for connection in self.libvirtds.values():
            self.assertEqual([], connection.shared, 'two guests had the same mdev')
        active = [s for s in servers if is_active(s)]
        self.assertEqual([], [s['name'] for s in active if is_doomed(s)])
        for server in servers:
            if server['status'] == 'ERROR':
                held = self._get_allocations_by_server_uuid(server['id'])
                self.assertEqual({}, held, f'{server["name"]} failed and has this')
        for hostname in self.libvirtds:
            here = {s['id'] for s in active if self.host_of(s) == hostname}
            promised = {uuid: self.allocated(uuid, hostname) for uuid in here}
            self._assert_same(promised, self._claimed(hostname), hostname)
            self.assertEqual(here, self._guests(hostname))
        self.assert_all_agrees(*active)

    def _assert_same(self, promised, claimed, hostname):
        """What consumers have on a host is what they were promised there."""
        both = promised.keys() | claimed.keys()
        differ = {c for c in both if promised.get(c) != claimed.get(c)}
        if differ:
            log = self.stdlog.logger.output.splitlines()
            told = '\n'.join(line for line in log if any(c in line for c in differ))
            self.fail(
                f'on {hostname} these were promised {promised}, and claimed {claimed}'
                f'; the log of {differ}:\n{told}'
            )

    def host_of(self, server):
        """The host that the API said it is on."""
        return server['OS-EXT-SRV-ATTR:host']

    def _claimed(self, hostname):
        """What each consumer has claimed, and all of it is live."""
        known = self.store(hostname).load()
        self.assertEqual(known.mdevs.keys(), known.claims.keys(), 'nobody has these')
        self.assertEqual(self.uuids(hostname), set(known.claims))
        claimed = collections.defaultdict(collections.Counter)
        for uuid, claim in known.claims.items():
            device = (known.mdevs[uuid].parent, claim.resource_class)
            claimed[claim.consumer][device] += 1
        return dict(claimed)

    def _guests(self, hostname):
        connection = self.libvirtds[hostname]
        return {guest.UUIDString() for guest in connection._vms.values()}

    def store(self, hostname):
        """The record of a host."""
        return self.computes[hostname].driver._mdevs.store

    def all_inventories(self):
        """What each provider of a parent has, and how much of it is used."""
        return {
            (hostname, parent): (
                self.inventories(hostname, parent),
                +collections.Counter(self.used(hostname, parent)),
            )
            for hostname, connection in self.libvirtds.items()
            for parent in connection.sysnames
        }

    def has_candidates(self, flavor):
        """Whether Placement says that somebody could have this flavor."""
        groups = {'resources': ['VCPU:1', 'MEMORY_MB:64', 'DISK_GB:1']}
        rest = {}
        for spec, amount in orderslib.FLAVORS[flavor].items():
            group, _, resource_class = spec.partition(':')
            if resource_class:
                groups.setdefault(group, []).append(f'{resource_class}:{amount}')
            else:
                rest[group] = amount
        query = {name: ','.join(asked) for name, asked in groups.items()} | rest
        url = f'/allocation_candidates?{urllib.parse.urlencode(query)}'
        return bool(self.placement.get(url, version='1.36').body['allocation_requests'])


def flavor_of(server):
    """The name of its flavor among ours."""
    specs = server['flavor']['extra_specs']
    (name,) = (name for name, told in orderslib.FLAVORS.items() if told == specs)
    return name


def ids(servers):
    """The uuids of some servers."""
    return {server['id'] for server in servers}


def is_active(server):
    """Whether it runs, as far as the API says."""
    return server['status'] == 'ACTIVE'


def is_doomed(server):
    """Whether its guest never starts."""
    return server['name'].startswith(orderslib.DOOMED)
