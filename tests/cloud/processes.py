# SPDX-License-Identifier: Apache-2.0
"""Services as processes that outlive whoever started them."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from tests.cloud import errors
from tests.cloud import place as places
from tests.system.machine import identity

TAIL = 25
_END_TIMEOUT = 20.0
# The services are not this tree's code: it must not be found before theirs.
_DROPPED = ('PYTHONPATH', 'PYTHONWARNINGS')
# Those that this program started: it has to wait for them, too, if it ends them.
_children: dict[int, subprocess.Popen[bytes]] = {}


def program(name: str) -> str:
    """A program of this environment."""
    return str(Path(sys.prefix) / 'bin' / name)


def start(
    place: places.Place,
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> None:
    """Start a service; what it prints goes to its log."""
    variables = {k: v for k, v in os.environ.items() if k not in _DROPPED}
    with place.log(name).open('ab') as log:
        process = subprocess.Popen(
            command,
            cwd=place.directory,
            env={**variables, 'PYTHONWARNINGS': 'ignore', **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _children[process.pid] = process
    this = identity.Identity.of(process.pid)
    _file(place, name).write_text(json.dumps(dataclasses.asdict(this)))


def known(place: places.Place) -> dict[str, identity.Identity]:
    """All services that were started, in the order of their names."""
    return {
        path.stem: identity.Identity(**json.loads(path.read_text()))
        for path in sorted(place.path('run').glob('*.json'))
    }


def stop(place: places.Place, name: str) -> None:
    """Stop a service, and all that it started."""
    this = known(place)[name]
    this.end(_END_TIMEOUT)
    if this.pid in _children:
        _children.pop(this.pid).wait()
    _file(place, name).unlink()


def tail(place: places.Place, name: str, lines: int = TAIL) -> str:
    """The last lines of a service's log."""
    path = place.log(name)
    text = path.read_text(errors='replace') if path.exists() else ''
    return '\n'.join(text.splitlines()[-lines:])


def wait(
    place: places.Place,
    name: str,
    what: str,
    probe: Callable[[], object],
    timeout: float,
) -> None:
    """Wait until something is so that a service brings about.

    :param what: in words, for the error.
    :raises ServiceFailed: the service ended, or took longer.
    """
    service = known(place)[name]
    deadline = time.monotonic() + timeout
    while not probe():
        if not service.alive():
            raise errors.ServiceFailed(name, 'it ended', tail(place, name))
        if time.monotonic() > deadline:
            reason = f'{what}: not within {timeout:g} s'
            raise errors.ServiceFailed(name, reason, tail(place, name))
        time.sleep(0.1)


def wait_for_port(
    place: places.Place, name: str, port: str, timeout: float = 120.0
) -> None:
    """Wait until a service listens; else as `wait`."""
    number = place.port(port)
    wait(place, name, f'port {number} opens', lambda: _listens(number), timeout)


def memory(service: identity.Identity) -> int:
    """What a process and its children use, in MiB, what is shared by parts."""
    total = 0
    for pid in _group(service.pid):
        try:
            text = Path(f'/proc/{pid}/smaps_rollup').read_text()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        total += sum(
            int(line.split()[1]) for line in text.splitlines() if 'Pss:' in line
        )
    return total // 1024


def _group(leader: int) -> list[int]:
    found = []
    for path in Path('/proc').glob('[0-9]*'):
        try:
            if os.getpgid(int(path.name)) == leader:
                found.append(int(path.name))
        except ProcessLookupError:
            continue
    return found


def _listens(port: int) -> bool:
    try:
        socket.create_connection(('127.0.0.1', port), timeout=5).close()
    except OSError:
        return False
    return True


def _file(place: places.Place, name: str) -> Path:
    return place.path('run', f'{name}.json')
