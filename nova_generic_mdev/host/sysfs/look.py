# SPDX-License-Identifier: Apache-2.0
"""A look at one parent device: what is known of it, and what is not."""

from __future__ import annotations

import collections.abc as cabc
import os
import re
import typing as ty

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev.host.sysfs import tree as sysfs_tree

TYPES = 'mdev_supported_types'
COUNT = 'available_instances'

# Ten digits hold every number that could be in range.
_NUMBER = re.compile(r'0*([0-9]{1,10})', re.ASCII)

_T = ty.TypeVar('_T')


class Look:
    """One parent device being read: what is known of it, what is not."""

    def __init__(self, tree: sysfs_tree.Tree, link: str) -> None:
        self.link = link
        self.name = ''
        self.path = ''
        self.parent: model.Parent | None = None
        self.mdevs: dict[str, model.Mdev] = {}
        self.faults: list[model.Fault] = []
        self._tree = tree
        self._subsystem = ''

    def fault(self, path: str, reason: str, mdev_type: str | None = None) -> None:
        """Note what cannot be read, and why."""
        fault = model.Fault(
            where=self._tree.where(path),
            reason=reason,
            parent=self.name or None,
            mdev_type=mdev_type,
        )
        self.faults.append(fault)

    def identify(self) -> bool:
        """Find the device behind the link, and its name; False: a fault."""
        path = self.link
        try:
            self.path = self._tree.resolve(path)
            path = f'{self.path}/subsystem'
            self._subsystem = self._last_part(path)
            self.name = names.node_device(self._subsystem, os.path.basename(self.path))
        except (OSError, exceptions.InvalidName) as error:
            self.fault(path, sysfs_tree.reason(error))
        return bool(self.name)

    def read(self, only: cabc.Collection[str] | None) -> None:
        """Read the parent, its types (only these) and its mdevs."""
        children = self._attempt(self._tree.entries, self.path)
        if children is None:
            return
        listed = self._type_ids()
        wanted = listed if only is None else [t for t in listed if t in only]
        types = [self._type(type_id) for type_id in wanted]
        self.parent = self._parent(children, {t.id: t for t in types if t})
        known = frozenset(listed)
        for child, is_directory in children.items():
            if is_directory and is_uuid(child):
                self._mdev(child, known)

    def _parent(
        self, has: cabc.Container[str], types: dict[str, model.MdevType]
    ) -> model.Parent:
        sysname = os.path.basename(self.path)
        is_pci = self._subsystem == 'pci' and names.is_pci_address(sysname)
        return model.Parent(
            name=self.name,
            sysname=sysname,
            subsystem=self._subsystem,
            types=types,
            physical_device=self._fact(has, 'physfn', self._physical_function) or '',
            address=names.pci_address(sysname) if is_pci else None,
            numa_node=self._fact(has, 'numa_node', self._numa_node),
            driver=self._fact(has, 'driver', self._last_part),
        )

    def _fact(
        self, has: cabc.Container[str], entry: str, read: cabc.Callable[[str], _T]
    ) -> _T | None:
        if entry not in has:
            return None
        return self._attempt(read, f'{self.path}/{entry}')

    def _attempt(
        self,
        read: cabc.Callable[[str], _T],
        path: str,
        mdev_type: str | None = None,
    ) -> _T | None:
        """What a read gives, or None and a fault."""
        try:
            return read(path)
        except (OSError, exceptions.MdevError) as error:
            self.fault(path, sysfs_tree.reason(error), mdev_type)
            return None

    def _last_part(self, path: str) -> str:
        return names.sysname(os.path.basename(self._tree.link(path)))

    def _physical_function(self, path: str) -> str:
        # Only PCI devices have one, and it is a PCI device too (sysfs-bus-pci).
        return names.node_device('pci', names.pci_address(self._last_part(path)))

    def _numa_node(self, path: str) -> int | None:
        text = self._tree.text(path)
        return None if text == '-1' else number(path, text)

    def _type_ids(self) -> list[str]:
        path = f'{self.path}/{TYPES}'
        listed = self._attempt(self._tree.entries, path) or {}
        for entry, is_directory in listed.items():
            if not is_directory:
                self.fault(f'{path}/{entry}', 'it is not a directory')
        return [entry for entry in listed if listed[entry]]

    def _type(self, type_id: str) -> model.MdevType | None:
        path = f'{self.path}/{TYPES}/{type_id}'
        try:
            names.mdev_type(type_id)
        except exceptions.InvalidName as error:
            self.fault(path, error.reason)
            return None
        return model.MdevType(
            id=type_id,
            available_instances=self._attempt(self._count, f'{path}/{COUNT}', type_id),
            device_api=self._attempt(self._word, f'{path}/device_api', type_id),
            name=self._attempt(self._optional_word, f'{path}/name', type_id),
            description=self._attempt(self._optional, f'{path}/description', type_id),
        )

    def _count(self, path: str) -> int:
        return number(path, self._tree.text(path))

    def _word(self, path: str) -> str:
        text = self._tree.text(path)
        if not text:
            raise _invalid(path, text, 'it is empty')
        return _printable(path, text)

    def _optional(self, path: str) -> str | None:
        # A driver need not give a name or a description (sysfs-bus-vfio-mdev).
        try:
            return self._tree.text(path) or None
        except FileNotFoundError:
            return None

    def _optional_word(self, path: str) -> str | None:
        text = self._optional(path)
        return None if text is None else _printable(path, text)

    def _mdev(self, uuid: str, types: cabc.Container[str]) -> None:
        path = f'{self.path}/{uuid}'
        before = len(self.faults)
        mdev = model.Mdev(
            uuid=uuid,
            parent=self.name,
            mdev_type=self._attempt(
                lambda where: self._mdev_type(where, path, types), f'{path}/mdev_type'
            ),
            iommu_group=self._attempt(self._iommu_group, f'{path}/iommu_group'),
        )
        if len(self.faults) > before and not self._tree.exists(path):
            del self.faults[before:]
            return
        self.mdevs[uuid] = mdev

    def _mdev_type(self, link: str, mdev: str, types: cabc.Container[str]) -> str:
        target = self._tree.link(link)
        directory, type_id = os.path.split(os.path.normpath(f'{mdev}/{target}'))
        if directory != f'{self.path}/{TYPES}' or type_id not in types:
            raise _invalid(link, target, 'the parent has no such mdev type')
        return names.mdev_type(type_id)

    def _iommu_group(self, path: str) -> int | None:
        # A kernel without VFIO groups (only character devices) has no link.
        try:
            target = self._tree.link(path)
        except FileNotFoundError:
            return None
        return number(path, os.path.basename(target))


def is_uuid(entry: str) -> bool:
    """Whether an entry is named as the kernel names mdevs, in lower case."""
    try:
        return names.uuid(entry) == entry
    except exceptions.InvalidName:
        return False


def number(path: str, text: str) -> int:
    """A count as an attribute tells it.

    :raises InvalidValue: it is none
    """
    match = _NUMBER.fullmatch(text)
    if match is None or (found := int(match[1])) > model.MAX_COUNT:
        raise _invalid(path, text, f'expected 0 to {model.MAX_COUNT}')
    return found


def _printable(path: str, text: str) -> str:
    if not text.isprintable():
        raise _invalid(path, text, 'it is not printable')
    return text


def _invalid(path: str, text: str, reason: str) -> exceptions.InvalidValue:
    return exceptions.InvalidValue(os.path.basename(path), text, reason)
