# SPDX-License-Identifier: Apache-2.0
"""Processes that are this one as it is now, and are not seen in it afterwards."""

from __future__ import annotations

import collections.abc as cabc
import multiprocessing
import os
import sys
import traceback
import typing as ty

_T = ty.TypeVar('_T')


def forked(work: cabc.Callable[[], _T]) -> _T:
    """What a function returns that is run in a fork of this process.

    :raises RuntimeError: it raised; with its traceback
    """
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = start(lambda: theirs.send(_outcome(work)))
    theirs.close()
    is_done, answer = ours.recv()
    ours.close()
    os.waitpid(child, 0)
    if not is_done:
        raise RuntimeError(answer)
    return answer


def start(work: cabc.Callable[[], object]) -> int:
    """Run a function in a fork of this process, which then ends; its process id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001  the process that was forked is not this
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(status)
    return child


def _outcome(work: cabc.Callable[[], _T]) -> tuple[bool, ty.Any]:
    try:
        return True, work()
    except Exception:  # noqa: BLE001  it is told where it was asked for
        return False, traceback.format_exc()
