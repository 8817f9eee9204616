# SPDX-License-Identifier: Apache-2.0
"""A described host as a tree of files, and what a kernel does to it."""

from __future__ import annotations

import os
import pathlib
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
        self._bus = os.path.join(root, 'bus/mdev/devices')
        os.makedirs(self._bus, exist_ok=True)
        self._lock = threading.Lock()
        # What is done here counts as the driver's time, so it is little.
        self._parents = {
            link.name: os.path.realpath(link)
            for link in (root / 'class/mdev_bus').iterdir()
        }

    def create(self, parent_sysname: str, mdev_type: str, uuid: str) -> None:
        """Do what a write to ``create`` does."""
        parent = self._parents[parent_sysname]
        device = f'{parent}/{uuid}'
        os.mkdir(device)
        os.symlink(f'../mdev_supported_types/{mdev_type}', f'{device}/mdev_type')
        os.symlink(os.path.dirname(self._bus), f'{device}/subsystem')
        os.symlink(os.path.relpath(device, self._bus), f'{self._bus}/{uuid}')
        self._count(f'{parent}/mdev_supported_types/{mdev_type}', -1)

    def remove(self, uuid: str) -> None:
        """Do what a write to ``remove`` does."""
        link = f'{self._bus}/{uuid}'
        device = os.path.normpath(os.path.join(self._bus, os.readlink(link)))
        mdev_type = os.path.normpath(f'{device}/{os.readlink(f"{device}/mdev_type")}')
        os.unlink(link)
        for entry in os.listdir(device):
            os.unlink(f'{device}/{entry}')
        os.rmdir(device)
        self._count(mdev_type, +1)

    def lose_all(self) -> None:
        """The machine is switched off and on: no mdev is left."""
        for uuid in os.listdir(self._bus):
            self.remove(uuid)

    def _count(self, mdev_type: str, change: int) -> None:
        with self._lock, open(f'{mdev_type}/available_instances', 'r+b') as file:
            left = int(file.read())
            file.seek(0)
            file.write(b'%d\n' % (left + change))
            file.truncate()
