# SPDX-License-Identifier: Apache-2.0
"""The policy that a loaded configuration says, and all that is wrong in it.

Each option is read on its own: one bad value is one problem and the others are
still read, so that an operator sees everything at once.
"""

from __future__ import annotations

import collections.abc as cabc
import os.path
import typing as ty

from oslo_config import cfg

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev.opts import definitions
from nova_generic_mdev.opts import unread

# Of what its value refers to: the option itself is registered.
_NO_SUCH = (cfg.NoSuchOptError, cfg.NoSuchGroupError, cfg.TemplateSubstitutionError)
_LIMIT = 'write a number from 1 on, or take the option out for no limit'
_YES_OR_NO = 'write true or false'
_REMEDIES = {
    'attributes': 'write name=value pairs, separated by commas',
    'backend': 'write auto, sysfs or libvirt',
    'display': _YES_OR_NO,
    'drain': _YES_OR_NO,
    'max_instances': _LIMIT,
    'max_instances_per_device': _LIMIT,
    'mdev_class': 'write VGPU, or a name like CUSTOM_MLX5 or mlx5',
    'on_release': 'write remove or keep',
    'ramfb': _YES_OR_NO,
    'reuse_found': _YES_OR_NO,
    'state_path': 'write the whole path of a directory, /var/lib/nova/mdev say',
}


def state_path(conf: cfg.ConfigOpts) -> str:
    """The directory of the record: our own option, else below Nova's.

    :raises ConfigError: the option cannot be parsed
    """
    own = _Group(conf, definitions.OWN.name)
    path = _own_state_path(own)
    if path is None and not own.problems:
        nova = _Group(conf, 'DEFAULT')
        below = nova.read('state_path')
        path = None if below is None else os.path.join(below, 'mdev')
        own.problems += nova.problems
    if path is None:
        raise exceptions.ConfigError(own.problems)
    return path


def policy_from(
    conf: cfg.ConfigOpts,
) -> tuple[policy.Policy, tuple[model.Problem, ...]]:
    """The policy that a loaded configuration says, and all that is wrong in it.

    Nothing is raised for bad values.  A rule says which of its options cannot be
    parsed; a type that cannot be a type's name has none.
    """
    definitions.register(conf)
    devices = _Group(conf, definitions.DEVICES.name)
    enabled = _words(devices.read('enabled_mdev_types'))
    rules = []
    found: list[model.Problem] = []
    for mdev_type in _types(enabled, devices):
        rule, problems = _rule(conf, mdev_type)
        rules.append(rule)
        found += problems
    own = _Group(conf, definitions.OWN.name)
    reuse_found = own.read('reuse_found')
    _own_state_path(own)
    own.read('backend')
    if not devices.unparsed:
        found += unread.groups(conf, enabled)
    found += unread.options(conf, enabled)
    return (
        policy.Policy(rules=tuple(rules), reuse_found=reuse_found is not False),
        (*devices.problems, *found, *own.problems),
    )


class _Group:
    """One group being read: its problems, and the options that they are in."""

    def __init__(self, conf: cfg.ConfigOpts, name: str) -> None:
        self.problems: list[model.Problem] = []
        self.unparsed: set[str] = set()
        self._conf = conf
        self._name = name

    def read(self, option: str) -> ty.Any:
        """One option's value; None and a problem where it cannot be parsed."""
        try:
            if self._name == 'DEFAULT':
                return self._conf[option]
            return self._conf[self._name][option]
        except _NO_SUCH as e:
            self.refuse(
                option, f'"$" in its value means an option, and {e}; "$$" is a "$"'
            )
        except cfg.Error as e:
            # The library tells where it stood before it tells why: the why is below.
            self.refuse(option, str(e.__context__ or e))
        except RecursionError:
            self.refuse(option, f'${option} in its value means the option itself')
        return None

    def refuse(self, option: str, problem: str) -> None:
        """Note that an option cannot be parsed."""
        self.unparsed.add(option)
        remedy = _REMEDIES.get(option, 'correct the value or take it out')
        self.note(model.Severity.ERROR, option, problem, remedy)

    def note(
        self, severity: model.Severity, option: str, problem: str, remedy: str
    ) -> None:
        """Note a problem; an error is fatal."""
        self.problems.append(
            model.Problem(
                severity=severity,
                group=self._name,
                option=option,
                problem=problem,
                remedy=remedy,
                fatal=severity is model.Severity.ERROR,
            )
        )


def _words(values: cabc.Iterable[str] | None) -> tuple[str, ...]:
    """The elements of a list; a comma too many makes none."""
    return tuple(value for value in values or () if value)


def _types(enabled: cabc.Iterable[str], devices: _Group) -> cabc.Iterator[str]:
    """The enabled types that can have a rule, each once."""
    option = 'enabled_mdev_types'
    first: dict[str, str] = {}
    for mdev_type in enabled:
        # The groups of a configuration file are the same in any case.
        other = first.get(mdev_type.lower())
        try:
            names.mdev_type(mdev_type)
        except exceptions.InvalidName as e:
            devices.note(model.Severity.ERROR, option, str(e), unread.SEE_TYPES)
            continue
        if other is None:
            first[mdev_type.lower()] = mdev_type
            yield mdev_type
        elif other == mdev_type:
            told, remedy = f'{mdev_type} is there twice', 'take one out'
            devices.note(model.Severity.WARNING, option, told, remedy)
        else:
            told = f'{other} and {mdev_type} differ in case only, so have one group'
            devices.note(model.Severity.ERROR, option, told, 'take one out')


def _rule(
    conf: cfg.ConfigOpts, mdev_type: str
) -> tuple[policy.TypeRule, list[model.Problem]]:
    name = f'{definitions.PREFIX}{mdev_type}'
    options = definitions.type_opts(mdev_type)
    definitions.register_opts(conf, options, name)
    group = _Group(conf, name)
    values = {opt.name: group.read(opt.name) for opt in options}
    values['mdev_class'] = _class(group, values['mdev_class'])
    values['attributes'] = _attributes(group, _words(values['attributes']))
    values['resource_class'] = values.pop('mdev_class')
    for option in ('device_addresses', 'traits'):
        values[option] = _words(values[option])
    if values['on_release'] is not None:
        values['on_release'] = policy.OnRelease(values['on_release'])
    # What cannot be parsed has the default, so that the rest can be checked.
    known = {option: value for option, value in values.items() if value is not None}
    rule = policy.TypeRule(
        mdev_type=mdev_type, unparsed=frozenset(group.unparsed), **known
    )
    return rule, group.problems


def _class(group: _Group, mdev_class: str | None) -> str | None:
    if 'mdev_class' in group.unparsed:
        return None
    try:
        return names.resource_class(mdev_class or '')
    except exceptions.InvalidName as e:
        group.refuse('mdev_class', str(e))
        return None


def _attributes(group: _Group, pairs: cabc.Iterable[str]) -> model.Attributes:
    parsed = []
    for pair in pairs:
        name, equals, value = pair.partition('=')
        try:
            names.attribute(name)
        except exceptions.InvalidName as e:
            group.refuse('attributes', f'{pair!r} is not an attribute: {e}')
            continue
        if equals and value.isprintable():
            parsed.append((name, value))
        else:
            group.refuse('attributes', f'{pair!r} is not an attribute')
    return tuple(parsed)


def _own_state_path(own: _Group) -> str | None:
    path: str | None = own.read('state_path')
    if path and not os.path.isabs(path):
        # nova-compute and the command line run in different directories.
        own.refuse('state_path', f'{path!r} is not a whole path')
        return None
    return path or None
