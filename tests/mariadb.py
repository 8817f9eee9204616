# SPDX-License-Identifier: Apache-2.0
"""A MariaDB of our own: its own directory, a socket in it, and no network."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql

from tests.system.machine import host

# These bring no service of their own, unlike mariadb-server.
NEEDS = {
    'mariadbd': 'mariadb-server-core',
    'mariadb-install-db': 'mariadb-server-core',
    'my_print_defaults': 'mariadb-client-core',
}
_PATIENCE = 60.0
# Nothing has to survive; many threads have several connections each.
_OPTIONS = (
    '--skip-networking',
    '--skip-log-bin',
    '--performance-schema=OFF',
    '--innodb-buffer-pool-size=128M',
    '--innodb-flush-log-at-trx-commit=0',
    '--innodb-doublewrite=0',
    '--max-connections=1000',
)
# Small files where databases are kept and copied.
_LOG_SIZE = '--innodb-log-file-size=16M'


class Server:
    """A server in one directory.

    :param directory: of data and log.
    :param socket: where it listens; by default in the directory.
    """

    def __init__(self, directory: Path, socket: Path | None = None) -> None:
        self.data = directory / 'data'
        self.log = directory / 'log'
        self.socket = socket or directory / 'socket'
        self._process: subprocess.Popen[bytes] | None = None

    def install(self) -> None:
        """Make the directory of data."""
        host.run(
            [
                str(host.find('mariadb-install-db')),
                '--no-defaults',
                f'--datadir={self.data}',
                '--auth-root-authentication-method=normal',
                '--skip-test-db',
                '--skip-name-resolve',
                _LOG_SIZE,
                *_user(),
            ]
        )

    @property
    def command(self) -> list[str]:
        """What runs it."""
        return [
            str(host.find('mariadbd')),
            '--no-defaults',
            f'--datadir={self.data}',
            f'--socket={self.socket}',
            f'--pid-file={self.data}/pid',
            *_OPTIONS,
            _LOG_SIZE,
            *_user(),
        ]

    def start(self) -> None:
        """Start it, and wait until it answers.

        :raises RuntimeError: it does not; carries the end of its log.
        """
        with self.log.open('wb') as log:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _PATIENCE
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                told = self.log.read_text(errors='replace')[-2000:]
                raise RuntimeError(f'MariaDB does not answer\n{told}')
            time.sleep(0.1)

    def stop(self) -> None:
        """End what `start` started."""
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it while something is done."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    def answers(self) -> bool:
        """Whether it does."""
        try:
            self._connect().close()
        except pymysql.OperationalError:
            return False
        return True

    def create(self, name: str) -> str:
        """A new, empty database; returns SQLAlchemy's URL of it."""
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE {name} CHARACTER SET utf8mb3')
        return self.url(name)

    def url(self, name: str) -> str:
        """SQLAlchemy's URL of a database."""
        socket = f'unix_socket={self.socket}'
        return f'mysql+pymysql://root@localhost/{name}?{socket}&charset=utf8mb3'

    def _connect(self) -> Any:
        return pymysql.connect(unix_socket=str(self.socket), user='root')


def _user() -> list[str]:
    # It refuses to be root unless it is told to be.
    return ['--user=root'] if os.geteuid() == 0 else []
