# SPDX-License-Identifier: Apache-2.0
"""Where a cloud keeps its files, and the ports that it has taken.

One directory holds all of it: ``etc``, ``log``, ``run`` and ``data``. It is made
where paths are short, since sockets are in it; a link in the tree leads there.
"""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

from tests.cloud import errors

REPOSITORY = Path(__file__).parents[2]
LINK = REPOSITORY / '.cloud'

# Each listens on one port of loopback. epmd and erlang are RabbitMQ's own.
PORTS = (
    'keystone',
    'placement',
    'glance',
    'network',
    'nova',
    'rabbit',
    'erlang',
    'epmd',
)
_DIRECTORIES = ('etc', 'log', 'run', 'data')
_STATE = 'cloud.json'


class Place:
    """The directory of one cloud."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state: dict[str, Any] = json.loads(self.path(_STATE).read_text())

    @classmethod
    def make(cls, link: Path = LINK) -> Place:
        """A new one, linked to from the tree.

        :raises NotThere: there is one already.
        """
        if link.is_symlink() and link.exists():
            raise errors.NotThere(
                f'there is a cloud in {link.resolve()}: stop it first'
            )
        link.unlink(missing_ok=True)
        directory = Path(tempfile.mkdtemp(prefix='mdev-cloud-', dir='/var/tmp'))
        for name in _DIRECTORIES:
            (directory / name).mkdir()
        (directory / _STATE).write_text(json.dumps({'ports': _free_ports()}))
        link.symlink_to(directory)
        return cls(directory)

    @classmethod
    def find(cls, link: Path = LINK) -> Place:
        """The one that is there.

        :raises NotThere: there is none.
        """
        if not (link / _STATE).exists():
            raise errors.NotThere('there is no cloud: make cloud starts one')
        return cls(link.resolve())

    def remove(self, link: Path = LINK) -> None:
        """Remove it and all that is in it."""
        shutil.rmtree(self.directory)
        link.unlink(missing_ok=True)

    def save(self, **state: Any) -> None:
        """Keep something for whoever finds this place."""
        self.state |= state
        self.path(_STATE).write_text(json.dumps(self.state, indent=1))

    def path(self, *parts: str) -> Path:
        """A path below the directory."""
        return self.directory.joinpath(*parts)

    def log(self, name: str) -> Path:
        """The log of a service."""
        return self.path('log', f'{name}.log')

    def port(self, name: str) -> int:
        """The port of a service."""
        port: int = self.state['ports'][name]
        return port

    def url(self, name: str, host: str = '127.0.0.1') -> str:
        """The address of a service, as this computer knows it."""
        return f'http://{host}:{self.port(name)}'


def _free_ports() -> dict[str, int]:
    """Ports that nobody listens on; all are held until all are known."""
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in PORTS]
    try:
        numbers = [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
    return dict(zip(PORTS, numbers, strict=True))
