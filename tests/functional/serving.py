# SPDX-License-Identifier: Apache-2.0
"""A server that serves in a thread of this process for a while."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import socketserver
import threading

# Seconds until a server notices that it has to stop.
_POLL = 0.02


@contextlib.contextmanager
def in_thread(server: socketserver.BaseServer) -> cabc.Iterator[None]:
    """Serve in this block, and close the server after it."""
    thread = threading.Thread(target=server.serve_forever, args=(_POLL,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
