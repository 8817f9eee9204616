# SPDX-License-Identifier: Apache-2.0
"""Where the machine's packages come from: where this host's own come from.

The host's apt sources name a mirror that works from here, maybe the only one.
We take its address and ask it for our suite. On a host that is not Debian, or
has no sources, the environment names a mirror.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path

from tests.system.machine import errors
from tests.system.machine import host

VARIABLE = 'NOVA_GENERIC_MDEV_MIRROR'
KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

_DEBIAN_SUITES = (
    'bullseye',
    'bookworm',
    'trixie',
    'forky',
    'sid',
    'oldstable',
    'stable',
    'testing',
    'unstable',
)
# Settings of the host's apt without which its mirror may not be usable.
_CARRIED = re.compile(
    r'^Acquire::(https?::Proxy\S*|Check-Valid-Until|Check-Date) "[^"]+";$', re.M
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mirrors:
    """Addresses of the archive and of its security updates (or None)."""

    archive: str
    security: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Source:
    uri: str
    suite: str


def of_this_host(apt: Path = Path('/etc/apt')) -> Mirrors:
    """The mirrors in an apt configuration directory (sources.list(5)).

    :raises NeedsMissing: there is none, and the environment names none
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Mirrors(archive=named.rstrip('/'), security=None)
    sources = [s for s in _sources(apt) if _is_debian(s)]
    archive = [s.uri for s in sources if '-security' not in s.suite]
    security = [s.uri for s in sources if '-security' in s.suite]
    if not archive:
        raise errors.NeedsMissing(
            f'a mirror of Debian among the apt sources in {apt}',
            f'name one in the environment: {VARIABLE}=http://MIRROR/debian',
        )
    return Mirrors(archive=archive[0], security=security[0] if security else None)


def sources_list(mirrors: Mirrors, suite: str) -> str:
    """The text of a sources.list for one suite with its updates."""
    lines = [(mirrors.archive, suite), (mirrors.archive, f'{suite}-updates')]
    if mirrors.security:
        lines.append((mirrors.security, f'{suite}-security'))
    return ''.join(f'deb [signed-by={KEYRING}] {u} {s} main\n' for u, s in lines)


def apt_options() -> list[str]:
    """The host's apt settings on proxies and clocks, one a line of apt.conf."""
    try:
        dump = host.run(['apt-config', 'dump'])
    except (FileNotFoundError, errors.StepFailed):
        return []
    return [match.group(0) for match in _CARRIED.finditer(dump)]


def _is_debian(source: _Source) -> bool:
    usable = source.uri.startswith(('http:', 'https:', 'file:'))
    return usable and source.suite.split('-')[0].split('/')[0] in _DEBIAN_SUITES


def _sources(apt: Path) -> Iterator[_Source]:
    parts = apt / 'sources.list.d'
    for path in [apt / 'sources.list', *sorted(parts.glob('*.list'))]:
        if path.is_file():
            yield from _one_line_style(path.read_text().splitlines())
    for path in sorted(parts.glob('*.sources')):
        yield from _deb822_style(path.read_text())


def _one_line_style(lines: Iterable[str]) -> Iterator[_Source]:
    pattern = re.compile(r'^\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s')
    for line in lines:
        match = pattern.match(line + ' ')
        if match:
            yield _Source(uri=match[1].rstrip('/'), suite=match[2])


def _deb822_style(text: str) -> Iterator[_Source]:
    lines = [line for line in text.splitlines() if not line.startswith('#')]
    for paragraph in re.split(r'\n\s*\n', '\n'.join(lines)):
        fields = _fields(paragraph)
        enabled = fields.get('enabled', 'yes').lower() not in ('no', 'false', '0')
        if enabled and 'deb' in fields.get('types', '').split():
            for uri in fields.get('uris', '').split():
                for suite in fields.get('suites', '').split():
                    yield _Source(uri=uri.rstrip('/'), suite=suite)


def _fields(paragraph: str) -> dict[str, str]:
    joined = re.sub(r'\n[ \t]+', ' ', paragraph)
    pairs = [line.split(':', 1) for line in joined.splitlines() if ':' in line]
    return {name.strip().lower(): value.strip() for name, value in pairs}
