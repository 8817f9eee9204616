# SPDX-License-Identifier: Apache-2.0
"""A reader for a service that looks again and again at the same host.

What can change is read in every look: which parents and mdevs there are, and how
many more each could have.  What cannot is read once: a parent's name and types
are fixed when its driver registers it, an mdev's parent and type when it is made.
Whether it is still the same one tells the inode of its link: the kernel never
gives a number twice (``kernfs_ino()``), and listing a directory tells it too.

Whatever is not as it was remembered, is new or cannot be read, is looked at as a
whole by :class:`~.reader.SysfsReader`, which tells what is wrong with it.

Facts that may change and that no decision needs are not told at all:
``numa_node``, a type's ``description``, an mdev's ``iommu_group``.

=========================  =================================================
look                       accesses to the tree
=========================  =================================================
at all of the host         2 to list it, 1 for each type of each parent that
                           is counted, 2 for each mdev that is new
at one parent              2, 1 for each of its types, 1 for each of its mdevs
=========================  =================================================
"""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import functools
import os

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev.host.sysfs import look as sysfs_look
from nova_generic_mdev.host.sysfs import memories
from nova_generic_mdev.host.sysfs import reader
from nova_generic_mdev.host.sysfs import tree as sysfs_tree

# What cannot be read may have gone, or be new: the other reader finds out.
_ODD = (OSError, exceptions.MdevError)


class _Unfamiliar(Exception):
    """Something is not as it was."""


