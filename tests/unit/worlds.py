# SPDX-License-Identifier: Apache-2.0
"""A host that its record, libvirt and Placement agree on, to be damaged by tests.

The host has mtty, which libvirt knows, and mdpy, which it does not.  There are
two servers, each with one mdev of mtty; Placement says so, and their guests name
what they have.
"""

from __future__ import annotations

import dataclasses

from nova_generic_mdev import audit
from nova_generic_mdev import fixture
from nova_generic_mdev import inventory
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import providers
from nova_generic_mdev import record
from tests.unit import scenes

ROOT = 'compute-1'
ROOT_UUID = 'aaaaaaaa-0000-4000-8000-000000000000'
MTTY, MDPY = 'mtty_mtty', 'mdpy_mdpy'
PROVIDER = f'{ROOT}_{MTTY}'
CLASS = 'CUSTOM_MTTY'
CREATED, FOUND, FOREIGN = record.Origin
PLACEMENT, CLI, ACCELERATOR = record.Owner
ME, YOU, OTHER = scenes.CONSUMERS[:3]
A, B, C = scenes.UUIDS[:3]


def rules(**more) -> policylib.Policy:
    return policylib.Policy(
        rules=(
            policylib.TypeRule(
                mdev_type='mtty-2', resource_class=CLASS, device_addresses=('mtty',),
                **more,
            ),
            policylib.TypeRule(
                mdev_type='mdpy-vga', resource_class='CUSTOM_MDPY',
                device_addresses=('mdpy',),
            ),
        )
    )  # fmt: skip


def libvirt_of(snapshot: model.HostSnapshot, *guests: model.Guest) -> audit.Libvirt:
    """What libvirt tells of a host that it agrees on; it knows no mdpy."""
    known = {n: p for n, p in snapshot.parents.items() if n != MDPY}
    return audit.Libvirt(
        devices=model.HostSnapshot(
            parents=known,
            mdevs={u: m for u, m in snapshot.mdevs.items() if m.parent in known},
            definitions=snapshot.definitions,
        ),
        guests=guests,
    )


def published(
    policy: policylib.Policy,
    snapshot: model.HostSnapshot,
    claims: record.Claims,
    before: dict[str, providers.Current] | None = None,
) -> dict[str, providers.Current]:
    """What Placement has when all was published."""
    tree = before or {}
    parents = snapshot.parents.values()
    resolution = policylib.resolve(policy, parents, claims.drained)
    known = {mdev.parent for mdev in claims.mdevs.values()} | snapshot.parents.keys()
    told = inventory.compute(
        resolution, snapshot, claims,
        recorded=providers.recorded(ROOT, tree.values(), known),
    )  # fmt: skip
    traits = inventory.traits(resolution, snapshot, claims)
    root = current(ROOT, ROOT_UUID, None)
    wanted = providers.desired(ROOT, told, traits)
    made = {
        name: current(
            name, names.uuid(f'aaaaaaaa-0000-4000-8000-{n:012x}'), ROOT_UUID,
            inventories={
                c: providers.to_placement(i) for c, i in provider.inventories.items()
            },
            traits=provider.traits,
        )
        for n, (name, provider) in enumerate(wanted.items(), 1)
    }  # fmt: skip
    return {ROOT: root, **made}


def current(name, uuid, parent, inventories=None, traits=frozenset()):
    return providers.Current(
        name=name, uuid=uuid, generation=1, parent=parent,
        inventories=inventories or {}, traits=frozenset(traits),
    )  # fmt: skip


