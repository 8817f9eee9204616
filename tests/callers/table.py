# SPDX-License-Identifier: Apache-2.0
"""The rows of ``calls.toml``, and the same for people."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import pathlib
import tomllib
import typing as ty

from nova_generic_mdev.adapters.nova import lifecycle
from nova_generic_mdev.adapters.nova import situations

DATA = pathlib.Path(__file__).with_name('calls.toml')
HERE = 'here'
_HOSTS = {'here': HERE, 'there': 'there', 'none': None}


@dataclasses.dataclass(frozen=True)
class Situation:
    """One call of Nova's, and what has to come of it."""

    name: str
    paths: tuple[str, ...]
    facts: situations.Facts
    rule: str
    releases: frozenset[lifecycle.Holder]
    hands_over: bool


@dataclasses.dataclass(frozen=True)
class Unseen:
    """Calls where nothing is to be decided, and why."""

    paths: tuple[str, ...]
    why: str


def situations_of() -> tuple[Situation, ...]:
    """All situations, as they stand in the file."""
    return tuple(_situation(row) for row in _data()['situation'])


def unseen() -> tuple[Unseen, ...]:
    """All that is not to be decided, as it stands in the file."""
    rows = _data()['unseen']
    return tuple(Unseen(paths=tuple(row['paths']), why=row['why']) for row in rows)


def _data() -> dict[str, ty.Any]:
    return tomllib.loads(DATA.read_text())


def _situation(row: dict[str, ty.Any]) -> Situation:
    row = dict(row)
    name, paths, rule = row.pop('name'), row.pop('paths'), row.pop('rule')
    releases, hands_over = row.pop('releases', ()), row.pop('hands_over', False)
    facts = situations.Facts(
        call=situations.Call(row.pop('call', 'cleanup')),
        own_host=HERE,
        host=_HOSTS[row.pop('host', 'here')],
        vm_state=row.pop('vm'),
        task_state=row.pop('task', None),
        **row,
    )
    return Situation(
        name=name,
        paths=tuple(paths),
        facts=facts,
        rule=rule,
        releases=frozenset(lifecycle.Holder(holder) for holder in releases),
        hands_over=hands_over,
    )


def rst() -> str:
    """The table for people, as reStructuredText."""
    head = ('situation', 'in Nova', 'what tells', 'claims')
    rows = [head, *(_cells(situation) for situation in situations_of())]
    lines = [
        '.. Made by "python -m tests.callers"; do not edit.',
        '',
        '.. list-table::',
        '   :header-rows: 1',
        '   :widths: 32 26 26 16',
        '',
    ]
    for row in rows:
        for mark, cell in zip('*   ', row, strict=True):
            lines.append(f'   {mark} - {cell}')
    return '\n'.join(lines) + '\n'


def _cells(situation: Situation) -> tuple[str, str, str, str]:
    return (
        situation.name,
        f'``{_entry(situation.paths[0])}``',
        ', '.join(_told(situation.facts)),
        _becomes(situation),
    )


def _entry(path: str) -> str:
    """Nova's own method that it began with."""
    return path.split(': ')[1].split(' > ')[0]


def _told(facts: situations.Facts) -> cabc.Iterator[str]:
    yield f'``{facts.vm_state}``'
    if facts.task_state is not None:
        yield f'``{facts.task_state}``'
    more = {
        'the call': facts.call is not situations.Call.CLEANUP,
        'on another host': facts.is_elsewhere,
        'on no host': facts.host is None,
        'deleted in the database': facts.deleted,
        'hidden': facts.hidden,
        'our operation': facts.operation,
        'data of the migration': facts.live_migration,
        'no user asks': facts.by_service,
    }
    yield from (words for words, is_so in more.items() if is_so)


def _becomes(situation: Situation) -> str:
    if situation.hands_over:
        return "kept, the migration's from now on"
    if not situation.releases:
        return 'kept'
    return f'released: {", ".join(sorted(situation.releases))}'
