# SPDX-License-Identifier: Apache-2.0
"""One connection of a machine to a port of our loopback: standard input and
output on one side, a socket on the other."""

from __future__ import annotations

import os
import selectors
import socket
import sys

STDIN, STDOUT = 0, 1
SIZE = 65536


def relay(port: int) -> None:
    """Pass bytes both ways until either side ends."""
    with (
        socket.create_connection(('127.0.0.1', port)) as service,
        selectors.DefaultSelector() as ready,
    ):
        ready.register(STDIN, selectors.EVENT_READ)
        ready.register(service, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                inward = key.fileobj is service
                data = service.recv(SIZE) if inward else os.read(STDIN, SIZE)
                if not data:
                    return
                if inward:
                    _write(data)
                else:
                    service.sendall(data)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(STDOUT, data) :]


if __name__ == '__main__':
    relay(int(sys.argv[1]))
