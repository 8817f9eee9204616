# SPDX-License-Identifier: Apache-2.0
"""A MariaDB of our own: its own directory, a socket in it, and no network."""

import os
import subprocess
import time

import fixtures
import pymysql

from tests.system.machine import errors
from tests.system.machine import host
from tests.system.machine import packages

# These bring no service of their own, unlike mariadb-server.
NEEDS = {
    'mariadbd': 'mariadb-server-core',
    'mariadb-install-db': 'mariadb-server-core',
    'my_print_defaults': 'mariadb-client-core',
}
_PATIENCE = 60.0
# Nothing has to survive the test; many threads have several connections each.
_OPTIONS = (
    '--skip-networking',
    '--skip-log-bin',
    '--performance-schema=OFF',
    '--innodb-buffer-pool-size=128M',
    '--innodb-flush-log-at-trx-commit=0',
    '--innodb-doublewrite=0',
    '--max-connections=1000',
)


def missing():
    """Install what is needed; why that cannot be done, or nothing."""
    try:
        packages.ensure(NEEDS)
    except errors.MachineError as e:
        return f'MariaDB is needed: {e}'
    return ''


class MariaDB(fixtures.Fixture):
    """One server, which ends with the test."""

    def _setUp(self):
        directory = self.useFixture(fixtures.TempDir()).path
        self._data = os.path.join(directory, 'data')
        self._socket = os.path.join(directory, 'socket')
        self._log = os.path.join(directory, 'log')
        # It refuses to be root unless it is told to be.
        self._user = ['--user=root'] if os.geteuid() == 0 else []
        self._install()
        self._start()

    def url(self, name):
        """A new, empty database; returns SQLAlchemy's URL of it."""
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE {name} CHARACTER SET utf8mb3')
        socket = f'unix_socket={self._socket}'
        return f'mysql+pymysql://root@localhost/{name}?{socket}&charset=utf8mb3'

    def _install(self):
        host.run(
            [
                host.find('mariadb-install-db'),
                '--no-defaults',
                f'--datadir={self._data}',
                '--auth-root-authentication-method=normal',
                '--skip-test-db',
                '--skip-name-resolve',
                *self._user,
            ]
        )

    def _start(self):
        command = [
            host.find('mariadbd'),
            '--no-defaults',
            f'--datadir={self._data}',
            f'--socket={self._socket}',
            f'--pid-file={self._data}/pid',
            *_OPTIONS,
            *self._user,
        ]
        with open(self._log, 'wb') as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.addCleanup(self._stop)
        self._wait()

    def _wait(self):
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self._connect().close()
            except pymysql.OperationalError as e:
                ended = self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    with open(self._log, encoding='utf-8', errors='replace') as log:
                        told = log.read()[-2000:]
                    raise RuntimeError(f'MariaDB does not answer: {e}\n{told}') from e
            else:
                return
            time.sleep(0.1)

    def _connect(self):
        return pymysql.connect(unix_socket=self._socket, user='root')

    def _stop(self):
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
