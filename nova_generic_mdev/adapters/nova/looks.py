# SPDX-License-Identifier: Apache-2.0
"""What one compute service knows of its mdevs: looks that change nothing.

Everything is made when it is first needed: a service that enables no type, on a
host that never had one, gets nothing but Nova's own driver.
"""

from __future__ import annotations

import collections.abc as cabc
import functools
import typing as ty

from nova import conf as nova_conf
from nova import exception
from oslo_log import log as logging

from nova_generic_mdev import allocation
from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import engine as enginelib
from nova_generic_mdev import exceptions
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import model
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record
from nova_generic_mdev.adapters.nova import errors
from nova_generic_mdev.adapters.nova import hosts
from nova_generic_mdev.adapters.nova import options
from nova_generic_mdev.adapters.nova import promises
from nova_generic_mdev.adapters.nova import publishing

CONF = nova_conf.CONF
LOG = logging.getLogger(__name__)

_Resolved = tuple[model.HostSnapshot, frozenset[str], policylib.Resolution]


class Looks:
    """The host, the record and the configuration of one compute service.

    All methods raise Nova's exceptions; see :mod:`~.errors`.

    :param driver: Nova's libvirt driver
    :param guests: the mdevs that are named in a guest's XML
    """

    def __init__(
        self, driver: ty.Any, guests: cabc.Callable[[], cabc.Collection[str] | None]
    ) -> None:
        self._driver = driver
        self._guests = guests
        # The last, and what it was of.
        self._resolved: _Resolved | None = None

    @functools.cached_property
    def policy(self) -> policylib.Policy:
        """What the operator wants, as it was when the service started.

        :raises InvalidConfiguration: with everything that is wrong
        """
        return options.policy()

    @functools.cached_property
    def store(self) -> claimslib.ClaimStore:
        """The durable record."""
        with errors.as_novas():
            return hosts.store_of(self._driver, CONF)

    @functools.cached_property
    def host(self) -> hostlib.Host:
        """This compute host."""
        with errors.as_novas():
            return hosts.host_of(self._driver, CONF)

    @functools.cached_property
    def engine(self) -> enginelib.Engine:
        """What gives and takes."""
        return enginelib.Engine(self.host, self.store, self.policy, self._guests)

    @property
    def is_active(self) -> bool:
        """Whether there is anything to do here, or ever was."""
        if self.policy.rules:
            return True
        try:
            return bool(self.store.exists())
        except (exceptions.MdevError, exception.NovaException) as e:
            LOG.debug('no type is enabled, and there is no record: %s', e)
            return False

    def claimed(self, consumer: str) -> tuple[enginelib.Device, ...]:
        """What a consumer has, by the record alone."""
        if not self.is_active:
            return ()
        with errors.as_novas():
            return self.engine.claimed(consumer)

    def promised(self, consumer: str) -> tuple[enginelib.Device, ...]:
        """What a consumer has of what Placement promised it."""
        with errors.as_novas():
            return self.engine.claimed(consumer, {record.Owner.PLACEMENT})

    def view(self, parents: cabc.Collection[str] | None = None) -> publishing.View:
        """One look at the host: at all of it, or at what tells of these parents.

        How much of a limit is left for a parent, all others have to tell.
        """
        if any(rule.limit is not None for rule in self.policy.rules):
            parents = None
        with errors.as_novas():
            look = self.engine.look(parents)
            return publishing.View(
                policy=self.policy,
                resolution=self._resolution(look, parents),
                snapshot=look.snapshot,
                claims=look.claims,
                published=self.store.published(),
            )

    def _resolution(
        self, look: enginelib.Look, parents: cabc.Collection[str] | None
    ) -> policylib.Resolution:
        """The rules on the parents; of the same look at all they are the same."""
        snapshot, drained = look.snapshot, look.claims.drained
        if parents is not None:
            some = snapshot.parents.values()
            return policylib.rules_on(self.policy, some, drained)
        before = self._resolved
        if before is None or before[0] is not snapshot or before[1] != drained:
            present = snapshot.parents.values()
            resolved = policylib.resolve(self.policy, present, drained)
            before = self._resolved = (snapshot, drained, resolved)
        return before[2]

    def types_of(
        self, requests: cabc.Iterable[allocation.Request]
    ) -> cabc.Iterator[str]:
        """The mdev type that each of the mdevs will have that are asked for.

        :raises ComputeResourcesUnavailable: no type serves a request
        """
        asked = tuple(requests)
        with errors.as_novas():
            present = self.host.snapshot({request.parent for request in asked})
            drained = self.store.drained()
            resolved = policylib.rules_on(
                self.policy, present.parents.values(), drained
            )
            for request in asked:
                rule = resolved.rule(request.parent, request.resource_class)
                if rule is not None:
                    yield from [rule.mdev_type] * request.amount

    def shared(self, parents: cabc.Collection[str]) -> frozenset[str]:
        """Those of the parents that several enabled types share."""
        if not parents or len(self.policy.rules) < 2:
            return frozenset()
        with errors.as_novas():
            present = self.host.snapshot(parents).parents.values()
            rules = policylib.rules_on(self.policy, present).rules
        return frozenset(parent for parent in rules if len(rules[parent]) > 1)

    def asked(self, extra_specs: cabc.Mapping[str, str]) -> cabc.Mapping[str, int]:
        """How many of each class of ours a flavor asks for."""
        return promises.asked(extra_specs, self.policy)

    def rule(self, mdev_type: str) -> policylib.TypeRule | None:
        """The rule of an mdev type, if it is enabled."""
        return next((r for r in self.policy.rules if r.mdev_type == mdev_type), None)

    def placed(self) -> dict[str, str]:
        """The consumer of each claimed mdev, of Placement's consumers."""
        if not self.is_active:
            return {}
        with errors.as_novas():
            claims = self.store.load().claims.values()
        placement = record.Owner.PLACEMENT
        return {c.uuid: c.consumer for c in claims if c.owner is placement}

    def recorded(self, uuids: cabc.Collection[str]) -> dict[str, record.MdevRecord]:
        """What is recorded of these mdevs, of those that are."""
        if not uuids or not self.is_active:
            return {}
        return dict(self._load(uuids).mdevs)

    def holders(self, uuids: cabc.Collection[str]) -> dict[str, str]:
        """The consumer of each of these mdevs, of those that have one."""
        if not uuids or not self.is_active:
            return {}
        claims = self._load(uuids).claims
        return {uuid: claim.consumer for uuid, claim in claims.items()}

    def _load(self, uuids: cabc.Iterable[str]) -> record.Claims:
        """What is recorded of these mdevs, and of no other."""
        with errors.as_novas():
            return self.store.load(record.Scope(mdevs=frozenset(uuids)))
