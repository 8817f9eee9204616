# SPDX-License-Identifier: Apache-2.0
"""What the operator wants, and what that means for the parents of this host.

A :class:`Policy` is the configuration as values; :func:`resolve` holds it
against the parents that are there.  Everything wrong is collected, nothing is
raised: a problem takes away a rule on one parent and the rest goes on.
"""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import addresses
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import problems
from nova_generic_mdev import record
from nova_generic_mdev.rules import OnRelease
from nova_generic_mdev.rules import TypeRule

__all__ = ['OnRelease', 'Policy', 'Resolution', 'TypeRule', 'check', 'resolve']


@model.value
class Policy:
    """All rules, in the order in which the operator enabled the types.

    :param rules: one for each mdev type
    :param reuse_found: whether idle mdevs that we did not make are handed out
    """

    rules: tuple[TypeRule, ...] = ()
    reuse_found: bool = True

    def removes(self, mdev_type: str) -> bool:
        """Whether an mdev of ours goes with its consumer; one of no rule does."""
        rule = self.rule(mdev_type)
        return rule is None or rule.on_release is not OnRelease.KEEP

    def goes(self, mdev: record.MdevRecord) -> bool:
        """Whether an mdev that nobody has is removed: ours, and not to be kept."""
        is_ours = mdev.origin is record.Origin.CREATED
        return is_ours and (self.removes(mdev.mdev_type) or not mdev.is_whole)

    def why(self, mdev: record.MdevRecord) -> str:
        """Why an mdev that nobody has goes, or stays."""
        if mdev.origin is not record.Origin.CREATED:
            return f'it is {mdev.origin}, and not ours to remove'
        if self.rule(mdev.mdev_type) is None:
            return 'its type is not enabled any more'
        if not self.removes(mdev.mdev_type) and not mdev.is_whole:
            return 'it was never made whole'
        return f'on_release = {"remove" if self.removes(mdev.mdev_type) else "keep"}'

    def rule(self, mdev_type: str) -> TypeRule | None:
        """What the operator wants of a type; None: it is not enabled."""
        return next((r for r in self.rules if r.mdev_type == mdev_type), None)

    def __post_init__(self) -> None:
        types = [rule.mdev_type for rule in self.rules]
        if len(set(types)) < len(types):
            raise exceptions.InvalidValue('rules', types, 'a type has one rule')


@model.value
class Resolution:
    """The rules that hold on each parent, and what was wrong.

    :param rules: by the parent's name, in the policy's order; of the rules of
        one class at most one is not draining
    :param drained: the parents that are drained: no rule gives anything there
    """

    rules: cabc.Mapping[str, tuple[TypeRule, ...]]
    problems: tuple[model.Problem, ...] = ()
    drained: frozenset[str] = frozenset()

    def gives(self, parent: str, rule: TypeRule) -> bool:
        """Whether a rule that holds on a parent gives new mdevs there."""
        return not rule.drain and parent not in self.drained

    def rule(self, parent: str, resource_class: str) -> TypeRule | None:
        """The rule that gives new mdevs of a class on a parent, if any does."""
        serving = self.serving(parent, resource_class)
        return None if parent in self.drained else serving

    def serving(self, parent: str, resource_class: str) -> TypeRule | None:
        """The same, were the parent not drained."""
        rules = self.rules.get(parent, ())
        fitting = (r for r in rules if r.resource_class == resource_class)
        return next((r for r in fitting if not r.drain), None)


def resolve(
    policy: Policy,
    parents: cabc.Iterable[model.Parent],
    drained: cabc.Collection[str] = (),
) -> Resolution:
    """Which rules hold on which parent; the same in any order of the parents.

    :param parents: all that are there; of some, ask :func:`rules_on`
    :param drained: the parents on which nothing new is to land
    """
    present = sorted(parents, key=lambda parent: parent.name)
    meanings = _meanings(policy.rules, present)
    rules, found = _held(policy.rules, meanings, present)
    absent = (
        problems.unmatched(rule, address)
        for rule in policy.rules
        for address in meanings[rule.mdev_type].absent
    )
    return Resolution(
        rules=rules,
        problems=(*_check(policy.rules, meanings), *absent, *found),
        drained=frozenset(drained),
    )


