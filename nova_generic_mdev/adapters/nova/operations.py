# SPDX-License-Identifier: Apache-2.0
"""The operation that this thread is about, for Nova's helpers that are not told.

Nova's ``_allocate_mdevs`` gets allocations and no instance.  Whoever calls it
is one of few public operations; each says here whose it is.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import contextvars
import typing as ty

# Of a thread, and of a greenlet.
_current: contextvars.ContextVar[Operation | None] = contextvars.ContextVar(
    'operation', default=None
)


class Operation:
    """One operation on one instance.

    :param instance: Nova's object
    :param migration: uuid of the live migration that brings it here
    """

    def __init__(self, name: str, instance: ty.Any, migration: str | None) -> None:
        self.name = name
        self.instance = instance
        self.migration = migration
        #: whether it has got what Placement promised it
        self.is_served = False


class Watcher:
    """Who wants to know what begins; see :meth:`Operations.watched`."""

    def __init__(self) -> None:
        self.seen: set[str] = set()


class Operations:
    """What is under way in one service, in any of its threads."""

    def __init__(self) -> None:
        self._under_way: set[Operation] = set()
        self._watchers: set[Watcher] = set()

    @contextlib.contextmanager
    def under_way(
        self, name: str, instance: ty.Any, migration: str | None = None
    ) -> cabc.Iterator[Operation]:
        """In this block all that this thread does is for this instance."""
        operation = Operation(name, instance, migration)
        self._under_way.add(operation)
        # After it is known: who begins to watch now sees it either way.
        for watcher in tuple(self._watchers):
            watcher.seen.add(instance.uuid)
        token = _current.set(operation)
        try:
            yield operation
        finally:
            _current.reset(token)
            self._under_way.discard(operation)

    def current(self, instance: ty.Any = None) -> Operation | None:
        """The operation in this thread, if it is on this instance; None is any."""
        operation = _current.get()
        if operation not in self._under_way:
            return None
        if instance is not None and operation.instance.uuid != instance.uuid:
            return None
        return operation

    @contextlib.contextmanager
    def watched(self) -> cabc.Iterator[cabc.Set[str]]:
        """The instances that something is, or was, under way for in this block.

        The set grows meanwhile: whoever decides on what was read in the block can
        tell what may have changed since.
        """
        watcher = Watcher()
        self._watchers.add(watcher)
        try:
            # After it watches: what begins now is seen either way.
            watcher.seen.update(o.instance.uuid for o in tuple(self._under_way))
            yield watcher.seen
        finally:
            self._watchers.discard(watcher)
