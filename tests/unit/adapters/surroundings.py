# SPDX-License-Identifier: Apache-2.0
"""A compute host with its guests, and a cloud around it, for upkeep."""

from __future__ import annotations

import collections

from nova_generic_mdev import allocation
from nova_generic_mdev import claims
from nova_generic_mdev import engine
from nova_generic_mdev import fixture
from nova_generic_mdev import policy
from nova_generic_mdev.adapters.nova import operations
from nova_generic_mdev.adapters.nova import upkeep
from nova_generic_mdev.adapters.nova.upkeep import adopting
from nova_generic_mdev.adapters.nova.upkeep import consumers
from tests.unit import scenes

MTTY = 'mtty_mtty'
ONE, TWO = scenes.A, scenes.B
HERE = 'this-node'
TYPES = {ONE: 'mtty-1', TWO: 'mtty-2'}


class Allocations:
    """What :class:`Cloud` says is allocated."""

    def __init__(self, cloud, parents, classes):
        self._cloud = cloud
        cloud.asked.append(('placement', frozenset(parents), frozenset(classes)))

    def held_by(self, consumer):
        self._cloud.asked.append(('held by', consumer))
        return self._cloud.held.get(consumer, collections.Counter())

    def held_on(self, parents):
        self._cloud.asked.append(('held on', frozenset(parents)))
        return {
            consumer: collections.Counter(
                {k: n for k, n in held.items() if k[0] in parents}
            )
            for consumer, held in self._cloud.held.items()
        }


class Cloud:
    """What libvirt, Placement, Nova and Cyborg say; ``away`` are those that do not.

    :param guests: the mdevs in the XML of each guest; None: it cannot be read
    """

    node = HERE

    def __init__(self):
        self.guests_xml = {}
        self.definitions = frozenset()
        self.held = {}
        self.nova = {}
        self.arqs = {}
        self.away = set()
        self.asked = []
        #: called when somebody is asked, with who
        self.meanwhile = lambda whom: None

    def _ask(self, whom, *what):
        self.asked.append((whom, *what))
        self.meanwhile(whom)
        if whom in self.away:
            raise consumers.Unsure(whom, 'it is away')

    def domains(self):
        self._ask('libvirt')
        return frozenset(self.guests_xml)

    def guests(self, only=None):
        self._ask('guests', only)
        here = {g: m for g, m in self.guests_xml.items() if only is None or g in only}
        return adopting.Guests(
            mdevs={g: m for g, m in here.items() if m is not None},
            unread={g: f'guest {g} is broken' for g, m in here.items() if m is None},
        )

    def defined(self):
        return self.definitions

    def known(self, uuids):
        self._ask('nova', frozenset(uuids))
        found = {u: self.nova[u] for u in uuids if u in self.nova}
        servers = {m.server for m in found.values() if isinstance(m, consumers.Move)}
        return found | {s: self.nova[s] for s in servers if s in self.nova}

    def accelerators(self, server):
        self._ask('cyborg', server)
        return frozenset(self.arqs.get(server, ()))

    def placement(self, parents, classes):
        self._ask('placement')
        return Allocations(self, parents, classes)

    def services_asked(self):
        """Those that are elsewhere: not libvirt."""
        return {what[0] for what in self.asked} - {'libvirt', 'guests'}


class Compute:
    """One compute service: it is its own Devices."""

    def __init__(self, state_path, on_release='remove'):
        self.host = fixture.mtty()
        self.cloud = Cloud()
        self.policy = policy.Policy(
            rules=tuple(
                scenes.rule(t, c, on_release=policy.OnRelease(on_release))
                for c, t in TYPES.items()
            )
        )
        self.store = claims.ClaimStore(str(state_path), 'm' * 32)
        self.restart()

    def restart(self):
        """nova-compute starts, and has not looked at anything yet."""
        users = self.cloud.guests().users
        self.engine = engine.Engine(self.host, self.store, self.policy, lambda: users)
        self.operations = operations.Operations()
        self.upkeep = upkeep.Upkeep(self, self.operations, self.cloud)
        self.cloud.asked.clear()

    def give(self, consumer, amount=1, resource_class=ONE, **more):
        """What an allocation gives; returns the mdevs."""
        request = allocation.Request(
            parent=MTTY, resource_class=resource_class, amount=amount
        )
        given = self.engine.allocate(consumer, [request], **more)
        return tuple(device.uuid for device in given)

    def place(self, number, resource_class=ONE):
        """An mdev that was made by somebody else."""
        uuid = scenes.UUIDS[number]
        self.host.place(uuid, MTTY, TYPES[resource_class])
        return uuid

    def allocate(self, consumer, amount=1, resource_class=ONE):
        """Placement says that it has so many."""
        held = self.cloud.held.setdefault(consumer, collections.Counter())
        held[MTTY, resource_class] += amount

    @property
    def record(self):
        return self.store.load()

    @property
    def live(self):
        return set(self.host.snapshot().mdevs)

    def claimed(self):
        """The consumer of each mdev."""
        return {uuid: claim.consumer for uuid, claim in self.record.claims.items()}
