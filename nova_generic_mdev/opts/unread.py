# SPDX-License-Identifier: Apache-2.0
"""What stands in the configuration files and nobody reads: most often misspelt."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import difflib
import os

from oslo_config import cfg

from nova_generic_mdev import model
from nova_generic_mdev.opts import definitions

SEE_TYPES = '"nova-mdev parent list" names the types that there are'
_PREFIXES = (definitions.PREFIX, definitions.LEGACY_PREFIX)


def groups(
    conf: cfg.ConfigOpts, enabled: cabc.Iterable[str]
) -> cabc.Iterator[model.Problem]:
    """Groups of types that are not enabled."""
    read = {mdev_type.lower() for mdev_type in enabled}
    for section in conf.list_all_sections():
        mdev_type = _type_of(section)
        if mdev_type is not None and mdev_type.lower() not in read:
            yield _warning(
                section,
                '',
                f'the group is not read: {mdev_type!r} is not an enabled type',
                f'add it to [devices] enabled_mdev_types, or mend it; {SEE_TYPES}',
            )


def options(
    conf: cfg.ConfigOpts, enabled: cabc.Iterable[str]
) -> cabc.Iterator[model.Problem]:
    """Options that are not ours, in the groups that are."""
    read = {mdev_type.lower() for mdev_type in enabled}
    known_of_group = {
        definitions.DEVICES.name: _known(definitions.devices_opts),
        definitions.OWN.name: _known(definitions.own_opts),
    }
    known_of_type = _known(definitions.type_opts(''))
    for section, written in _sections(conf).items():
        known = known_of_group.get(section.lower(), frozenset())
        if (_type_of(section) or '').lower() in read:
            known = known_of_type
        for option in written if known else ():
            if option not in known:
                yield _unknown(section, option, known)


def _known(opts: cabc.Iterable[cfg.Opt]) -> frozenset[str]:
    legacy = {old.name for opt in opts for old in opt.deprecated_opts if old.name}
    return frozenset({opt.name for opt in opts} | legacy)


def _type_of(section: str) -> str | None:
    """The mdev type whose group this is; None for any other group."""
    for prefix in _PREFIXES:
        if section.lower().startswith(prefix):
            return section[len(prefix) :]
    return None


def _sections(conf: cfg.ConfigOpts) -> dict[str, dict[str, list[str]]]:
    """All that the files say, by group and option, whether anybody reads it."""
    sections: dict[str, dict[str, list[str]]] = {}
    # Without a section no file was read, and conf may not know of any.
    for path in _files(conf) if conf.list_all_sections() else ():
        # One that went since it was loaded says nothing any more.
        with contextlib.suppress(FileNotFoundError):
            cfg.ConfigParser(path, sections).parse()
    return sections


def _files(conf: cfg.ConfigOpts) -> cabc.Iterator[str]:
    yield from conf.config_file or ()
    for folder in conf.config_dir or ():
        names = sorted(os.listdir(folder))
        yield from (os.path.join(folder, n) for n in names if n.endswith('.conf'))


def _unknown(section: str, option: str, known: cabc.Collection[str]) -> model.Problem:
    near = difflib.get_close_matches(option, sorted(known), 1)
    return _warning(
        section,
        option,
        'there is no such option, so it is not read',
        f'did you mean {near[0]}?' if near else f'known are {", ".join(sorted(known))}',
    )


def _warning(group: str, option: str, problem: str, remedy: str) -> model.Problem:
    return model.Problem(
        severity=model.Severity.WARNING,
        group=group,
        option=option,
        problem=problem,
        remedy=remedy,
    )
