# SPDX-License-Identifier: Apache-2.0
"""Numbers the moments at which a run touches the world outside of its process.

Before and after each call into what may do so (the system, SQLite, libvirt's
binding) there is a moment.  A run that is repeated has the same moments, so that
what was seen at one of them once can be cut there the next time.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import os
import signal
import sys
import types

# In C, as whatever reaches beyond the process has to be in the end.  What these
# do not show, a file that is removed by its garbage say, is seen at the next one.
_OUTWARD = frozenset({'posix', '_io', 'io', 'sqlite3', '_sqlite3', 'libvirtmod'})
_OURS = 'nova_generic_mdev'
_TOLD = 3


class Moments:
    """The moments of this thread, from now on.

    :param at: called at each, with its number and who can say what it is
    """

    def __init__(self, at: cabc.Callable[[int, cabc.Callable[[], str]], None]) -> None:
        self._at = at
        self._number = 0
        self._is_hidden = False

    @contextlib.contextmanager
    def watched(self) -> cabc.Iterator[None]:
        """Have them in this block."""
        self._pass(lambda: 'at the start')
        sys.setprofile(self._event)
        try:
            yield
        finally:
            sys.setprofile(None)
        self._pass(lambda: 'at the end')

    @contextlib.contextmanager
    def around(self, what: str) -> cabc.Iterator[None]:
        """One call, however many it makes in its turn."""
        where = _where(sys._getframe(2))
        self._pass(lambda: f'before {what}{where}')
        self._is_hidden = True
        try:
            yield
        finally:
            self._is_hidden = False
            self._pass(lambda: f'after {what}{where}')

    def _event(self, frame: types.FrameType, event: str, called: object) -> None:
        if not event.startswith('c_') or self._is_hidden or not _is_outward(called):
            return
        self._pass(lambda: _what(frame, event, called))

    def _pass(self, what: cabc.Callable[[], str]) -> None:
        number, self._number = self._number, self._number + 1
        was_hidden, self._is_hidden = self._is_hidden, True
        self._at(number, what)
        self._is_hidden = was_hidden


def killed_at(
    number: int, what: str
) -> cabc.Callable[[int, cabc.Callable[[], str]], None]:
    """For :class:`Moments`: the process ends at this one, and does no more."""

    def at(now: int, there: cabc.Callable[[], str]) -> None:
        if now == number:
            # Another one, so that the run is not as it was: no cut of ours.
            os.kill(os.getpid(), signal.SIGKILL if there() == what else signal.SIGABRT)

    return at


def _is_outward(called: object) -> bool:
    owner = getattr(called, '__self__', None)
    if owner is None or isinstance(owner, types.ModuleType):
        return getattr(called, '__module__', None) in _OUTWARD
    return any(kind.__module__ in _OUTWARD for kind in type(owner).__mro__)


def _what(frame: types.FrameType, event: str, called: object) -> str:
    when = 'before' if event == 'c_call' else 'after'
    return f'{when} {getattr(called, "__name__", called)}{_where(frame)}'


def _where(frame: types.FrameType | None) -> str:
    """The functions of ours that it was called from, the innermost first."""
    names: list[str] = []
    while frame is not None and len(names) < _TOLD:
        if frame.f_globals.get('__name__', '').startswith(_OURS):
            names.append(frame.f_code.co_name)
        frame = frame.f_back
    return f' ({" < ".join(names)})' if names else ''