class RememberingReader:
    """Implements :class:`~nova_generic_mdev.host.Reader` on the kernel's sysfs.

    It may be asked by several threads at once.

    :param tree: the root's path, or a :class:`Tree`
    :param counted: the types of which a look at all of the host tells the
        available instances; a look at some parents tells those of all types
    """

    def __init__(
        self,
        tree: str | os.PathLike[str] | sysfs_tree.Tree,
        counted: cabc.Collection[str],
    ) -> None:
        self._reader = reader.SysfsReader(tree)
        self._tree = self._reader.tree
        self._counted = frozenset(counted)
        self._memory: memories.Memory | None = None

    def snapshot(self, parents: cabc.Iterable[str] | None = None) -> model.HostSnapshot:
        """What the host has now: everything, or just these parents.

        :raises HostError: as :meth:`.SysfsReader.snapshot`
        """
        if parents is None:
            return self._all()
        asked = frozenset(parents)
        try:
            return self._some(asked)
        except (_Unfamiliar, *_ODD):
            return self._reader.snapshot(asked)

    # All of the host

    def _all(self) -> model.HostSnapshot:
        try:
            links = self._tree.inodes(reader.PARENTS)
            bus = self._tree.inodes(reader.MDEVS)
            # Another thread may remember something else meanwhile, or nothing.
            memory = self._memory
            if memory is not None and memory.links == links:
                return self._again(memory, bus)
        except (_Unfamiliar, *_ODD):
            links, bus = {}, {}
        return self._learned(links, bus)

    def _learned(
        self, links: cabc.Mapping[str, int], bus: cabc.Mapping[str, int]
    ) -> model.HostSnapshot:
        """Look at everything.

        What was listed before that, and is listed again, was the same all the while.
        """
        looks, faults = self._reader.looks(None)
        known = {
            look.name: memories.Known(
                sysname=look.parent.sysname,
                inode=links.get(look.parent.sysname, 0),
                path=look.path,
                parent=self._plain(look.parent),
                counts=memories.counts(look.path, look.parent.types, self._counted),
            )
            for look in looks
            if look.parent is not None
        }
        mdevs = {
            uuid: dataclasses.replace(mdev, iommu_group=None)
            for look in looks
            for uuid, mdev in look.mdevs.items()
        }
        snapshot = model.HostSnapshot(
            parents={name: each.parent for name, each in known.items()},
            mdevs=mdevs,
            faults=tuple(faults),
        )
        # What is wrong is told in every look.
        self._memory = (
            None
            if faults
            else memories.Memory(
                links=links,
                known=known,
                # One that is not on the bus has no link, and is found to be gone.
                mdevs={(u, bus.get(u, 0)): mdev for u, mdev in mdevs.items()},
                snapshot=snapshot,
            )
        )
        return snapshot

    def _plain(self, parent: model.Parent) -> model.Parent:
        """A parent with what is needed of it."""
        types = {
            kind.id: model.MdevType(
                id=kind.id,
                available_instances=kind.available_instances
                if kind.id in self._counted
                else None,
                device_api=kind.device_api,
                name=kind.name,
            )
            for kind in parent.types.values()
        }
        return dataclasses.replace(parent, types=types, numa_node=None)

    def _again(
        self, memory: memories.Memory, bus: cabc.Mapping[str, int]
    ) -> model.HostSnapshot:
        """Look at what can have changed; the same snapshot, if nothing has."""
        known = {
            name: self._recounted(each, each.counts)
            for name, each in memory.known.items()
        }
        mdevs = self._mdevs(memory, bus)
        is_same = all(known[name] is memory.known[name] for name in known)
        if is_same and mdevs.keys() == memory.mdevs.keys():
            return memory.snapshot
        snapshot = model.HostSnapshot(
            parents={name: each.parent for name, each in known.items()},
            mdevs={uuid: mdev for (uuid, _), mdev in mdevs.items()},
        )
        self._memory = memories.Memory(
            links=memory.links, known=known, mdevs=mdevs, snapshot=snapshot
        )
        return snapshot

    def _mdevs(
        self, memory: memories.Memory, bus: cabc.Mapping[str, int]
    ) -> dict[tuple[str, int], model.Mdev]:
        now = dict.fromkeys(bus.items())
        names = {each.path: name for name, each in memory.known.items()}
        found = {
            key: memory.mdevs.get(key) or self._new_mdev(key[0], names, memory)
            for key in now
        }
        # One whose removal waits for its user is not on the bus any more.
        for key in memory.mdevs.keys() - now.keys():
            uuid, mdev = key[0], memory.mdevs[key]
            path = memory.known[mdev.parent].path
            if uuid not in bus and self._tree.exists(f'{path}/{uuid}'):
                found[key] = mdev
        return found

    def _new_mdev(
        self, uuid: str, names: cabc.Mapping[str, str], memory: memories.Memory
    ) -> model.Mdev:
        target = self._tree.link(f'{reader.MDEVS}/{uuid}')
        path = os.path.normpath(f'{reader.MDEVS}/{target}')
        parent = names.get(os.path.dirname(path))
        if parent is None or os.path.basename(path) != uuid:
            raise _Unfamiliar
        return self._mdev(uuid, memory.known[parent])

    # Some parents, and what both need

    def _some(self, asked: cabc.Iterable[str]) -> model.HostSnapshot:
        memory = self._memory
        if memory is None or not memory.known.keys() >= set(asked):
            raise _Unfamiliar
        parents, mdevs = {}, {}
        for name in asked:
            known = memory.known[name]
            link = f'{reader.PARENTS}/{known.sysname}'
            if self._tree.inode(link) != known.inode:
                raise _Unfamiliar
            children = self._tree.entries(known.path)
            counts = memories.counts(known.path, known.parent.types)
            parents[name] = self._recounted(known, counts).parent
            for child in filter(sysfs_look.is_uuid, children):
                mdevs[child] = self._mdev(child, known)
        return model.HostSnapshot(parents=parents, mdevs=mdevs)

    def _recounted(
        self, known: memories.Known, counts: memories.Counts
    ) -> memories.Known:
        """A parent with what it can give now of these types."""
        kinds = known.parent.types
        changed = {}
        for type_id, path in counts:
            left = _number(self._tree.raw(path))
            if left != kinds[type_id].available_instances:
                changed[type_id] = dataclasses.replace(
                    kinds[type_id], available_instances=left
                )
        if not changed:
            return known
        parent = dataclasses.replace(known.parent, types={**kinds, **changed})
        return dataclasses.replace(known, parent=parent)

    def _mdev(self, uuid: str, known: memories.Known) -> model.Mdev:
        path = f'{known.path}/{uuid}'
        target = self._tree.link(f'{path}/mdev_type')
        directory, type_id = os.path.split(os.path.normpath(f'{path}/{target}'))
        is_there = directory == f'{known.path}/{sysfs_look.TYPES}'
        if not is_there or type_id not in known.parent.types:
            raise _Unfamiliar
        return model.Mdev(uuid=uuid, parent=known.parent.name, mdev_type=type_id)


# Most counts are one of a few numbers.
@functools.lru_cache(maxsize=1024)
def _number(raw: bytes) -> int:
    """The number that an attribute tells; what is none, the other reader tells of."""
    return sysfs_look.number('', sysfs_tree.decoded('', raw))
