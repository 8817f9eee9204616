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


class Operations:
    """What is under way in one service, in any of its threads."""

    def __init__(self) -> None:
        self._under_way: set[Operation] = set()
        self._watches: dict[int, set[str]] = {}

    @contextlib.contextmanager
    def under_way(
        self, name: str, instance: ty.Any, migration: str | None = None
    ) -> cabc.Iterator[Operation]:
        """In this block all that this thread does is for this instance."""
        operation = Operation(name, instance, migration)
        self._under_way.add(operation)
        for touched in tuple(self._watches.values()):
            touched.add(instance.uuid)
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

    def busy(self) -> frozenset[str]:
        """The uuids of all instances that something is under way for."""
        return frozenset(o.instance.uuid for o in tuple(self._under_way))

    @contextlib.contextmanager
    def watched(self) -> cabc.Iterator[cabc.Set[str]]:
        """The uuids of all instances that something is, or was, under way for.

        Those that begin in this block are added before they do anything.
        """
        touched: set[str] = set()
        self._watches[id(touched)] = touched
        touched |= self.busy()
        try:
            yield touched
        finally:
            del self._watches[id(touched)]
