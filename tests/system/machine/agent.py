# SPDX-License-Identifier: Apache-2.0
"""The host's end of QEMU's guest agent.

The protocol is QEMU's (docs/interop/qemu-ga-ref): one JSON object a line over
a socket that QEMU connects to a port in the machine. One request is under way
at a time; commands that it starts run side by side.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import random
import socket
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import NoReturn

from tests.system.machine import errors

_CHUNK = 512 * 1024
_ANSWER_TIMEOUT = 60.0
# Of an agent that has not begun; a QEMU that is busy may not even read what it is
# sent, until a connection is full.
_NOT_YET = (errors.TimedOut, errors.ConnectionBroke)
_END_TIMEOUT = 30.0
_ENVIRONMENT = {
    'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOME': '/root',
    'LANG': 'C.UTF-8',
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """How a command in a machine ended.

    :param status: its exit status; 128 and the signal's number for a signal.
    :param stdout: what it printed.
    :param stderr: what it printed to standard error.
    :param seconds: how long it took.
    """

    command: str
    status: int
    stdout: str
    stderr: str
    seconds: float


class Agent:
    """A connection to the agent of one machine.

    :param path: the socket.
    :param check: called while waiting; raises if the machine has ended.
    """

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        self._path = path
        self._check = check
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._received = b''

    def connect(self, timeout: float) -> None:
        """Wait until the agent answers.

        :raises TimedOut: it did not.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise errors.TimedOut('the agent in the machine answers', timeout)
            with self._lock, contextlib.suppress(OSError, *_NOT_YET):
                self._synchronise(min(2.0, left))
                return
            self._check()
            time.sleep(0.1)

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._socket is not None

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ask(self, request: str, **arguments: Any) -> Any:
        """One request and its answer.

        :raises MachineError: the agent refuses, or does not answer in time.
        """
        with self._lock:
            self._send(request, arguments)
            answer = self._read_answer(request, _ANSWER_TIMEOUT)
        if 'error' in answer:
            raise errors.MachineError(f'{request}: {answer["error"]["desc"]}')
        return answer['return']

    def tell(self, request: str, **arguments: Any) -> None:
        """A request that has no answer."""
        with self._lock:
            self._send(request, arguments)

    def run(
        self,
        words: Sequence[str],
        timeout: float,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command to its end.

        :raises TimedOut: it was still running, and was killed.
        """
        began = time.monotonic()
        variables = {**_ENVIRONMENT, **(environment or {})}
        arguments: dict[str, Any] = {
            # A session of its own, so that all of it can be killed.
            'path': '/usr/bin/setsid',
            'arg': list(words),
            'env': [f'{name}={value}' for name, value in variables.items()],
            'capture-output': True,
        }
        if stdin is not None:
            arguments['input-data'] = base64.b64encode(stdin).decode()
        pid = self.ask('guest-exec', **arguments)['pid']
        state = self._wait(pid, began + timeout)
        if not state['exited']:
            state = self._kill(pid)
            text = _text(state, 'out-data') + _text(state, 'err-data')
            raise errors.TimedOut(f'the end of: {words[-1]}', timeout, text)
        return Result(
            command=words[-1],
            status=state.get('exitcode', 128 + state.get('signal', 0)),
            stdout=_text(state, 'out-data'),
            stderr=_text(state, 'err-data'),
            seconds=time.monotonic() - began,
        )

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        handle = self.ask('guest-file-open', path=path, mode='w')
        try:
            for begin in range(0, len(content), _CHUNK):
                chunk = base64.b64encode(content[begin : begin + _CHUNK]).decode()
                self.ask('guest-file-write', **{'handle': handle, 'buf-b64': chunk})
        finally:
            self.ask('guest-file-close', handle=handle)

    def read(self, path: str) -> bytes:
        """Read a file."""
        handle = self.ask('guest-file-open', path=path, mode='r')
        parts = []
        try:
            while True:
                answer = self.ask('guest-file-read', handle=handle, count=_CHUNK)
                parts.append(base64.b64decode(answer['buf-b64']))
                if answer['eof'] or not answer['count']:
                    return b''.join(parts)
        finally:
            self.ask('guest-file-close', handle=handle)

    def _wait(self, pid: int, deadline: float) -> dict[str, Any]:
        pause = 0.02
        while True:
            state: dict[str, Any] = self.ask('guest-exec-status', pid=pid)
            if state['exited'] or time.monotonic() > deadline:
                return state
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)

    def _kill(self, pid: int) -> dict[str, Any]:
        self.ask('guest-exec', path='/bin/kill', arg=['-KILL', '--', f'-{pid}'])
        return self._wait(pid, time.monotonic() + 10)

    def _synchronise(self, timeout: float) -> None:
        """Connect, and skip what was meant for an earlier connection."""
        if self._socket is None:
            self._socket = self._open()
            self._received = b''
        number = random.getrandbits(31)
        deadline = time.monotonic() + timeout
        self._send('guest-sync', {'id': number})
        while True:
            left = deadline - time.monotonic()
            if self._read_answer('guest-sync', left).get('return') == number:
                return

    def _open(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self._path))
            # Ends what another connection may have left half said.
            connection.sendall(b'\xff')
        except OSError:
            connection.close()
            raise
        return connection

    def _send(self, request: str, arguments: Mapping[str, Any]) -> None:
        text = json.dumps({'execute': request, 'arguments': dict(arguments)})
        if self._socket is None:
            raise errors.MachineError('there is no connection to the agent')
        self._socket.settimeout(_ANSWER_TIMEOUT)
        try:
            self._socket.sendall(text.encode() + b'\n')
        except OSError as error:
            self._lost(error)

    def _read_answer(self, request: str, timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        while b'\n' not in self._received:
            if time.monotonic() > deadline:
                raise errors.TimedOut(f'an answer to {request}', timeout)
            self._receive()
        line, _, self._received = self._received.partition(b'\n')
        answer: dict[str, Any] = json.loads(line.strip(b'\xff') or b'{}')
        return answer

    def _receive(self) -> None:
        """Wait a moment for more, and see that the machine still runs."""
        if self._socket is None:
            raise errors.MachineError('there is no connection to the agent')
        self._socket.settimeout(0.5)
        try:
            received = self._socket.recv(65536)
        except TimeoutError:
            self._check()
        except OSError as error:
            self._lost(error)
        else:
            self._received += received
            if not received:
                self._lost(None)

    def _lost(self, error: OSError | None) -> NoReturn:
        """The connection broke, most likely since QEMU is about to end."""
        self.close()
        deadline = time.monotonic() + _END_TIMEOUT
        while time.monotonic() < deadline:
            self._check()
            time.sleep(0.05)
        raise errors.ConnectionBroke('the connection to the agent broke') from error


def _text(state: Mapping[str, Any], name: str) -> str:
    return base64.b64decode(state.get(name, '')).decode(errors='replace')
