# SPDX-License-Identifier: Apache-2.0
"""The policy that a loaded configuration says, and all that is wrong in it.

Each option is read on its own: one bad value is one problem and the others are
still read, so that an operator sees everything at once.
"""

from __future__ import annotations

import collections.abc as cabc
import os.path
import re
import typing as ty

from oslo_config import cfg

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev.opts import definitions

_ATTRIBUTE = re.compile(r'([A-Za-z0-9_.-]+)=(.*)', re.DOTALL)


def state_path(conf: cfg.ConfigOpts) -> str:
    """The directory of the record: our own option, else below Nova's."""
    own = conf.generic_mdev.state_path
    return str(own) if own else os.path.join(conf.state_path, 'mdev')


def policy_from(
    conf: cfg.ConfigOpts,
) -> tuple[policy.Policy, tuple[model.Problem, ...]]:
    """The policy that a loaded configuration says, and all that is wrong in it.

    A type with a fatal problem has no rule; nothing is raised for bad values.
    """
    found: list[model.Problem] = []
    rules: dict[str, policy.TypeRule] = {}
    enabled = _read(conf, 'devices', 'enabled_mdev_types', found) or []
    for mdev_type in enabled:
        if mdev_type in rules:
            found.append(_twice(mdev_type))
            continue
        rule = _rule(conf, mdev_type, found)
        if rule is not None:
            rules[mdev_type] = rule
    found += _groups_of_no_type(conf, enabled)
    reuse_found = _read(conf, 'generic_mdev', 'reuse_found', found)
    _read(conf, 'generic_mdev', 'backend', found)
    return (
        policy.Policy(
            rules=tuple(rules.values()), reuse_found=reuse_found is not False
        ),
        tuple(found),
    )


def _rule(
    conf: cfg.ConfigOpts, mdev_type: str, found: list[model.Problem]
) -> policy.TypeRule | None:
    try:
        names.mdev_type(mdev_type)
    except exceptions.InvalidName as e:
        found.append(_fatal('devices', 'enabled_mdev_types', str(e), _SEE_TYPES))
        return None
    group = f'{definitions.PREFIX}{mdev_type}'
    conf.register_opts(definitions.type_opts(mdev_type), group=group)
    before = len(found)
    values = {
        opt.name: _read(conf, group, opt.name, found)
        for opt in definitions.type_opts('')
    }
    resource_class = _class(group, values.pop('mdev_class'), found)
    attributes = _attributes(group, values.pop('attributes') or (), found)
    if len(found) > before:
        return None
    return policy.TypeRule(
        mdev_type=mdev_type,
        resource_class=resource_class,
        device_addresses=tuple(values['device_addresses']),
        max_instances=values['max_instances'],
        max_instances_per_device=values['max_instances_per_device'],
        traits=tuple(values['traits']),
        drain=values['drain'],
        on_release=policy.OnRelease(values['on_release']),
        attributes=attributes,
    )


def _read(
    conf: cfg.ConfigOpts, group: str, option: str, found: list[model.Problem]
) -> ty.Any:
    """One option's value; None and a problem where it cannot be parsed."""
    try:
        return conf[group][option]
    except (cfg.ConfigFileValueError, cfg.TemplateSubstitutionError) as e:
        # The library tells where it stood before it tells why: the why is below.
        reason = str(e.__context__ or e)
        found.append(_fatal(group, option, reason, 'correct the value or remove it'))
        return None


def _class(group: str, mdev_class: str | None, found: list[model.Problem]) -> str:
    try:
        return names.resource_class(mdev_class or '')
    except exceptions.InvalidName as e:
        remedy = 'VGPU, or a name like CUSTOM_MLX5 or mlx5'
        found.append(_fatal(group, 'mdev_class', str(e), remedy))
        return ''


def _attributes(
    group: str, pairs: cabc.Iterable[str], found: list[model.Problem]
) -> model.Attributes:
    parsed = []
    for pair in pairs:
        match = _ATTRIBUTE.fullmatch(pair)
        if match is None:
            remedy = 'write name=value pairs, separated by commas'
            problem = f'{pair!r} is not an attribute'
            found.append(_fatal(group, 'attributes', problem, remedy))
        else:
            parsed.append((match[1], match[2]))
    return tuple(parsed)


def _groups_of_no_type(
    conf: cfg.ConfigOpts, enabled: cabc.Sequence[str]
) -> list[model.Problem]:
    """Groups that nothing reads, most often because a type is misspelt."""
    found = []
    for section in conf.list_all_sections():
        for prefix in (definitions.PREFIX, definitions.LEGACY_PREFIX):
            mdev_type = section.removeprefix(prefix)
            if section != mdev_type and mdev_type not in enabled:
                found.append(_unread(section, mdev_type))
    return found


_SEE_TYPES = '"nova-mdev parent list" names the types that there are'


def _unread(section: str, mdev_type: str) -> model.Problem:
    return model.Problem(
        severity=model.Severity.WARNING,
        group=section,
        option='',
        problem=f'the group is not read: {mdev_type} is not an enabled type',
        remedy=f'add it to [devices] enabled_mdev_types, or mend it; {_SEE_TYPES}',
    )


def _twice(mdev_type: str) -> model.Problem:
    return model.Problem(
        severity=model.Severity.WARNING,
        group='devices',
        option='enabled_mdev_types',
        problem=f'{mdev_type} is there twice',
        remedy='take one out; the first counts',
    )


def _fatal(group: str, option: str, problem: str, remedy: str) -> model.Problem:
    return model.Problem(
        severity=model.Severity.ERROR,
        group=group,
        option=option,
        problem=problem,
        remedy=remedy,
        fatal=True,
    )
