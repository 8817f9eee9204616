# SPDX-License-Identifier: Apache-2.0
"""What the operator wants, and what that means for the parents of this host.

A :class:`Policy` is the configuration as values; :func:`resolve` holds it
against the parents that are there.  Everything wrong is collected, nothing is
raised: a problem takes away a rule on one parent and the rest goes on.
"""

from __future__ import annotations

import collections.abc as cabc
import enum
import fnmatch

import os_resource_classes

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import problems


class OnRelease(enum.StrEnum):
    """What becomes of an mdev that we created when its consumer goes."""

    REMOVE = 'remove'
    KEEP = 'keep'


@model.value
class TypeRule:
    """What the operator wants of one mdev type: one ``[mdev_<type>]`` group.

    :param device_addresses: PCI addresses, sysfs names, node-device names or
        shell patterns; empty means every parent that no other rule names
    :param max_instances: at most so many mdevs on this host; None: no limit
    :param max_instances_per_device: the same per physical device
    """

    mdev_type: str
    resource_class: str = os_resource_classes.VGPU
    device_addresses: tuple[str, ...] = ()
    max_instances: int | None = None
    max_instances_per_device: int | None = None
    traits: tuple[str, ...] = ()
    drain: bool = False
    on_release: OnRelease = OnRelease.REMOVE
    attributes: model.Attributes = ()

    def __post_init__(self) -> None:
        names.mdev_type(self.mdev_type)
        if names.resource_class(self.resource_class) != self.resource_class:
            raise exceptions.InvalidName(
                'resource class', self.resource_class, 'expected VGPU or CUSTOM_...'
            )
        for field in ('max_instances', 'max_instances_per_device'):
            limit = getattr(self, field)
            if limit is not None and limit < 1:
                raise exceptions.InvalidValue(field, limit, 'expected at least 1')

    @property
    def group(self) -> str:
        """The group of ``nova.conf`` that this rule was written in."""
        return f'mdev_{self.mdev_type}'

    @property
    def limit(self) -> int | None:
        """The lower of the two limits: what no provider's total exceeds."""
        limits = (self.max_instances, self.max_instances_per_device)
        return min((n for n in limits if n is not None), default=None)

    def names_parent(self, parent: model.Parent) -> bool:
        """Whether an address, and not a pattern, is this parent."""
        return any(_is(address, parent) for address in self.device_addresses)

    def matches_parent(self, parent: model.Parent) -> bool:
        """Whether a shell pattern fits this parent."""
        return any(_fits(address, parent) for address in self.device_addresses)


@model.value
class Policy:
    """All rules, in the order in which the operator enabled the types.

    :param reuse_found: whether idle mdevs that we did not make are handed out
    """

    rules: tuple[TypeRule, ...] = ()
    reuse_found: bool = True


@model.value
class Resolution:
    """The rules that hold on each parent, and what was wrong.

    :param rules: by the parent's name, in the policy's order; of the rules of
        one class at most one is not draining
    """

    rules: cabc.Mapping[str, tuple[TypeRule, ...]]
    problems: tuple[model.Problem, ...] = ()

    def rule(self, parent: str, resource_class: str) -> TypeRule | None:
        """The rule that gives new mdevs of a class on a parent, if any does."""
        rules = self.rules.get(parent, ())
        fitting = (r for r in rules if r.resource_class == resource_class)
        return next((r for r in fitting if not r.drain), None)


def resolve(policy: Policy, parents: cabc.Iterable[model.Parent]) -> Resolution:
    """Which rules hold on which parent; the same in any order of the parents."""
    present = sorted(parents, key=lambda parent: parent.name)
    default, found = _default(policy.rules)
    found += problems.of_traits(policy.rules)
    found += problems.of_exclusive_attributes(policy.rules)
    found += problems.of_explicit_clashes(policy.rules, present)
    found += _unmatched(policy.rules, present)
    rules: dict[str, tuple[TypeRule, ...]] = {}
    for parent in present:
        wanted = [rule for rule in policy.rules if _selects(rule, parent)]
        if not wanted and default is not None and default.mdev_type in parent.types:
            wanted = [default]
        kept, more = _serve(wanted, parent)
        found += more
        if kept:
            rules[parent.name] = tuple(kept)
    found += _nowhere(default, present)
    return Resolution(rules=rules, problems=tuple(found))


def parents_at(
    address: str, parents: cabc.Iterable[model.Parent]
) -> tuple[model.Parent, ...]:
    """The parents that one element of ``device_addresses`` is, or fits."""
    return tuple(p for p in parents if _is(address, p) or _fits(address, p))


def _default(
    rules: tuple[TypeRule, ...],
) -> tuple[TypeRule | None, list[model.Problem]]:
    """The rule for all parents that no other names: only the first may be it."""
    default = rules[0] if rules and not rules[0].device_addresses else None
    others = [rule for rule in rules[1:] if not rule.device_addresses]
    return default, [problems.not_served(rule) for rule in others]


def _nowhere(
    default: TypeRule | None, present: list[model.Parent]
) -> list[model.Problem]:
    """A default type that no parent has: most often it is misspelt."""
    if default is None or any(default.mdev_type in p.types for p in present):
        return []
    return [problems.nowhere(default)]


def _selects(rule: TypeRule, parent: model.Parent) -> bool:
    # A pattern picks out of what supports the type, as a default does; a name
    # means that one parent, and it is an error when it cannot.
    return rule.names_parent(parent) or (
        rule.mdev_type in parent.types and rule.matches_parent(parent)
    )


def _serve(
    wanted: list[TypeRule], parent: model.Parent
) -> tuple[list[TypeRule], list[model.Problem]]:
    """The rules that can hold on this parent; the later of a clash yields."""
    kept: list[TypeRule] = []
    found: list[model.Problem] = []
    for rule in wanted:
        first = next((r for r in kept if problems.clash(r, rule)), None)
        if rule.mdev_type not in parent.types:
            found.append(problems.unsupported(rule, parent))
        elif first is not None:
            if not (first.names_parent(parent) and rule.names_parent(parent)):
                found.append(problems.yields(rule, first, parent))
        else:
            kept.append(rule)
            if parent.types[rule.mdev_type].available_instances is None:
                found.append(problems.unreadable(rule, parent))
    return kept, found


def _unmatched(
    rules: tuple[TypeRule, ...], present: list[model.Parent]
) -> list[model.Problem]:
    """Addresses that are not there now, patterns that pick nothing."""
    return [
        problems.unmatched(rule, address)
        for rule in rules
        for address in rule.device_addresses
        if not any(
            _is(address, p) or (_fits(address, p) and rule.mdev_type in p.types)
            for p in present
        )
    ]


def _is(address: str, parent: model.Parent) -> bool:
    if names.is_pci_address(address):
        return parent.address == names.pci_address(address)
    if parent.address is not None and names.pci_address_of(address) == parent.address:
        return True
    return address in (parent.sysname, parent.name)


def _fits(address: str, parent: model.Parent) -> bool:
    if not names.is_pattern(address):
        return False
    if parent.address is not None and fnmatch.fnmatchcase(
        parent.address, address.lower()
    ):
        return True
    return any(fnmatch.fnmatchcase(n, address) for n in (parent.sysname, parent.name))
