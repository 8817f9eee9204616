# SPDX-License-Identifier: Apache-2.0
"""Named locks of one state path: between threads, and between processes.

A file lock belongs to a process and not to a thread (fcntl(2)), so threads
order themselves first.  Both wait by polling or by a lock of ``threading``,
never inside the kernel: a service that runs on eventlet goes on meanwhile.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import os
import re
import threading
import time

from oslo_concurrency import lockutils

from nova_generic_mdev import exceptions
from nova_generic_mdev.claims import files

# An allocation holds its devices while the kernel makes its mdevs.
SECONDS = 60.0

_NOT_IN_A_FILE_NAME = re.compile(r'[^A-Za-z0-9._-]')
_LONGEST = 200


class Locks:
    """The locks of one state path; the files are made as they are needed.

    :param state_path: a directory that is there when a lock is taken
    """

    def __init__(self, state_path: str) -> None:
        self._directory = os.path.join(os.path.abspath(state_path), 'locks')

    @contextlib.contextmanager
    def held(
        self, names: cabc.Iterable[str], seconds: float = SECONDS
    ) -> cabc.Iterator[None]:
        """Hold these locks.  Do not take more of the same kind meanwhile.

        They are taken in one order everywhere, so that nobody waits for each
        other.  Names that become the same file share a lock.

        :raises ClaimsError: somebody else held one for that long
        """
        with contextlib.ExitStack() as stack:
            for path in sorted({self._path(name) for name in names}):
                stack.enter_context(self._one(path, seconds))
            yield

    def _path(self, name: str) -> str:
        file_name = _NOT_IN_A_FILE_NAME.sub('_', name)[:_LONGEST]
        return os.path.join(self._directory, f'{file_name}.lock')

    @contextlib.contextmanager
    def _one(self, path: str, seconds: float) -> cabc.Iterator[None]:
        end = time.monotonic() + seconds
        between_threads = lockutils.internal_lock(path)
        if not between_threads.acquire(timeout=seconds):
            raise exceptions.ClaimsError(
                path, f'another thread has held it for {seconds:.0f} s; try again'
            )
        try:
            between_processes = _acquired(path, max(0.0, end - time.monotonic()))
            try:
                yield
            finally:
                between_processes.release()
        finally:
            between_threads.release()


def _acquired(path: str, seconds: float) -> lockutils.InterProcessLock:
    lock = lockutils.InterProcessLock(path)
    try:
        files.make_directory(os.path.dirname(path))
        files.make_file(path)
        gotten = lock.acquire(timeout=seconds)
    except (OSError, threading.ThreadError) as e:
        raise exceptions.ClaimsError(path, f'it cannot be locked: {e}') from e
    if not gotten:
        lock.lockfile.close()
        raise exceptions.ClaimsError(
            path, f'another process holds it; "fuser {path}" names it; try again'
        )
    return lock
