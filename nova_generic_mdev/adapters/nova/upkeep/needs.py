# SPDX-License-Identifier: Apache-2.0
"""What upkeep needs of others: what is here, and who else knows of it."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import typing as ty

from oslo_log import log as logging

from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import engine as enginelib
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record
from nova_generic_mdev.adapters.nova.upkeep import adopting
from nova_generic_mdev.adapters.nova.upkeep import consumers

LOG = logging.getLogger(__name__)


class Devices(ty.Protocol):
    """What is here; see :class:`.devices.Devices`."""

    @property
    def engine(self) -> enginelib.Engine: ...  # noqa: D102
    @property
    def host(self) -> hostlib.Host: ...  # noqa: D102
    @property
    def store(self) -> claimslib.ClaimStore: ...  # noqa: D102
    @property
    def policy(self) -> policylib.Policy: ...  # noqa: D102


class Allocations(ty.Protocol):
    """What is allocated on this host; see :class:`.asking.Placement`."""

    def held_by(self, consumer: str) -> consumers.Amounts: ...  # noqa: D102
    def held_on(self, parents: cabc.Container[str]) -> consumers.Held: ...  # noqa: D102


class Sources(ty.Protocol):
    """Who else knows; see :class:`.sources.Sources`."""

    @property
    def node(self) -> str: ...  # noqa: D102
    def domains(self) -> frozenset[str]: ...  # noqa: D102
    def guests(  # noqa: D102
        self, only: cabc.Container[str] | None = None
    ) -> adopting.Guests: ...
    def defined(self) -> frozenset[str]: ...  # noqa: D102
    def known(self, uuids: cabc.Iterable[str]) -> consumers.Known: ...  # noqa: D102
    def accelerators(self, server: str) -> frozenset[str]: ...  # noqa: D102
    def placement(  # noqa: D102
        self, parents: cabc.Collection[str], classes: cabc.Collection[str]
    ) -> Allocations: ...


class Operations(ty.Protocol):
    """What is under way here; see :class:`.operations.Operations`."""

    def watched(self) -> contextlib.AbstractContextManager[cabc.Set[str]]: ...  # noqa: D102


class Once:
    """Says what is odd once, and again only when it has changed."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def say(self, about: str, text: str, level: int = logging.WARNING) -> None:
        """Log a text, unless it is what was last said about that."""
        if self._said.get(about) != text:
            self._said[about] = text
            LOG.log(level, '%s', text)

    def settled(self, about: str) -> None:
        """That is in order now: if it ever is odd again, it is said again."""
        self._said.pop(about, None)


class Around:
    """All of it."""

    def __init__(
        self, devices: Devices, operations: Operations, sources: Sources
    ) -> None:
        self.devices = devices
        self.operations = operations
        self.sources = sources
        self.once = Once()

    def classes(self, claims: record.Claims) -> frozenset[str]:
        """The resource classes that are ours, or were when something was claimed."""
        rules = self.devices.policy.rules
        claimed = {claim.resource_class for claim in claims.claims.values()}
        return frozenset(claimed | {rule.resource_class for rule in rules}) - {''}
