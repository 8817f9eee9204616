# SPDX-License-Identifier: Apache-2.0
"""The one door to a sysfs tree: nothing outside of the root is ever read."""

from __future__ import annotations

import errno
import os

from nova_generic_mdev import exceptions

# A sysfs attribute is one page at most (Documentation/filesystems/sysfs.rst).
_PAGE = 4096
# O_NONBLOCK: in a tree that is not the kernel's, a FIFO must not stop us.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Tree:
    """Every access to the file system, below one root and never out of it.

    A test counts accesses, or makes them fail, in a subclass.  Paths are
    relative to the root.  All methods raise :class:`OSError`.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root)
        self._real_root = os.path.realpath(self.root)
        self._prefix = os.path.join(self.root, '')

    def entries(self, path: str) -> dict[str, bool]:
        """The names in a directory in their order; whether each is a directory."""
        handle = os.open(self._at(path), _READ | os.O_DIRECTORY)
        try:
            with os.scandir(handle) as found:
                kinds = {e.name: e.is_dir(follow_symlinks=False) for e in found}
        finally:
            os.close(handle)
        return dict(sorted(kinds.items()))

    def inodes(self, path: str) -> dict[str, int]:
        """The names in a directory, and the inode of each; none if it is not there."""
        try:
            with os.scandir(self._at(path)) as found:
                return {entry.name: entry.inode() for entry in found}
        except FileNotFoundError:
            return {}

    def inode(self, path: str) -> int:
        """The inode of one entry, be it a link."""
        return os.lstat(self._at(path)).st_ino

    def text(self, path: str) -> str:
        """An attribute's value without the white space around it.

        :raises InvalidValue: it is too long, or is not text
        """
        return decoded(path, self.raw(path))

    def raw(self, path: str) -> bytes:
        """An attribute's value as it is; :func:`decoded` makes text of it.

        :raises InvalidValue: it is too long
        """
        handle = os.open(self._at(path), _READ)
        try:
            raw = os.read(handle, _PAGE + 1)
        finally:
            os.close(handle)
        if len(raw) > _PAGE:
            raise _invalid(path, raw, f'longer than {_PAGE} bytes')
        return raw

    def link(self, path: str) -> str:
        """Where a link points, as it is written in the link."""
        return os.readlink(self._at(path))

    def resolve(self, path: str) -> str:
        """The path below the root that is left when all links are followed."""
        real = os.path.realpath(self._at(path), strict=True)
        if os.path.commonpath([real, self._real_root]) != self._real_root:
            raise OSError(errno.EXDEV, f'it leads out of the tree, to {real!r}')
        return os.path.relpath(real, self._real_root)

    def exists(self, path: str) -> bool:
        """Whether something is there, be it a link that leads nowhere."""
        return os.path.lexists(self._at(path))

    def where(self, path: str) -> str:
        """The whole path, fit for a message whatever bytes are in it."""
        return self._at(path).encode(errors='backslashreplace').decode()

    def _at(self, path: str) -> str:
        return self._prefix + path


def decoded(path: str, raw: bytes) -> str:
    """An attribute's value without the white space around it.

    :raises InvalidValue: it is not text
    """
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        raise _invalid(path, raw, 'it is not UTF-8 text') from None


def _invalid(path: str, raw: bytes, why: str) -> exceptions.InvalidValue:
    return exceptions.InvalidValue(os.path.basename(path), raw, why)


def reason(error: OSError | exceptions.MdevError) -> str:
    """Why something could not be read; the path is said elsewhere."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
