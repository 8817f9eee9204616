# SPDX-License-Identifier: Apache-2.0
"""Every problem that a configuration can have against a host, in words.

One function a problem: what is wrong, and what would be right.  The severities
are those of the design: an error that is fatal stops nova-compute, another one
takes a rule from one parent, a warning takes nothing.
"""

from __future__ import annotations

import collections
import collections.abc as cabc
import typing as ty

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names

if ty.TYPE_CHECKING:
    from nova_generic_mdev.policy import TypeRule

# vfio-ap: an adapter or a domain belongs to one mdev at a time (kernel,
# Documentation/arch/s390/vfio-ap.rst).
_EXCLUSIVE = frozenset({'assign_adapter', 'assign_domain', 'assign_control_domain'})


def clash(one: TypeRule, other: TypeRule) -> bool:
    """Whether two rules cannot both give new mdevs on one parent."""
    same = one.resource_class == other.resource_class
    return same and not (one.drain or other.drain)


def unsupported(rule: TypeRule, parent: model.Parent) -> model.Problem:
    """A named parent that is there and does not have the type."""
    has = ', '.join(sorted(parent.types)[:8]) or 'none'
    return _error(
        rule,
        'device_addresses',
        f'{parent.name} does not support {rule.mdev_type}',
        f'take the address out, or enable a type that it supports: {has}',
    )


def unreadable(rule: TypeRule, parent: model.Parent) -> model.Problem:
    """A count that the driver gives as nonsense, or not at all."""
    return _error(
        rule,
        'device_addresses',
        f'available_instances of {rule.mdev_type} on {parent.name} cannot be read',
        'nothing new is given there; look at the driver of that device',
    )


def yields(rule: TypeRule, first: TypeRule, parent: model.Parent) -> model.Problem:
    """Two rules of one class that meet on a parent through a pattern."""
    return _error(
        rule,
        'device_addresses',
        f'{parent.name} already gives {rule.resource_class} as {first.mdev_type}',
        f'{rule.mdev_type} is not served there; narrow the pattern or give one of '
        'the two another mdev_class',
    )


def not_served(rule: TypeRule) -> model.Problem:
    """A rule without addresses that is not the first one."""
    return _warning(
        rule,
        'device_addresses',
        f'{rule.mdev_type} names no device and is not the first enabled type',
        'it is not served; name its parents in device_addresses',
    )


def nowhere(rule: TypeRule) -> model.Problem:
    """The default type, which no parent supports, now."""
    return model.Problem(
        severity=model.Severity.WARNING,
        group='devices',
        option='enabled_mdev_types',
        problem=f'no parent device supports {rule.mdev_type} now',
        remedy='"nova-mdev parent list" names the types that there are',
    )


def unmatched(rule: TypeRule, address: str) -> model.Problem:
    """An address or a pattern that nothing answers to, now."""
    if names.is_pattern(address):
        told = f'no parent device that supports {rule.mdev_type} matches {address}'
    else:
        told = f'there is no parent device {address} now'
    return _warning(
        rule,
        'device_addresses',
        told,
        'it is served when it appears; "nova-mdev parent list" names what is there',
    )


def of_explicit_clashes(
    rules: cabc.Sequence[TypeRule], present: cabc.Iterable[model.Parent]
) -> list[model.Problem]:
    """The same parent and class twice by explicit names: nobody can guess."""
    spelt: dict[str, str] = {}
    for parent in present:
        spelt |= {parent.name: parent.name, parent.sysname: parent.name}
    first: dict[tuple[str, str], TypeRule] = {}
    found = []
    for rule in rules:
        addresses = {a for a in rule.device_addresses if not names.is_pattern(a)}
        for parent_name in sorted({_node_device(a, spelt) for a in addresses}):
            key = (parent_name, rule.resource_class)
            if not rule.drain and first.setdefault(key, rule) is not rule:
                found.append(_clashes(rule, first[key], parent_name))
    return found


def _clashes(rule: TypeRule, first: TypeRule, parent_name: str) -> model.Problem:
    return _error(
        rule,
        'device_addresses',
        f'{parent_name} gives {rule.resource_class} twice: as {first.mdev_type} '
        f'and as {rule.mdev_type}',
        'take it out of one of the two groups, or give one another mdev_class',
        fatal=True,
    )


def _node_device(address: str, spelt: cabc.Mapping[str, str]) -> str:
    """One spelling for an address, whether its device is there or not."""
    if names.is_pci_address(address):
        return names.node_device('pci', names.pci_address(address))
    if names.pci_address_of(address) is not None:
        return address.lower()
    return spelt.get(address, address)


def of_traits(rules: cabc.Sequence[TypeRule]) -> list[model.Problem]:
    """Traits that Placement would refuse, or that do not tell two types apart."""
    found = []
    for rule in rules:
        for trait in rule.traits:
            try:
                names.trait(trait)
            except exceptions.InvalidName as e:
                found.append(
                    _warning(
                        rule,
                        'traits',
                        str(e),
                        f'it is not published; a trait of your own is called '
                        f'{names.suggested_trait(trait)}',
                    )
                )
    by_trait = collections.defaultdict(list)
    for rule in rules:
        by_trait[names.type_trait(rule.mdev_type)].append(rule)
    for trait, sharing in by_trait.items():
        found += [_shared(rule, trait, sharing[0]) for rule in sharing[1:]]
    return found


def _shared(rule: TypeRule, trait: str, first: TypeRule) -> model.Problem:
    return _warning(
        rule,
        'traits',
        f'{first.mdev_type} and {rule.mdev_type} have the same trait {trait}',
        'a flavor cannot tell them apart by it; add traits of your own to each',
    )


def of_exclusive_attributes(rules: cabc.Sequence[TypeRule]) -> list[model.Problem]:
    """Attributes that only one mdev can have, for a type that may have more."""
    return [
        _error(
            rule,
            'attributes',
            f'{", ".join(sorted(exclusive))} can be given to one mdev only',
            'set max_instances = 1 in this group',
        )
        for rule in rules
        if (exclusive := _EXCLUSIVE.intersection(name for name, _ in rule.attributes))
        and rule.max_instances != 1
    ]


def _error(
    rule: TypeRule, option: str, problem: str, remedy: str, *, fatal: bool = False
) -> model.Problem:
    return model.Problem(
        severity=model.Severity.ERROR,
        group=rule.group,
        option=option,
        problem=problem,
        remedy=remedy,
        fatal=fatal,
    )


def _warning(rule: TypeRule, option: str, problem: str, remedy: str) -> model.Problem:
    return model.Problem(
        severity=model.Severity.WARNING,
        group=rule.group,
        option=option,
        problem=problem,
        remedy=remedy,
    )