class World:
    """All that can be asked; made consistent, and damaged by a test."""

    def __init__(self) -> None:
        self.policy = rules()
        self.host = fixture.together(fixture.mtty(), fixture.mdpy())
        self.records: dict[str, record.MdevRecord] = {}
        self.claimed: dict[str, record.Claim] = {}
        self.guests: dict[str, model.Guest] = {}
        self.unread: dict[str, str] = {}
        self.faults: list[model.Fault] = []
        self.libvirt_faults: list[model.Fault] = []
        self.duplicates: list[model.Mdev | model.Definition] = []
        self.held: dict[str, dict[str, dict[str, int]]] = {PROVIDER: {}}
        self.unknown: frozenset[str] = frozenset()
        self.published: dict[str, frozenset[str]] = {}
        self.drained: set[str] = set()
        #: mdevs that libvirt has not heard of, or of whose end
        self.unheard: set[str] = set()
        self.phantoms: dict[str, model.Mdev] = {}
        for uuid, consumer, name in ((A, ME, 'one'), (B, YOU, 'two')):
            self.host.place(uuid, MTTY, 'mtty-2')
            self.know(uuid, consumer=consumer)
            self.guest(name, consumer, uuid)
            self.hold(consumer)
        self.tree = published(self.policy, self.host.snapshot(), self.claims)

    def know(self, uuid, consumer=None, origin=CREATED, mdev_type='mtty-2', **more):
        backend, parent = more.pop('backend', 'sysfs'), more.pop('parent', MTTY)
        self.records[uuid] = record.MdevRecord(
            uuid=uuid, parent=parent, mdev_type=mdev_type, origin=origin,
            backend=backend, attributes=more.pop('attributes', ()),
        )  # fmt: skip
        if consumer is not None:
            self.claimed[uuid] = record.Claim(
                consumer=consumer, uuid=uuid, resource_class=CLASS, **more
            )

    def claim(self, uuid, **changes):
        self.claimed[uuid] = dataclasses.replace(self.claimed[uuid], **changes)

    def guest(self, name, uuid, *mdevs, running=True):
        self.guests[name] = model.Guest(
            name=name, uuid=uuid, running=running, mdevs=mdevs
        )

    def hold(self, consumer, amount=1, resource_class=CLASS):
        self.held[PROVIDER][consumer] = {resource_class: amount}

    def define(self, uuid, parent=MTTY, mdev_type='mtty-2', **more):
        self.host.definitions[uuid] = model.Definition(
            uuid=uuid, parent=parent, mdev_type=mdev_type, **more
        )

    def lose(self, name, uuid):
        """A guest is gone, with what it had in libvirt and in Placement."""
        del self.guests[name]
        del self.held[PROVIDER][uuid]

    def republish(self):
        snapshot = self.host.snapshot()
        self.tree = published(self.policy, snapshot, self.claims, self.tree)

    def change(self, provider=PROVIDER, **changes):
        self.tree[provider] = dataclasses.replace(self.tree[provider], **changes)

    @property
    def claims(self) -> record.Claims:
        return record.Claims(
            mdevs=self.records, claims=self.claimed, drained=frozenset(self.drained)
        )

    @property
    def sysfs(self) -> model.HostSnapshot:
        snapshot = self.host.snapshot()
        return model.HostSnapshot(
            parents=snapshot.parents, mdevs=snapshot.mdevs, faults=tuple(self.faults)
        )

    @property
    def libvirt(self) -> audit.Libvirt:
        told = libvirt_of(self.host.snapshot(), *self.guests.values())
        heard = {u: m for u, m in told.devices.mdevs.items() if u not in self.unheard}
        devices = dataclasses.replace(
            told.devices, mdevs={**heard, **self.phantoms},
            faults=tuple(self.libvirt_faults), duplicates=tuple(self.duplicates),
        )  # fmt: skip
        return dataclasses.replace(told, devices=devices, unread=self.unread)

    @property
    def placement(self) -> audit.Placement:
        return audit.Placement(
            root=ROOT, tree=self.tree, held=self.held, unknown=self.unknown
        )

    def witnesses(self, *without: str) -> audit.Witnesses:
        told = audit.Witnesses(
            policy=self.policy,
            claims=self.claims,
            sysfs=self.sysfs,
            libvirt=self.libvirt,
            placement=self.placement,
            published=self.published,
        )
        return dataclasses.replace(told, **dict.fromkeys(without))

    def audit(self, *without: str) -> tuple[audit.Finding, ...]:
        return audit.audit(self.witnesses(*without))
