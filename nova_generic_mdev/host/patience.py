# SPDX-License-Identifier: Apache-2.0
"""A bound for what has none of its own: a call, and what comes by itself.

The library that is called waits inside the kernel, where nothing reaches it:
so it waits in a thread, which is given up when it takes too long.
"""

from __future__ import annotations

import collections.abc as cabc
import concurrent.futures
import threading
import time
import typing as ty

_T = ty.TypeVar('_T')
# udev and libvirt follow the kernel within a second or two; a busy host is slow.
SETTLE_SECONDS = 30.0
IN_TIME = f'after {SETTLE_SECONDS:.0f} s'
_POLL_SECONDS = 0.1


def bounded(
    seconds: float,
    call: cabc.Callable[..., _T],
    *arguments: object,
    errors: type[Exception] | tuple[type[Exception], ...] = (),
) -> _T:
    """What a call returns or raises.

    :param errors: what it may raise
    :raises TimeoutError: it did neither in time; it goes on by itself
    """
    answer: concurrent.futures.Future[_T] = concurrent.futures.Future()

    def work() -> None:
        try:
            answer.set_result(call(*arguments))
        except errors as e:
            answer.set_exception(e)

    # A daemon: the program must be able to end while it still waits.
    threading.Thread(target=work, daemon=True).start()
    return answer.result(timeout=seconds)


def settled(look: cabc.Callable[[], _T]) -> _T:
    """Look until there is something to see, and not longer than that takes.

    :returns: what was seen last
    """
    end = time.monotonic() + SETTLE_SECONDS
    while not (seen := look()) and time.monotonic() <= end:
        time.sleep(_POLL_SECONDS)
    return seen
