# SPDX-License-Identifier: Apache-2.0
"""From what a consumer was promised to the mdevs that it gets.

The decision is made whole, before any effect: :func:`plan` returns steps or
raises.  It is idempotent: a consumer whose claims equal its request gets
exactly these again.
"""

from __future__ import annotations

import collections
import collections.abc as cabc

from nova_generic_mdev import capacity
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import policy
from nova_generic_mdev import record


@model.value
class Request:
    """So many of one resource class on one parent."""

    parent: str
    resource_class: str
    amount: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.amount <= model.MAX_COUNT:
            raise exceptions.InvalidValue('amount', self.amount, 'expected at least 1')


@model.value
class Reuse:
    """Give this live mdev; ``held`` says that the consumer has it already."""

    uuid: str
    parent: str
    mdev_type: str
    resource_class: str
    held: bool = False

    @property
    def why(self) -> str:
        """Why this one."""
        return 'it has it already' if self.held else 'it was idle there'


@model.value
class Create:
    """Make one; a uuid means that a claimed mdev comes back as it was."""

    parent: str
    mdev_type: str
    resource_class: str
    attributes: model.Attributes = ()
    uuid: str | None = None

    @property
    def held(self) -> bool:
        """Whether the consumer has the claim already."""
        return self.uuid is not None

    @property
    def why(self) -> str:
        """Why one is made."""
        return (
            'it was claimed, and is not there' if self.held else 'none was idle there'
        )


Step = Reuse | Create


def requests_from(
    allocations: cabc.Mapping[str, cabc.Mapping[str, object]],
    parents: cabc.Mapping[str, str],
) -> tuple[Request, ...]:
    """What a consumer's allocations ask of our parents, all classes of them.

    :param allocations: Placement's ``{provider uuid: {"resources": {class:
        amount}}}`` (API reference, "List allocations")
    :param parents: the parent's name by provider uuid, for providers of ours;
        allocations on any other provider are somebody else's
    :raises InvalidValue: an allocation of ours that is not of this shape
    """
    wanted: collections.Counter[tuple[str, str]] = collections.Counter()
    for provider_uuid in sorted(allocations.keys() & parents.keys()):
        resources = _resources(provider_uuid, allocations[provider_uuid])
        for resource_class, amount in resources.items():
            wanted[parents[provider_uuid], resource_class] += amount
    return tuple(
        Request(parent=parent, resource_class=resource_class, amount=amount)
        for (parent, resource_class), amount in sorted(wanted.items())
    )


def _resources(provider_uuid: str, allocation: object) -> cabc.Mapping[str, int]:
    resources = None
    if isinstance(allocation, cabc.Mapping):
        resources = allocation.get('resources')
    if not isinstance(resources, cabc.Mapping) or not all(
        isinstance(resource_class, str) and type(amount) is int and amount >= 1
        for resource_class, amount in resources.items()
    ):
        raise exceptions.InvalidValue(
            f'allocation on provider {provider_uuid}',
            allocation,
            'expected {"resources": {class: amount}} with amounts of at least 1',
        )
    return resources


def plan(
    consumer: str,
    requests: cabc.Iterable[Request],
    resolution: policy.Resolution,
    snapshot: model.HostSnapshot,
    claims: record.Claims,
    *,
    reuse_found: bool = True,
) -> tuple[Step, ...]:
    """The mdevs that this consumer gets, held ones first.

    :raises RequestError: the consumer holds more than it asks for, or no rule
        serves the class there
    :raises CapacityError: the parent, or a limit, cannot give that many
    :raises Draining: the parent, or the type there, is to run empty
    """
    wanted: collections.Counter[tuple[str, str]] = collections.Counter()
    for request in requests:
        wanted[request.parent, request.resource_class] += request.amount
    planner = _Planner(consumer, resolution, snapshot, claims, reuse_found)
    steps = planner.held(wanted)
    for parent, resource_class in sorted(wanted):
        steps += planner.new(parent, resource_class, wanted[parent, resource_class])
    return tuple(steps)


