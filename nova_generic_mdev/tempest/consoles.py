# SPDX-License-Identifier: Apache-2.0
"""A server's serial console, and waiting for a pattern there."""

from __future__ import annotations

import codecs
import collections.abc as cabc
import contextlib
import re
import time
import typing as ty

import websocket
from tempest.lib import exceptions

# How long the other end may take to answer, and one look to wait for more.
CONNECT = 60.0
PAUSE = 1.0
# How much of a console an error repeats.
LAST_LINES = 20


class PatternNotSeen(exceptions.TempestException):
    """The console did not show in time what was expected."""

    message = 'The console did not show what was expected'


class ConsoleClosed(exceptions.TempestException):
    """The other end closed the console while something was expected."""

    message = 'The console was closed'


class Console(ty.Protocol):
    """What a console can do."""

    def read(self) -> str:
        """Everything that was seen so far."""

    def write(self, text: str) -> None:
        """Type a text."""


class Output:
    """The console as Nova's ``os-getConsoleOutput`` gives it.

    libvirt begins its log anew with each start of a guest, so after a hard reboot
    nothing of before is in it.

    :param servers: tempest's ``ServersClient``
    """

    def __init__(self, servers: ty.Any, server: str) -> None:
        self._servers = servers
        self._server = server

    def read(self) -> str:
        """All of it."""
        return str(self._servers.get_console_output(self._server)['output'])

    def write(self, text: str) -> None:
        """It cannot be written to.

        :raises InvalidConfiguration: always
        """
        raise exceptions.InvalidConfiguration(
            f'nothing can be typed ({text!r}) with [generic_mdev] console = output; '
            'set console = websocket'
        )


class Socket:
    """The serial console over its websocket: what comes from now on.

    :param connection: a ``websocket.WebSocket``
    """

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection
        self._decoder = codecs.getincrementaldecoder('utf-8')('replace')
        self._seen = ''

    def read(self) -> str:
        """What came since it was opened.

        :raises ConsoleClosed: Nova closed it, as it does when the guest goes
        """
        with contextlib.suppress(websocket.WebSocketTimeoutException):
            self._seen += self._decoder.decode(self._received())
        return self._seen

    def write(self, text: str) -> None:
        """Type a text."""
        self._connection.send_binary(text.encode())

    def _received(self) -> bytes:
        try:
            operation, data = self._connection.recv_data()
        except websocket.WebSocketConnectionClosedException as e:
            raise ConsoleClosed(f'the connection to Nova is gone: {e}') from e
        if operation == websocket.ABNF.OPCODE_CLOSE:
            raise ConsoleClosed(f'Nova closed it: {data!r}')
        return bytes(data)


@contextlib.contextmanager
def opened(servers: ty.Any, server: str, kind: str) -> cabc.Iterator[Console]:
    """The console of a server, for the time of the block.

    :param servers: tempest's ``ServersClient``, of version 2.6 or later
    :param kind: ``output`` or ``websocket``
    """
    if kind == 'output':
        yield Output(servers, server)
        return
    remote = servers.get_remote_console(
        server, console_type='serial', protocol='serial'
    )
    url = remote['remote_console']['url']
    connection = websocket.create_connection(
        url, timeout=CONNECT, subprotocols=['binary']
    )
    with contextlib.closing(connection):
        connection.settimeout(PAUSE)
        yield Socket(connection)


def wait_for(
    console: Console,
    pattern: str,
    timeout: float,
    *,
    after: int = 0,
    clock: cabc.Callable[[], float] = time.monotonic,
    sleep: cabc.Callable[[float], None] = time.sleep,
) -> re.Match[str]:
    """The first match of a pattern on the console.

    :param after: how much of what was seen does not count
    :raises PatternNotSeen: it did not come within so many seconds
    """
    expression = re.compile(pattern)
    deadline = clock() + timeout
    while True:
        seen = console.read()
        found = expression.search(seen, after)
        if found:
            return found
        if clock() >= deadline:
            last = '\n'.join(seen.splitlines()[-LAST_LINES:])
            raise PatternNotSeen(
                f'{pattern!r} did not come within {timeout} s; the last lines:\n{last}'
            )
        sleep(PAUSE)


def talk(
    console: Console, steps: cabc.Iterable[tuple[str, str]], timeout: float
) -> int:
    """Answer each pattern with a line, one after the other.

    :returns: how much was seen before the last answer
    :raises PatternNotSeen: a pattern did not come within so many seconds
    """
    position = 0
    for pattern, answer in steps:
        position = wait_for(console, pattern, timeout, after=position).end()
        console.write(f'{answer}\n')
    return position
