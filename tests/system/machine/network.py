# SPDX-License-Identifier: Apache-2.0
"""A private network of two machines, for migration from one to the other.

Frames travel as datagrams between two sockets in the file system: no port of
the host is taken, nothing else can listen, and neither machine has to be
there first.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path
from types import TracebackType


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """A machine's place in a private network of machines.

    :param number: 1 for the first machine, 2 for the second.
    :param directory: where both have their ends.
    :param hosts: names and addresses of all, for ``/etc/hosts``.
    """

    number: int
    directory: Path
    hosts: tuple[tuple[str, str], ...]

    @property
    def address(self) -> str:
        """This machine's address."""
        return self.hosts[self.number - 1][1]


class Network:
    """A private network of two machines; they know each other by name.

    A context manager, since it has a directory while it lasts.

    :param first: the name that the first machine will have.
    :param second: and the second.
    """

    def __init__(self, first: str, second: str) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix='mdev-net-', dir='/var/tmp'))
        self._hosts = ((first, '192.168.77.11'), (second, '192.168.77.12'))

    def place(self, name: str) -> Place:
        """The place of one of the two machines."""
        number = [host for host, _ in self._hosts].index(name) + 1
        return Place(number=number, directory=self._directory, hosts=self._hosts)

    def close(self) -> None:
        """Remove it; both machines have stopped."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Network:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