class _Planner:
    """One plan; limits used up by one request are gone for the next."""

    def __init__(
        self,
        consumer: str,
        resolution: policy.Resolution,
        snapshot: model.HostSnapshot,
        claims: record.Claims,
        reuse_found: bool,  # noqa: FBT001
    ) -> None:
        self._consumer = consumer
        self._resolution = resolution
        self._snapshot = snapshot
        self._claims = claims
        self._stock = capacity.Stock(snapshot, claims, reuse_found=reuse_found)
        self._headrooms: dict[str, capacity.Headroom] = {}

    def held(self, wanted: collections.Counter[tuple[str, str]]) -> list[Step]:
        """Steps for what is claimed already; takes it out of ``wanted``."""
        steps: list[Step] = []
        for claim in self._claims.of(self._consumer):
            if claim.owner is record.Owner.ACCELERATOR:
                # Asked for by its uuid, beside what Placement promised.
                continue
            known = self._claims.mdevs[claim.uuid]
            key = (known.parent, claim.resource_class)
            if wanted[key] < 1:
                raise exceptions.RequestError(
                    self._consumer, *key, f'it holds mdev {claim.uuid}, more than asked'
                )
            wanted[key] -= 1
            steps.append(self._keep(claim, known))
        return steps

    def _keep(self, claim: record.Claim, known: record.MdevRecord) -> Step:
        is_begun = self._claims.is_begun(claim.uuid)
        if self._stock.is_live(known) and not is_begun:
            return Reuse(
                uuid=claim.uuid,
                parent=known.parent,
                mdev_type=known.mdev_type,
                resource_class=claim.resource_class,
                held=True,
            )
        return Create(
            uuid=claim.uuid,
            parent=known.parent,
            mdev_type=known.mdev_type,
            resource_class=claim.resource_class,
            attributes=known.attributes,
        )

    def new(self, parent: str, resource_class: str, amount: int) -> list[Step]:
        """Steps for what is not claimed yet: idle ones first, then new ones."""
        if amount == 0:
            return []
        rule = self._rule(parent, resource_class, amount)
        idle = self._stock.idle(parent, rule)[:amount]
        short = amount - len(idle)
        headroom = self._headrooms.setdefault(
            rule.mdev_type, capacity.Headroom(rule, self._stock, self._snapshot)
        )
        creatable = self._stock.creatable(parent, rule.mdev_type)
        granted = headroom.take(parent, min(short, creatable))
        if granted < short:
            raise exceptions.CapacityError(
                parent, rule.mdev_type, asked=amount, left=len(idle) + granted
            )
        reuses = [
            Reuse(
                uuid=uuid,
                parent=parent,
                mdev_type=rule.mdev_type,
                resource_class=resource_class,
            )
            for uuid in idle
        ]
        create = Create(
            parent=parent,
            mdev_type=rule.mdev_type,
            resource_class=resource_class,
            attributes=rule.attributes,
        )
        return [*reuses, *([create] * short)]

    def _rule(self, parent: str, resource_class: str, amount: int) -> policy.TypeRule:
        rule = self._resolution.rule(parent, resource_class)
        if rule is not None:
            return rule
        rules = self._resolution.rules.get(parent, ())
        draining = [r for r in rules if r.resource_class == resource_class]
        if draining:
            raise exceptions.Draining(
                parent,
                draining[0].mdev_type,
                amount,
                parent_drains=parent in self._resolution.drained,
            )
        served = sorted(r.resource_class for r in rules)
        if parent not in self._snapshot.parents:
            reason = 'there is no such parent device; see "nova-mdev parent list"'
        else:
            reason = (
                f'no enabled mdev type gives it there (served: {served or "nothing"}); '
                'see [devices] enabled_mdev_types and "nova-mdev config check"'
            )
        raise exceptions.RequestError(self._consumer, parent, resource_class, reason)