def rules_on(
    policy: Policy,
    parents: cabc.Iterable[model.Parent],
    drained: cabc.Collection[str] = (),
) -> Resolution:
    """The same of some of the parents; what is wrong, only all of them can tell.

    It costs the same whatever the rules say of other parents.
    """
    some = sorted(parents, key=lambda parent: parent.name)
    rules, _ = _held(policy.rules, _meanings(policy.rules, some), some)
    return Resolution(rules=rules, drained=frozenset(drained))


def check(policy: Policy) -> tuple[model.Problem, ...]:
    """What is wrong with a policy by itself, whatever the host has."""
    return tuple(_check(policy.rules, _meanings(policy.rules, ())))


# By mdev type.
_Meanings = cabc.Mapping[str, addresses.Meaning]


def _meanings(
    rules: cabc.Iterable[TypeRule], present: cabc.Collection[model.Parent]
) -> _Meanings:
    book = addresses.Book(present)
    return {
        rule.mdev_type: book.look_up(rule.device_addresses, _able(rule, present))
        for rule in rules
    }


def _able(rule: TypeRule, present: cabc.Iterable[model.Parent]) -> dict[str, None]:
    """The names of the parents that support a rule's type, in their order."""
    able = (parent.name for parent in present if rule.mdev_type in parent.types)
    return dict.fromkeys(able)


def _held(
    rules: cabc.Sequence[TypeRule],
    meanings: _Meanings,
    present: cabc.Collection[model.Parent],
) -> tuple[dict[str, tuple[TypeRule, ...]], list[model.Problem]]:
    """The rules that can hold on each parent, by its name; and what is wrong there."""
    wanted, found = _wanted(rules, meanings, present)
    held: dict[str, tuple[TypeRule, ...]] = {}
    for parent in present:
        kept, more = _serve(wanted[parent.name], parent, meanings)
        found += more
        if kept:
            held[parent.name] = kept
    return held, found


def _check(
    rules: cabc.Sequence[TypeRule], meanings: _Meanings
) -> cabc.Iterator[model.Problem]:
    yield from (problems.not_served(rule) for rule in rules[1:] if rule.is_default)
    yield from problems.of_traits(rules)
    yield from problems.of_exclusive_attributes(rules)
    yield from problems.of_displays(rules)
    yield from problems.of_explicit_clashes(
        (rule, sorted(meanings[rule.mdev_type].names)) for rule in rules
    )


def _wanted(
    rules: cabc.Sequence[TypeRule],
    meanings: _Meanings,
    present: cabc.Collection[model.Parent],
) -> tuple[dict[str, list[TypeRule]], list[model.Problem]]:
    """The rules for each parent: those that mean it, or else the default."""
    wanted: dict[str, list[TypeRule]] = {parent.name: [] for parent in present}
    for rule in rules:
        meaning = meanings[rule.mdev_type]
        for name in wanted.keys() & (meaning.named | meaning.fitting):
            wanted[name].append(rule)
    if not rules or not rules[0].is_default:
        return wanted, []
    able = _able(rules[0], present)
    left = [name for name in able if not wanted[name]]
    for name in left:
        wanted[name].append(rules[0])
    return wanted, [] if left else [problems.nowhere(rules[0], tuple(able))]


def _serve(
    wanted: cabc.Iterable[TypeRule], parent: model.Parent, meanings: _Meanings
) -> tuple[tuple[TypeRule, ...], list[model.Problem]]:
    """The rules that can hold on this parent; the later of a clash yields."""
    kept: list[TypeRule] = []
    giving: dict[str, TypeRule] = {}
    found: list[model.Problem] = []
    for rule in wanted:
        first = giving.get(rule.resource_class) if rule.gives else None
        if rule.mdev_type not in parent.types:
            found.append(problems.unsupported(rule, parent))
        elif rule.display_options and not _may_be_display(rule, parent):
            found.append(problems.no_display(rule, parent))
        elif first is not None:
            both = (meanings[r.mdev_type].named for r in (first, rule))
            # By two explicit names it is told already: see of_explicit_clashes.
            if not all(parent.name in named for named in both):
                found.append(problems.yields(rule, first, parent))
        else:
            kept.append(rule)
            if rule.gives:
                giving[rule.resource_class] = rule
            if parent.types[rule.mdev_type].available_instances is None:
                found.append(problems.unreadable(rule, parent))
    return tuple(rule for rule in kept if rule.is_served), found


def _may_be_display(rule: TypeRule, parent: model.Parent) -> bool:
    # What the driver does not tell is told when a guest is to have it.
    return parent.types[rule.mdev_type].device_api in (model.VFIO_PCI, None)
