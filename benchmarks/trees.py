# SPDX-License-Identifier: Apache-2.0
"""A described host as a tree of files, and what a kernel does to it."""

from __future__ import annotations

import os
import pathlib
import shutil
import threading

from benchmarks import hosts
from nova_generic_mdev import fixture


class Tree:
    """A sysfs tree that changes as mdevs are created and removed.

    It takes the place of the kernel behind the privileged helper: what the driver
    itself does is measured, and neither the kernel nor the helper.

    :param root: an empty directory
    """

    def __init__(self, described: hosts.Described, root: pathlib.Path) -> None:
        fixture.write_sysfs(described.snapshot, root)
        self.root = root
        self._bus = root / 'bus/mdev/devices'
        self._bus.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()

    def create(self, parent_sysname: str, mdev_type: str, uuid: str) -> None:
        """Do what a write to ``create`` does."""
        parent = (self.root / 'class/mdev_bus' / parent_sysname).resolve()
        device = parent / uuid
        device.mkdir()
        (device / 'mdev_type').symlink_to(f'../mdev_supported_types/{mdev_type}')
        (device / 'subsystem').symlink_to(os.path.relpath(self._bus.parent, device))
        link = os.path.relpath(device, self._bus)
        (self._bus / uuid).symlink_to(link)
        self._count(parent / 'mdev_supported_types' / mdev_type, -1)

    def remove(self, uuid: str) -> None:
        """Do what a write to ``remove`` does."""
        link = self._bus / uuid
        device = link.resolve(strict=True)
        mdev_type = (device / 'mdev_type').resolve()
        link.unlink()
        shutil.rmtree(device)
        self._count(mdev_type, +1)

    def lose_all(self) -> None:
        """The machine is switched off and on: no mdev is left."""
        for link in list(self._bus.iterdir()):
            self.remove(link.name)

    def _count(self, mdev_type: pathlib.Path, change: int) -> None:
        path = mdev_type / 'available_instances'
        with self._lock:
            left = int(path.read_text(encoding='ascii'))
            path.write_text(f'{left + change}\n', encoding='ascii')
