# SPDX-License-Identifier: Apache-2.0
"""Which ways lead to the methods that take a guest down, by Nova's sources.

A way is told as ``ComputeManager: terminate_instance > ... > destroy``: from a
method that is called from outside to the driver's.  A reference counts as a call:
Nova hands some of its methods over to be called later.
"""

from __future__ import annotations

import ast
import collections.abc as cabc
import pathlib
import re

#: what Nova's manager may call to take a guest down, or what it left
OF_DRIVER = frozenset(
    {
        'cleanup',
        'cleanup_lingering_instance_resources',
        'confirm_migration',
        'destroy',
        'failed_spawn_cleanup',
        'post_live_migration_at_source',
        'rollback_live_migration_at_destination',
    }
)
#: what the driver calls of its own
WITHIN_DRIVER = frozenset(
    {
        '_cleanup',
        '_cleanup_resize',
        '_destroy',
        '_undefine_domain',
        'cleanup',
        'destroy',
    }
)
MANAGER = 'compute/manager.py'
DRIVER = 'virt/libvirt/driver.py'
_MENTION = re.compile(rf'\bdriver\.({"|".join(sorted(OF_DRIVER))})\b')

Methods = cabc.Mapping[str, ast.FunctionDef]


def ways(nova: pathlib.Path) -> frozenset[str]:
    """All ways in an installed Nova.

    :param nova: the directory of the package
    """
    manager = methods((nova / MANAGER).read_text(), 'ComputeManager')
    driver = methods((nova / DRIVER).read_text(), 'LibvirtDriver')
    return frozenset(_ways_of_manager(manager)) | frozenset(_ways_of_driver(driver))


def _ways_of_manager(manager: Methods) -> cabc.Iterator[str]:
    for name, method in manager.items():
        for called in references(method, 'self.driver.') & OF_DRIVER:
            for way in _ways_to(manager, name):
                yield f'ComputeManager: {" > ".join((*way, called))}'


def _ways_of_driver(driver: Methods) -> cabc.Iterator[str]:
    for name, method in driver.items():
        for called in references(method, 'self.') & WITHIN_DRIVER:
            yield f'LibvirtDriver: {name} > {called}'


def methods(source: str, name: str) -> Methods:
    """The methods of a class, by name."""
    (found,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    return {n.name: n for n in found.body if isinstance(n, ast.FunctionDef)}


def references(method: ast.FunctionDef, prefix: str) -> set[str]:
    """What a method, or a function in it, reads of an object."""
    chains = (ast.unparse(n) for n in ast.walk(method) if isinstance(n, ast.Attribute))
    rests = (chain.removeprefix(prefix) for chain in chains if chain.startswith(prefix))
    return {rest for rest in rests if rest.isidentifier()}


def _ways_to(
    within: Methods, name: str, seen: tuple[str, ...] = ()
) -> cabc.Iterator[tuple[str, ...]]:
    """From each method that is called from outside, through those between."""
    seen = (*seen, name)
    callers = [
        caller
        for caller, method in within.items()
        if caller not in seen and name in references(method, 'self.')
    ]
    # A public method is called from outside, too.
    if not callers or not name.startswith('_'):
        yield (name,)
    for caller in callers:
        for way in _ways_to(within, caller, seen):
            yield (*way, name)


def mentions(nova: pathlib.Path) -> frozenset[str]:
    """The modules that call one of these methods of a driver, but for tests."""
    return frozenset(
        str(path.relative_to(nova))
        for path in nova.rglob('*.py')
        if 'tests' not in path.relative_to(nova).parts
        and _MENTION.search(path.read_text())
    )
