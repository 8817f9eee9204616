# SPDX-License-Identifier: Apache-2.0
"""What a machine can reach: another machine, and services of this computer.

Between two machines frames travel as datagrams between two sockets in the file
system: no port of the host is taken, nothing else can listen, and neither
machine has to be there first.
"""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
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
    :param within: a directory for its ends, with a short path; by default one of
        its own.  Either goes with ``close``.
    """

    def __init__(self, first: str, second: str, within: Path | None = None) -> None:
        if within is None:
            within = Path(tempfile.mkdtemp(prefix='mdev-net-', dir='/var/tmp'))
        self._directory = within
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


RELAY = Path(__file__).with_name('relay.py')
SERVICES = '10.0.2.100'


def outside(ports: Sequence[int]) -> list[str]:
    """QEMU's words for a card that reaches these ports of our loopback alone.

    Each connection from within runs a relay; nothing listens for it out here.
    """
    if not ports:
        return []
    rules = ''
    for port in ports:
        relay = shlex.join([sys.executable, str(RELAY), str(port)]).replace(',', ',,')
        rules += f',guestfwd=tcp:{SERVICES}:{port}-cmd:{relay}'
    card = 'virtio-net-pci,netdev=outside,mac=52:54:00:00:02:01,romfile=,addr=0x1e'
    return ['-netdev', f'user,id=outside,restrict=on{rules}', '-device', card]
