# SPDX-License-Identifier: Apache-2.0
"""Reads parents, mdev types and mdevs from a sysfs tree, whose root is given.

What is read, and who documents it (kernel, Documentation/ABI/testing):

=====================================  ======================================
``class/mdev_bus/<sysname>``           link to each parent device
``<parent>/subsystem``, ``driver``     links; their last parts are the names
``<parent>/numa_node``, ``physfn``     sysfs-bus-pci
``<parent>/mdev_supported_types/*``    sysfs-bus-vfio-mdev
``<parent>/<uuid>/mdev_type``          the same; link to the type's directory
``<parent>/<uuid>/iommu_group``        link to ``kernel/iommu_groups/<number>``
``bus/mdev/devices/<uuid>``            every mdev; only a look at the whole
                                       host reads it, to miss none
=====================================  ======================================

Cost, in accesses to the tree: 2 to list the parents; for each parent that is
looked at 4, 1 for each of ``driver``, ``numa_node`` and ``physfn`` that it has,
4 for each type, and 2 for each mdev.  A restricted look adds 2 for each other
parent whose name *ends* like one that was asked for (a name does not tell where
the subsystem ends and the sysname begins): as a rule none.  It reads nothing
else of other parents, nor of their mdevs.
"""

from __future__ import annotations

import collections.abc as cabc
import errno
import os
import re
import typing as ty

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names

PARENTS = 'class/mdev_bus'
MDEVS = 'bus/mdev/devices'
TYPES = 'mdev_supported_types'

# A sysfs attribute is one page at most (Documentation/filesystems/sysfs.rst).
_PAGE = 4096
# Ten digits hold every number that could be in range.
_NUMBER = re.compile(r'0*([0-9]{1,10})', re.ASCII)
# O_NONBLOCK: in a tree that is not the kernel's, a FIFO must not stop us.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_T = ty.TypeVar('_T')


class Tree:
    """Every access to the file system, below one root and never out of it.

    A test counts accesses, or makes them fail, in a subclass.  Paths are
    relative to the root.  All methods raise :class:`OSError`.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root)
        self._real_root = os.path.realpath(self.root)

    def entries(self, path: str) -> dict[str, bool]:
        """The names in a directory in their order; whether each is a directory."""
        handle = os.open(self._at(path), _READ | os.O_DIRECTORY)
        try:
            with os.scandir(handle) as found:
                kinds = {e.name: e.is_dir(follow_symlinks=False) for e in found}
        finally:
            os.close(handle)
        return dict(sorted(kinds.items()))

    def text(self, path: str) -> str:
        """An attribute's value without the white space around it.

        :raises InvalidValue: it is too long, or is not text
        """
        handle = os.open(self._at(path), _READ)
        try:
            raw = os.read(handle, _PAGE + 1)
        finally:
            os.close(handle)
        if len(raw) > _PAGE:
            raise exceptions.InvalidValue(path, raw, f'longer than {_PAGE} bytes')
        try:
            return raw.decode().strip()
        except UnicodeDecodeError:
            raise exceptions.InvalidValue(path, raw, 'it is not UTF-8 text') from None

    def link(self, path: str) -> str:
        """Where a link points, as it is written in the link."""
        return os.readlink(self._at(path))

    def resolve(self, path: str) -> str:
        """The path below the root that is left when all links are followed."""
        real = os.path.realpath(self._at(path), strict=True)
        if os.path.commonpath([real, self._real_root]) != self._real_root:
            raise OSError(errno.EXDEV, f'it leads out of {self.root}, to {real}')
        return os.path.relpath(real, self._real_root)

    def exists(self, path: str) -> bool:
        """Whether something is there, be it a link that leads nowhere."""
        return os.path.lexists(self._at(path))

    def _at(self, path: str) -> str:
        return os.path.join(self.root, path)


class SysfsReader:
    """Implements :class:`~nova_generic_mdev.host.Reader` on a sysfs tree.

    :param tree: the root's path, or a :class:`Tree`
    :param types: read only these mdev types of each parent; None: all
    """

    def __init__(
        self,
        tree: str | os.PathLike[str] | Tree,
        types: cabc.Collection[str] | None = None,
    ) -> None:
        self._tree = tree if isinstance(tree, Tree) else Tree(tree)
        self._types = types

    def snapshot(self, parents: cabc.Iterable[str] | None = None) -> model.HostSnapshot:
        """What the host has now: everything, or just these parents.

        A kernel without mdev gives an empty snapshot.  What cannot be read is a
        fault; what vanishes meanwhile is not there.

        :raises HostError: the root or its list of parents cannot be read
        """
        asked = None if parents is None else frozenset(parents)
        looks: dict[str, _Look] = {}
        faults: list[model.Fault] = []
        for sysname in self._candidates(asked):
            look = _Look(self._tree, f'{PARENTS}/{sysname}')
            if look.identify() and (asked is None or look.name in asked):
                self._read(look, looks)
            faults += look.settled()
        if asked is None:
            faults += _strays(self._tree, looks.values())
        return model.HostSnapshot(
            parents={n: k.parent for n, k in looks.items() if k.parent},
            mdevs={u: m for k in looks.values() for u, m in k.mdevs.items()},
            faults=tuple(faults),
        )

    def _read(self, look: _Look, looks: dict[str, _Look]) -> None:
        other = looks.get(look.name)
        if other is not None:
            look.fault(look.link, f'its name is {look.name}, as that of {other.link}')
            return
        look.read(self._types)
        if not look.vanished():
            looks[look.name] = look

    def _candidates(self, asked: frozenset[str] | None) -> list[str]:
        """The sysnames of the parents that may be those asked for."""
        try:
            sysnames = list(self._tree.entries(self._tree.resolve(PARENTS)))
        except FileNotFoundError:
            self._check_root()
            return []
        except OSError as error:
            raise self._unreadable(PARENTS, error) from error
        if asked is None:
            return sysnames
        return [s for s in sysnames if any(map(_suffix(s).__eq__, _tails(s, asked)))]

    def _check_root(self) -> None:
        try:
            self._tree.entries('.')
        except OSError as error:
            raise self._unreadable('', error) from error

    def _unreadable(self, path: str, error: OSError) -> exceptions.HostError:
        where = os.path.join(self._tree.root, path)
        return exceptions.HostError(
            where, f'{_reason(error)}; is sysfs mounted there, and readable for us?'
        )
