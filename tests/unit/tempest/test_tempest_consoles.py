# SPDX-License-Identifier: Apache-2.0
"""Reading a console, waiting for patterns and typing."""

from __future__ import annotations

import base64
import collections.abc as cabc
import hashlib
import re
import socket
import struct
import threading
import typing as ty
from unittest import mock

import pytest
from tempest.lib import exceptions
from tempest.lib.services import compute

from nova_generic_mdev.tempest import consoles

ECHO = r"wrote '(\S+)' read '\1' ok"


class Script:
    """A console that shows a text more with each look, and what is typed."""

    def __init__(self, *texts: str) -> None:
        self._coming = list(texts)
        self._seen = ''
        self.typed: list[str] = []

    def read(self) -> str:
        if self._coming:
            self._seen += self._coming.pop(0)
        return self._seen

    def write(self, text: str) -> None:
        self.typed.append(text)


class Clock:
    """A clock that only sleep moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def wait(console: consoles.Console, pattern: str, *, after: int = 0) -> str:
    clock = Clock()
    found = consoles.wait_for(
        console, pattern, 10, after=after, clock=clock, sleep=clock.sleep
    )
    return found.group()


def test_pattern_that_comes_in_time():
    console = Script('up\n', "wrote 'hi' ", "read 'hi' ok\n")
    assert wait(console, ECHO) == "wrote 'hi' read 'hi' ok"


def test_pattern_that_does_not_come():
    lines = ''.join(f'line {number}\n' for number in range(30))
    with pytest.raises(consoles.PatternNotSeen) as caught:
        wait(Script(lines), ECHO)
    said = str(caught.value)
    assert 'within 10 s' in said
    assert 'line 29' in said
    assert 'line 9\n' not in said, 'the last lines only'


def test_what_was_seen_before_does_not_count():
    console = Script('ok 1\n', 'ok 2\n')
    assert wait(console, r'ok \d', after=5) == 'ok 2'


def test_talk_answers_in_turn():
    console = Script('login: ', 'Password: ', '# ')
    end = consoles.talk(console, [('login: ', 'root'), ('word: ', 'pw')], timeout=10)
    assert console.typed == ['root\n', 'pw\n']
    assert end == len('login: Password: ')


def test_talk_does_not_take_one_prompt_twice():
    console = Script('# ')
    with pytest.raises(consoles.PatternNotSeen):
        consoles.talk(console, [('# ', 'one'), ('# ', 'two')], timeout=0)
    assert console.typed == ['one\n']


def test_output_is_what_nova_says():
    servers = mock.create_autospec(compute.ServersClient)
    servers.get_console_output.return_value = {'output': 'guest: done'}
    with consoles.opened(servers, 'server', 'output') as console:
        assert console.read() == 'guest: done'
        with pytest.raises(exceptions.InvalidConfiguration, match='websocket'):
            console.write('root')


class Proxy:
    """The far end of a serial console: shows a text, then in capitals what is typed.

    As Nova's proxy it takes an HTTP upgrade, and then speaks in frames (RFC 6455).
    """

    def __init__(self, greeting: bytes) -> None:
        self._greeting = greeting
        self._listening = socket.create_server(('127.0.0.1', 0))
        self.url = f'ws://127.0.0.1:{self._listening.getsockname()[1]}/?token=secret'
        self.request = ''

    def serve(self) -> None:
        """One connection, one line."""
        with self._listening, self._listening.accept()[0] as connection:
            stream = connection.makefile('rb')
            request = list(iter(stream.readline, b'\r\n'))
            self.request = b''.join(request).decode()
            connection.sendall(self._accepted())
            connection.sendall(b'\x82\x7e' + struct.pack('!H', len(self._greeting)))
            connection.sendall(self._greeting)
            typed = self._typed(stream)
            connection.sendall(b'\x82' + bytes([len(typed)]) + typed.upper())

    def _accepted(self) -> bytes:
        key = re.search('Sec-WebSocket-Key: (.*)\r\n', self.request)
        assert key
        told = f'{key[1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11'.encode()
        accept = base64.b64encode(hashlib.sha1(told).digest()).decode()  # noqa: S324
        return (
            'HTTP/1.1 101 Switching Protocols\r\n'
            'Upgrade: websocket\r\nConnection: Upgrade\r\n'
            'Sec-WebSocket-Protocol: binary\r\n'
            f'Sec-WebSocket-Accept: {accept}\r\n\r\n'
        ).encode()

    def _typed(self, stream: ty.BinaryIO) -> bytes:
        size = stream.read(2)[1] & 0x7F
        mask, masked = stream.read(4), stream.read(size)
        return bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))


@pytest.fixture
def proxy() -> cabc.Iterator[Proxy]:
    """One whose greeting is longer than the shortest kind of frame holds."""
    proxy = Proxy(b'welcome ' * 100 + b'login: ')
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    yield proxy
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_socket_shows_what_comes_and_types(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(consoles, 'PAUSE', 0.05)
    servers = mock.create_autospec(compute.ServersClient)
    servers.get_remote_console.return_value = {'remote_console': {'url': proxy.url}}
    with consoles.opened(servers, 'server', 'websocket') as console:
        end = consoles.talk(console, [('login: ', 'root')], timeout=30)
        found = consoles.wait_for(console, 'ROOT', 30, after=end)
    assert found.string.startswith('welcome welcome')
    assert 'GET /?token=secret' in proxy.request
    assert 'binary' in proxy.request


def test_socket_that_nova_closes(proxy: Proxy, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(consoles, 'PAUSE', 0.05)
    servers = mock.create_autospec(compute.ServersClient)
    servers.get_remote_console.return_value = {'remote_console': {'url': proxy.url}}
    with consoles.opened(servers, 'server', 'websocket') as console:
        console.write('bye')
        with pytest.raises(consoles.ConsoleClosed):
            consoles.wait_for(console, 'never', 30)
