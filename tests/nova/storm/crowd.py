# SPDX-License-Identifier: Apache-2.0
"""Servers that are booted and deleted by many threads, as Nova's manager does it."""

import collections
import threading

from nova import exception
from nova import objects
from nova.compute import task_states
from nova.compute import vm_states
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.unit import fake_instance

#: how many boots and deletes are under way at once
THREADS = 24
#: what the error says of a guest that does not start by intention
NOT_TO_START = 'this guest was not to start'
# What there is of an instance that is in no database.
_ATTRIBUTES = (
    'metadata', 'numa_topology', 'pci_devices', 'pci_requests', 'resources',
    'system_metadata', 'trusted_certs', 'vcpu_model',
)  # fmt: skip


class Server:
    """One server and what Placement is said to have given it.

    :param number: from 1
    :param asks: how many of each ``(parent, resource class)``
    :param providers: the uuid of each parent's provider
    """

    def __init__(self, context, number, asks, providers):
        self.number = number
        self.asks = collections.Counter(asks)
        self.allocations = {}
        specs = collections.Counter()
        for (parent, resource_class), amount in self.asks.items():
            held = self.allocations.setdefault(providers[parent], {'resources': {}})
            held['resources'][resource_class] = amount
            specs[f'resources:{resource_class}'] += amount
        self.instance = _instance(context, number, specs)
        #: what became of its last boot
        self.fate = None

    @property
    def uuid(self):
        return self.instance.uuid


def _instance(context, number, specs):
    flavor = objects.Flavor(
        id=number, flavorid=str(number), name=f'flavor {number}', memory_mb=64,
        vcpus=1, root_gb=1, ephemeral_gb=0, swap=0, rxtx_factor=1.0, disabled=False,
        is_public=True, extra_specs={key: str(value) for key, value in specs.items()},
    )  # fmt: skip
    return fake_instance.fake_instance_obj(
        context, id=number, host='one', node='one', flavor=flavor,
        image_ref='155d900f-4e14-4e4c-a73d-069cbf4541e6',
        expected_attrs=_ATTRIBUTES,
    )  # fmt: skip


class Crowd:
    """Boots and deletes.

    :param driver: Nova's
    """

    def __init__(self, context, driver):
        self._context = context
        self._driver = driver
        self._busy = 0
        #: the most boots that were ever under way at once
        self.most_at_once = 0
        self._counting = threading.Lock()

    def boot(self, server):
        """Boot it, and clean up as Nova does if that fails.

        :returns: 'booted', 'refused' (Nova tries another host), or 'failed'
        """
        instance = server.instance
        instance.vm_state = vm_states.BUILDING
        instance.task_state = task_states.SPAWNING
        self._count(+1)
        try:
            server.fate = self._spawn(server)
        finally:
            self._count(-1)
        if server.fate == 'booted':
            instance.vm_state = vm_states.ACTIVE
            instance.task_state = None
        return server.fate

    def _spawn(self, server):
        try:
            self._driver.spawn(
                self._context, server.instance, objects.ImageMeta.from_dict({}), [],
                None, server.allocations, network_info=[], block_device_info=None,
            )  # fmt: skip
        except exception.ComputeResourcesUnavailable:
            fate = 'refused'
        except fakelibvirt.libvirtError as e:
            if NOT_TO_START not in str(e):
                raise
            fate = 'failed'
        else:
            return 'booted'
        # Nova always does; to undo a boot must not take it.
        if server.number % 2:
            self._take_down(server)
        return fate

    def delete(self, server):
        """Delete it."""
        server.instance.task_state = task_states.DELETING
        self._take_down(server)
        server.instance.vm_state = vm_states.DELETED
        server.fate = 'deleted'

    def _take_down(self, server):
        self._driver.destroy(self._context, server.instance, [], None)

    def _count(self, change):
        with self._counting:
            self._busy += change
            self.most_at_once = max(self.most_at_once, self._busy)


def at_once(work, items, threads=THREADS):
    """Do this with each of these, in many threads; what it raises is raised."""
    left = collections.deque(items)
    errors = []

    def run():
        while left and not errors:
            try:
                item = left.popleft()
            except IndexError:
                return
            try:
                work(item)
            except Exception as e:  # noqa: BLE001 - of whatever kind, it is told
                errors.append(e)

    workers = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
