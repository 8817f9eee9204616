# SPDX-License-Identifier: Apache-2.0
"""Every problem that a policy can have, by itself or against a host, in words.

One function a problem: what is wrong, and what would be right.  The severities
are those of the design: an error that is fatal stops nova-compute, another one
takes a rule from its parents, a warning takes nothing.
"""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev.rules import TypeRule

_SEE_PARENTS = '"nova-mdev parent list" names what is there'
_ERROR = model.Severity.ERROR
_WARNING = model.Severity.WARNING


def unsupported(rule: TypeRule, parent: model.Parent) -> model.Problem:
    """A named parent that is there and does not have the type."""
    return _of_addresses(
        rule,
        f'{parent.name} does not support {rule.mdev_type}',
        f'take the address out, or enable a type that it supports: '
        f'{_some(sorted(parent.types))}',
    )


def unreadable(rule: TypeRule, parent: model.Parent) -> model.Problem:
    """A count that the driver gives as nonsense, or not at all."""
    return _of_addresses(
        rule,
        f'available_instances of {rule.mdev_type} on {parent.name} cannot be read',
        'nothing new is given there; look at the driver of that device',
    )


def yields(rule: TypeRule, first: TypeRule, parent: model.Parent) -> model.Problem:
    """Two rules of one class that meet on a parent through a pattern."""
    return _of_addresses(
        rule,
        f'{parent.name} already gives {rule.resource_class} as {first.mdev_type}',
        f'{rule.mdev_type} is not served there; narrow the pattern or give one of '
        'the two another mdev_class',
    )


def not_served(rule: TypeRule) -> model.Problem:
    """A rule without addresses that is not the first one."""
    return _of_addresses(
        rule,
        f'{rule.mdev_type} names no device and is not the first enabled type',
        'it is not served; name its parents in device_addresses',
        _WARNING,
    )


def nowhere(rule: TypeRule, able: cabc.Sequence[str]) -> model.Problem:
    """The default type, with no parent left for it.

    :param able: the parents that support it, all meant by other rules
    """
    told = f'no parent device supports {rule.mdev_type} now'
    remedy = f'mend the name, or wait until one does; {_SEE_PARENTS}'
    if able:
        told = f'other groups name every parent device that supports {rule.mdev_type}'
        remedy = f'take the type out, or leave it a device there: {_some(able)}'
    return model.Problem(
        severity=_WARNING,
        group='devices',
        option='enabled_mdev_types',
        problem=told,
        remedy=remedy,
    )


def unmatched(rule: TypeRule, address: str) -> model.Problem:
    """An address or a pattern that nothing answers to, now."""
    # A list without its commas is one address of several lines.
    address = address if address.isprintable() else repr(address)
    told = f'there is no parent device {address} now'
    if names.is_pattern(address):
        told = f'no parent device that supports {rule.mdev_type} matches {address}'
    remedy = f'mend it, or wait: it is served when it appears; {_SEE_PARENTS}'
    return _of_addresses(rule, told, remedy, _WARNING)


def of_explicit_clashes(
    named: cabc.Iterable[tuple[TypeRule, cabc.Iterable[str]]],
) -> cabc.Iterator[model.Problem]:
    """The same parent and class twice by explicit names: nobody can guess.

    :param named: each rule with the parents that it names, there or not
    """
    first: dict[tuple[str, str], TypeRule] = {}
    for rule, parents in named:
        for parent in parents if rule.gives else ():
            earlier = first.setdefault((parent, rule.resource_class), rule)
            if earlier is not rule:
                yield _clash(rule, earlier, parent)


def _clash(rule: TypeRule, first: TypeRule, parent: str) -> model.Problem:
    return model.Problem(
        severity=_ERROR,
        group=rule.group,
        option='device_addresses',
        problem=f'{parent} gives {rule.resource_class} twice: as {first.mdev_type} '
        f'and as {rule.mdev_type}',
        remedy='take it out of one of the two groups, or give one another '
        'mdev_class; to exchange a type, set drain = true for the old one',
        fatal=True,
    )


def of_traits(rules: cabc.Iterable[TypeRule]) -> cabc.Iterator[model.Problem]:
    """Traits that Placement would refuse, or that do not tell two types apart."""
    first: dict[str, str] = {}
    for rule in rules:
        for trait in dict.fromkeys(rule.traits):
            try:
                names.trait(trait)
            except exceptions.InvalidName as e:
                yield _of_traits(rule, str(e), _not_published(trait))
        mine = names.type_trait(rule.mdev_type)
        other = first.setdefault(mine, rule.mdev_type)
        if other != rule.mdev_type:
            yield _of_traits(
                rule,
                f'{other} and {rule.mdev_type} have the same trait {mine}',
                'a flavor cannot tell them apart by it; add traits of your own to each',
            )


def _not_published(trait: str) -> str:
    own = names.suggested_trait(trait)
    return f'it is not published; a trait of your own may be called {own}'


def _of_traits(rule: TypeRule, problem: str, remedy: str) -> model.Problem:
    return model.Problem(
        severity=_WARNING,
        group=rule.group,
        option='traits',
        problem=problem,
        remedy=remedy,
    )


def of_exclusive_attributes(
    rules: cabc.Iterable[TypeRule],
) -> cabc.Iterator[model.Problem]:
    """Attributes that only one mdev can have, for types that may have more."""
    for rule in rules:
        if exclusive := rule.exclusive_attributes:
            yield model.Problem(
                severity=_ERROR,
                group=rule.group,
                option='attributes',
                problem=f'{", ".join(exclusive)} can be given to one mdev only, and '
                'the type may have more',
                remedy='it is not served; set max_instances = 1 in this group',
            )


def of_displays(rules: cabc.Iterable[TypeRule]) -> cabc.Iterator[model.Problem]:
    """A boot display that is no display."""
    for rule in rules:
        if rule.lacks_display:
            yield _of_display(
                rule,
                'ramfb',
                'a boot display has to be a display, and it is none',
                'it is not served; set display = true in this group, or take ramfb out',
            )


def no_display(rule: TypeRule, parent: model.Parent) -> model.Problem:
    """A display, for devices of a kind that cannot be one."""
    device_api = parent.types[rule.mdev_type].device_api
    return _of_display(
        rule,
        rule.display_options[0],
        f'{rule.mdev_type} on {parent.name} is {device_api}, and only '
        f'{model.VFIO_PCI} can be a display',
        f'it is not served there; take {" and ".join(rule.display_options)} out',
    )


def _of_display(
    rule: TypeRule, option: str, problem: str, remedy: str
) -> model.Problem:
    return model.Problem(
        severity=_ERROR,
        group=rule.group,
        option=option,
        problem=problem,
        remedy=remedy,
    )


def _of_addresses(
    rule: TypeRule, problem: str, remedy: str, severity: model.Severity = _ERROR
) -> model.Problem:
    return model.Problem(
        severity=severity,
        group=rule.group,
        option='device_addresses',
        problem=problem,
        remedy=remedy,
    )


def _some(known: cabc.Sequence[str]) -> str:
    """The first few of them: a message is one line."""
    told = ', '.join(known[:8]) or 'none'
    return told if len(known) <= 8 else f'{told}, and {len(known) - 8} more'
