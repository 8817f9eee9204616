# SPDX-License-Identifier: Apache-2.0
"""Loads what a command uses when it uses it.

To list the commands every module of them is imported, and one that speaks to
Placement needs longer for that than all the rest.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types

_PACKAGE = __name__.partition('.')[0]
_COMMANDS = f'{_PACKAGE}.cmd.'
#: loaded when something of them is first used; others as ever
_LAZY = (f'{_PACKAGE}.', 'keystoneauth1', 'os_traits', 'oslo_config')


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self,
        fullname: str,
        path: cabc.Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(_LAZY) or fullname.startswith(_COMMANDS):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


@contextlib.contextmanager
def imported() -> cabc.Iterator[None]:
    """In this block modules are loaded when something of them is first used."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
