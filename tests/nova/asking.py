# SPDX-License-Identifier: Apache-2.0
"""What a user and an operator see: Placement, the API, guests and the host."""

import collections

import nova.conf
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_generic_mdev import names

CONF = nova.conf.CONF


class Asking:
    """Questions, and the assertion that everything agrees.

    Devices are counted by ``(parent, resource class)``.
    """

    # Placement

    def provider(self, hostname, parent):
        """The parent's provider, or None where Placement has none."""
        name = names.provider(hostname, parent)
        found = self.placement.get(
            f'/resource_providers?name={name}', version='1.14'
        ).body['resource_providers']
        return found[0] if found else None

    def inventories(self, hostname, parent):
        """Of a parent: ``total`` and ``reserved`` by class; nothing without one."""
        provider = self.provider(hostname, parent)
        if provider is None:
            return {}
        inventories = self._get_provider_inventory(provider['uuid'])
        return {
            resource_class: (inventory['total'], inventory['reserved'])
            for resource_class, inventory in inventories.items()
        }

    def free(self, hostname, parent, resource_class='VGPU'):
        """What the scheduler could still give of a class."""
        total, reserved = self.inventories(hostname, parent).get(resource_class, (0, 0))
        return total - reserved - self.used(hostname, parent).get(resource_class, 0)

    def used(self, hostname, parent):
        """The usages of a parent's provider, by class."""
        provider = self.provider(hostname, parent)
        return self._get_provider_usages(provider['uuid']) if provider else {}

    def traits(self, hostname, parent):
        """The traits of a parent's provider."""
        return set(self._get_provider_traits(self.provider(hostname, parent)['uuid']))

    def allocated(self, consumer, hostname):
        """The devices that a consumer holds of a host."""
        held = collections.Counter()
        allocations = self._get_allocations_by_server_uuid(consumer)
        for parent in self.libvirtds[hostname].sysnames:
            provider = self.provider(hostname, parent)
            mine = allocations.get(provider['uuid']) if provider else None
            for resource_class, amount in (mine or {}).get('resources', {}).items():
                held[parent, resource_class] += amount
        return held

    # Guests and the host

    def guest(self, server, hostname=None):
        """The server's domain."""
        hostname = hostname or self.where(server)
        return self.libvirtds[hostname].lookupByUUIDString(server['id'])

    def where(self, server):
        """The host that the API says the server is on."""
        server = self.admin_api.get_server(server['id'])
        return server['OS-EXT-SRV-ATTR:host']

    def guest_mdevs(self, server, hostname=None):
        """The uuids in the XML of the server's domain, in its order."""
        return self.guest(server, hostname).mdevs()

    def live(self, hostname):
        """The devices that are live on a host, by parent and class."""
        mdevs = self.libvirtds[hostname].look().mdevs.values()
        return collections.Counter(map(self._device, mdevs))

    def uuids(self, hostname):
        """The uuids of what is live on a host."""
        return set(self.libvirtds[hostname].look().mdevs)

    def _device(self, mdev):
        return (mdev.parent, self.classes.get(mdev.mdev_type, mdev.mdev_type))

    # Everything

    def assert_has_its_mdevs(self, server, hostname=None):
        """The guest names just what Placement has for the server, and it is live."""
        hostname = hostname or self.where(server)
        there = self.libvirtds[hostname].look().mdevs
        mdevs = self.guest_mdevs(server, hostname)
        gone = [uuid for uuid in mdevs if uuid not in there]
        self.assertEqual([], gone, 'the guest names mdevs that are not live')
        has = collections.Counter(self._device(there[uuid]) for uuid in mdevs)
        self.assertEqual(
            self.allocated(server['id'], hostname),
            has,
            "the guest's mdevs are not what Placement says that the server has",
        )

    def assert_all_agrees(self, *servers):
        """Guests, hosts and Placement agree on every host; nothing is left over.

        :param servers: those that have a guest
        """
        for server in servers:
            self.assert_has_its_mdevs(server)
        for hostname, connection in self.libvirtds.items():
            self._assert_nothing_is_shared(connection)
            usages = collections.Counter()
            for parent in connection.sysnames:
                for resource_class, used in self.used(hostname, parent).items():
                    usages[parent, resource_class] += used
            self.assertEqual(
                +usages,
                self.live(hostname),
                f'what is live on {hostname} is not what Placement has given there',
            )

    def _assert_nothing_is_shared(self, connection):
        owners = collections.defaultdict(list)
        flags = fakelibvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE
        flags |= fakelibvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE
        for guest in connection.listAllDomains(flags):
            for uuid in guest.mdevs():
                owners[uuid].append(guest.name())
        shared = {uuid: who for uuid, who in owners.items() if len(who) > 1}
        self.assertEqual({}, shared, 'two guests have the same mdev')
