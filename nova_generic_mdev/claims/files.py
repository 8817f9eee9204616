# SPDX-License-Identifier: Apache-2.0
"""The files of the record, and whose they are.

Root's command line and nova-compute write the same record.  What root makes
belongs to the owner of the directory that it is made in; only what was made
here is ever given away, so that no link placed there can lead root astray.  It
gets its name when it is given away: one that root was killed over would stay
root's, and the service could never use it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile

from nova_generic_mdev import exceptions

_MACHINE_ID = '/etc/machine-id'


def machine_id() -> str:
    """The id of this machine (machine-id(5)): a record is of one host only."""
    try:
        with open(_MACHINE_ID, encoding='ascii') as file:
            return file.read().strip()
    except OSError as e:
        raise exceptions.HostError(
            _MACHINE_ID, f'{e.strerror}; run systemd-machine-id-setup'
        ) from e


def make_directory(path: str) -> None:
    """Make a directory, and what is missing above it, durably.

    Everybody may read it: there are names and uuids in it, and no secrets.

    :raises OSError: it cannot be made
    """
    path = os.path.abspath(path)
    if os.path.isdir(path):
        return
    above = os.path.dirname(path)
    make_directory(above)
    try:
        if os.geteuid() == 0:
            _make_directory_of_owner(path, above)
        else:
            os.mkdir(path, mode=0o755)
    except OSError:
        # Somebody was faster.
        if not os.path.isdir(path):
            raise
        return
    _sync_names_in(above)


def _make_directory_of_owner(path: str, above: str) -> None:
    scratch = tempfile.mkdtemp(prefix=f'.{os.path.basename(path)}-', dir=above)
    try:
        handle = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        _give(handle, above, 0o755)
        # Where there is one already, it is replaced only if it is empty.
        os.replace(scratch, path)
    except OSError:
        os.rmdir(scratch)
        raise


def make_file(path: str) -> None:
    """Make an empty file, if there is none.

    :raises OSError: it cannot be made
    """
    if os.path.lexists(path):
        return
    with contextlib.suppress(FileExistsError):
        if os.geteuid() == 0:
            _make_file_of_owner(path)
        else:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            os.close(os.open(path, flags, mode=0o644))


def _make_file_of_owner(path: str) -> None:
    above, name = os.path.split(path)
    handle, scratch = tempfile.mkstemp(prefix=f'.{name}-', dir=above)
    try:
        _give(handle, above, 0o644)
        os.link(scratch, path, follow_symlinks=False)
    finally:
        os.unlink(scratch)


def _give(handle: int, above: str, mode: int) -> None:
    """Give what was just made to the owner of the directory that it is in."""
    try:
        owner = os.stat(above)
        os.fchmod(handle, mode)
        os.fchown(handle, owner.st_uid, owner.st_gid)
    finally:
        os.close(handle)


def replace(source: str, target: str) -> None:
    """Rename a file, durably: after a power cut it is there.

    :raises OSError: it cannot be renamed
    """
    os.replace(source, target)
    _sync_names_in(os.path.dirname(target))


def _sync_names_in(directory: str) -> None:
    # What a file holds is on the disk when it was synced; its name, and that of
    # the directory that it is in, only when the one above was synced too.
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: str) -> None:
    """Remove a file; one that is not there will do.

    :raises OSError: it cannot be removed
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
