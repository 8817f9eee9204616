# SPDX-License-Identifier: Apache-2.0
"""What the witnesses said, put so that one can be held against the other."""

from __future__ import annotations

import collections
import collections.abc as cabc
import functools

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import providers
from nova_generic_mdev import record
from nova_generic_mdev.audit import witnesses

# How many of a class on a parent.
Counts = collections.Counter[tuple[str, str]]


class Facts:
    """The witnesses, indexed; a thing that a witness did not tell is nowhere."""

    def __init__(self, told: witnesses.Witnesses) -> None:
        self.told = told
        self.policy = told.policy
        self.claims = told.claims or record.Claims()
        self.sysfs = told.sysfs or model.HostSnapshot(parents={})
        self.libvirt = told.libvirt or witnesses.Libvirt(devices=self._nothing)

    @property
    def _nothing(self) -> model.HostSnapshot:
        return model.HostSnapshot(parents={})

    # Guests

    @property
    def has_all_guests(self) -> bool:
        """Whether it is known of every mdev whether a guest names it."""
        return self.told.libvirt is not None and not self.libvirt.unread

    @functools.cached_property
    def users(self) -> cabc.Mapping[str, list[model.Guest]]:
        """The guests that name an mdev, by its uuid."""
        found: dict[str, list[model.Guest]] = collections.defaultdict(list)
        for guest in self.libvirt.guests:
            for uuid in guest.mdevs:
                found[uuid].append(guest)
        return dict(found)

    @functools.cached_property
    def guests(self) -> cabc.Mapping[str, model.Guest]:
        """All guests, by uuid."""
        return {guest.uuid: guest for guest in self.libvirt.guests}

    # Mdevs

    @functools.cached_property
    def definitions(self) -> cabc.Mapping[str, list[model.Definition]]:
        """Every definition that libvirt has, by the mdev's uuid."""
        found: dict[str, list[model.Definition]] = collections.defaultdict(list)
        devices = self.libvirt.devices
        for one in (*devices.definitions.values(), *devices.duplicates):
            if isinstance(one, model.Definition):
                found[one.uuid].append(one)
        return dict(found)

    @functools.cached_property
    def unread_nodes(self) -> frozenset[str]:
        """The mdevs whose node device libvirt could not tell of, by uuid."""
        return frozenset(_uuids(f.where for f in self.libvirt.devices.faults))

    @functools.cached_property
    def mdevs(self) -> tuple[str, ...]:
        """Every mdev that a witness told of, by uuid, in order."""
        return tuple(
            sorted(
                {
                    *self.claims.mdevs,
                    *self.sysfs.mdevs,
                    *self.definitions,
                    *self.libvirt.devices.mdevs,
                    *self.users,
                }
            )
        )

    # Parents

    @functools.cached_property
    def resolution(self) -> policylib.Resolution:
        """The operator's rules on the parents that are there."""
        return policylib.resolve(
            self.policy, self.sysfs.parents.values(), self.claims.drained
        )

    @functools.cached_property
    def claimed_on(self) -> collections.Counter[str]:
        """How many are claimed on each parent."""
        mdevs = self.claims.mdevs
        return collections.Counter(mdevs[uuid].parent for uuid in self.claims.claims)

    @functools.cached_property
    def ours(self) -> frozenset[str]:
        """The parents that concern us: with a rule, or with what was given of it.

        Not those that only an accelerator service gives of.
        """
        given = {
            self.claims.mdevs[claim.uuid].parent
            for claim in self.claims.claims.values()
            if claim.owner is not record.Owner.ACCELERATOR
        }
        return frozenset(self.resolution.rules.keys() | given)

    @functools.cached_property
    def parents(self) -> frozenset[str]:
        """All parents that are known by name."""
        known = {mdev.parent for mdev in self.claims.mdevs.values()}
        return frozenset(known | self.sysfs.parents.keys() | self.told.published.keys())

    @functools.cached_property
    def unread_parents(self) -> frozenset[str]:
        """Parents that are there and could not be read."""
        named = {fault.parent for fault in self.sysfs.faults if fault.parent}
        return frozenset(named - self.sysfs.parents.keys())

    @property
    def has_all_parents(self) -> bool:
        """Whether sysfs showed all that is there."""
        faults = self.sysfs.faults
        return self.told.sysfs is not None and all(
            fault.parent in self.sysfs.parents for fault in faults
        )

    # Consumers

    @functools.cached_property
    def held(self) -> cabc.Mapping[str, Counts]:
        """What Placement says that each consumer holds here, by consumer."""
        found: dict[str, Counts] = collections.defaultdict(collections.Counter)
        placement = self.told.placement
        for provider, consumers in placement.held.items() if placement else ():
            parent = self.parent_of(provider) or provider
            for consumer, amounts in consumers.items():
                for resource_class, amount in amounts.items():
                    found[consumer][parent, resource_class] += amount
        return dict(found)

    def parent_of(self, provider: str) -> str | None:
        """The parent that a provider is of; None where nobody can tell."""
        placement = self.told.placement
        root = placement.root if placement else ''
        return providers.parent_of(root, provider, self.parents)

    def asked(self, provider: str) -> frozenset[str]:
        """The classes that the operator may still want of a provider."""
        placement = self.told.placement
        if placement is None:
            return frozenset()
        now = placement.tree[provider]
        return providers.asked(self.policy, now, self.parent_of(provider))

    @functools.cached_property
    def promised(self) -> cabc.Mapping[str, Counts]:
        """What is claimed for each of Placement's consumers, by consumer."""
        found: dict[str, Counts] = collections.defaultdict(collections.Counter)
        for claim in self.claims.claims.values():
            if claim.owner is record.Owner.PLACEMENT:
                parent = self.claims.mdevs[claim.uuid].parent
                found[claim.consumer][parent, claim.resource_class] += 1
        return dict(found)


def _uuids(node_devices: cabc.Iterable[str]) -> cabc.Iterator[str]:
    for name in node_devices:
        try:
            yield names.uuid_of_node_device(name)
        except exceptions.InvalidName:
            continue
