# SPDX-License-Identifier: Apache-2.0
"""What a configuration does to what is in use, said before it is put to use.

Nothing is taken from anybody: what is not given any more is drained.  One line for
each thing that an operator may not expect, in the words of the problems.
"""

from __future__ import annotations

import collections
import collections.abc as cabc

from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record

_Counts = collections.Counter[tuple[str, str]]
_STAYS = 'nothing: what runs stays, and nothing new is given'


def of(
    policy: policylib.Policy,
    resolution: policylib.Resolution,
    snapshot: model.HostSnapshot,
    claims: record.Claims,
    published: cabc.Collection[str] = (),
    root: str = '',
) -> tuple[model.Problem, ...]:
    """What changes for what is in use, and for what is published.

    Of a parent that is not there nothing is said: it may come as it was.

    :param published: the parents that have a provider from us
    :param root: name of the compute node's provider
    """
    change = _Change(policy, resolution, snapshot, claims, root)
    return (
        *change.drained(),
        *change.taken_over(),
        *change.beyond_limits(),
        *change.inventories(),
        *change.providers(published),
    )


class _Change:
    """One configuration, held against one record."""

    def __init__(
        self,
        policy: policylib.Policy,
        resolution: policylib.Resolution,
        snapshot: model.HostSnapshot,
        claims: record.Claims,
        root: str,
    ) -> None:
        self._policy = policy
        self._resolution = resolution
        self._snapshot = snapshot
        self._root = root
        self._types: _Counts = collections.Counter()
        self._classes: _Counts = collections.Counter()
        for uuid, claim in claims.claims.items():
            # An accelerator's was not given by these rules.
            if claim.owner is not record.Owner.ACCELERATOR:
                mdev = claims.mdevs[uuid]
                self._types[mdev.parent, mdev.mdev_type] += 1
                self._classes[mdev.parent, claim.resource_class] += 1

    def drained(self) -> cabc.Iterator[model.Problem]:
        """Types in use that are not given any more where they are."""
        for (parent, mdev_type), number in sorted(self._types.items()):
            if self._is_drained(parent, mdev_type):
                group, option, why = self._why(parent, mdev_type)
                yield _info(
                    group,
                    option,
                    f'{number} in use of {mdev_type} on {parent} will be drained: '
                    f'{why}',
                    f'{_STAYS} until the last user goes',
                )

    def _is_drained(self, parent: str, mdev_type: str) -> bool:
        gives = any(
            rule.mdev_type == mdev_type and self._resolution.gives(parent, rule)
            for rule in self._resolution.rules.get(parent, ())
        )
        return parent in self._snapshot.parents and not gives

    def _why(self, parent: str, mdev_type: str) -> tuple[str, str, str]:
        """The group and the option that say so, and in words."""
        rules = self._resolution.rules.get(parent, ())
        group = f'mdev_{mdev_type}'
        if parent in self._resolution.drained:
            return '', '', 'the parent is drained'
        if any(rule.mdev_type == mdev_type for rule in rules):
            return group, 'drain', 'drain is set'
        if self._policy.rule(mdev_type) is not None:
            return group, 'device_addresses', 'the type is not served there any more'
        return 'devices', 'enabled_mdev_types', 'the type is not enabled any more'

    def taken_over(self) -> cabc.Iterator[model.Problem]:
        """Types that get room only as others, which are drained, go."""
        for parent, rules in sorted(self._resolution.rules.items()):
            leaving = [
                mdev_type
                for (where, mdev_type), _ in sorted(self._types.items())
                if where == parent and self._is_drained(parent, mdev_type)
            ]
            for rule in rules:
                kind = self._snapshot.parents[parent].types[rule.mdev_type]
                gives = self._resolution.gives(parent, rule)
                if leaving and gives and kind.available_instances == 0:
                    yield _info(
                        rule.group,
                        'device_addresses',
                        f'{rule.mdev_type} has no room on {parent} yet',
                        f'nothing: it takes over as {", ".join(leaving)} goes',
                    )

    def beyond_limits(self) -> cabc.Iterator[model.Problem]:
        """Limits below what is in use."""
        for rule in self._policy.rules:
            on_device: collections.Counter[str] = collections.Counter()
            for (parent, mdev_type), number in self._types.items():
                if mdev_type == rule.mdev_type:
                    on_device[self._device(parent)] += number
            if rule.max_instances and on_device.total() > rule.max_instances:
                told = f'{on_device.total()} in use of {rule.mdev_type} on this host'
                yield _beyond(rule, 'max_instances', told, rule.max_instances)
            limit = rule.max_instances_per_device
            for device, number in sorted(on_device.items()):
                if limit and number > limit:
                    told = f'{number} in use of {rule.mdev_type} on {device}'
                    yield _beyond(rule, 'max_instances_per_device', told, limit)

    def _device(self, parent: str) -> str:
        known = self._snapshot.parents.get(parent)
        return known.physical_device if known is not None else parent

    def inventories(self) -> cabc.Iterator[model.Problem]:
        """Classes in use that no rule there is of any more."""
        for (parent, resource_class), number in sorted(self._classes.items()):
            rules = self._resolution.rules.get(parent, ())
            is_wanted = any(rule.resource_class == resource_class for rule in rules)
            if parent in self._snapshot.parents and not is_wanted:
                yield _info(
                    '',
                    '',
                    f'inventory {resource_class} of {self._provider(parent)} goes when '
                    f'its last user goes: {number} in use',
                    'nothing: until then it stays, with nothing free',
                )

    def providers(
        self, published: cabc.Collection[str]
    ) -> cabc.Iterator[model.Problem]:
        """Providers of which nothing is wanted, and nothing is in use."""
        in_use = {parent for parent, _ in self._types}
        there = self._snapshot.parents.keys() & published
        for parent in sorted(there - self._resolution.rules.keys() - in_use):
            yield _info(
                '',
                '',
                f'provider {self._provider(parent)} goes: no type is served there',
                'nothing, if that is meant; else name its parent in device_addresses',
            )

    def _provider(self, parent: str) -> str:
        return names.provider(self._root, parent)


def _beyond(
    rule: policylib.TypeRule, option: str, told: str, limit: int
) -> model.Problem:
    return _info(
        rule.group,
        option,
        f'{told}, more than {limit}',
        f'{_STAYS} until fewer are in use',
    )


def _info(group: str, option: str, problem: str, remedy: str) -> model.Problem:
    return model.Problem(
        severity=model.Severity.INFO,
        group=group,
        option=option,
        problem=problem,
        remedy=remedy,
    )
