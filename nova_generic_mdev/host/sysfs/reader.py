# SPDX-License-Identifier: Apache-2.0
"""Finds the parents and the mdevs of a host."""

from __future__ import annotations

import collections.abc as cabc
import os

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev.host.sysfs import look as sysfs_look
from nova_generic_mdev.host.sysfs import tree as sysfs_tree

PARENTS = 'class/mdev_bus'
MDEVS = 'bus/mdev/devices'


class SysfsReader:
    """Implements :class:`~nova_generic_mdev.host.Reader` on a sysfs tree.

    :param tree: the root's path, or a :class:`Tree`
    :param types: read only these mdev types of each parent; None: all
    """

    def __init__(
        self,
        tree: str | os.PathLike[str] | sysfs_tree.Tree,
        types: cabc.Collection[str] | None = None,
    ) -> None:
        self.tree = tree if isinstance(tree, sysfs_tree.Tree) else sysfs_tree.Tree(tree)
        self._types = types

    def snapshot(self, parents: cabc.Iterable[str] | None = None) -> model.HostSnapshot:
        """What the host has now: everything, or just these parents.

        A kernel without mdev gives an empty snapshot.  What cannot be read is a
        fault; what vanishes meanwhile is not there.

        :raises HostError: the root or its list of parents cannot be read
        """
        looks, faults = self.looks(None if parents is None else frozenset(parents))
        return model.HostSnapshot(
            parents={look.name: look.parent for look in looks if look.parent},
            mdevs={uuid: mdev for look in looks for uuid, mdev in look.mdevs.items()},
            faults=tuple(faults),
        )

    def looks(
        self, asked: frozenset[str] | None
    ) -> tuple[cabc.Collection[sysfs_look.Look], list[model.Fault]]:
        """A look at each of these parents, or of all, that can be read.

        :raises HostError: the root or its list of parents cannot be read
        """
        looks: dict[str, sysfs_look.Look] = {}
        faults: list[model.Fault] = []
        for sysname in self._candidates(asked):
            look = self._look(f'{PARENTS}/{sysname}', asked, looks)
            # What could not be read may have gone, and then nothing is wrong.
            if look.faults and not self.tree.exists(look.link):
                continue
            faults += look.faults
            if look.parent is not None:
                looks[look.name] = look
        if asked is None:
            faults += _strays(self.tree, looks.values())
        return looks.values(), faults

    def _look(
        self,
        link: str,
        asked: frozenset[str] | None,
        others: cabc.Mapping[str, sysfs_look.Look],
    ) -> sysfs_look.Look:
        look = sysfs_look.Look(self.tree, link)
        if not look.identify() or (asked is not None and look.name not in asked):
            return look
        if look.name in others:
            other = others[look.name].link
            look.fault(link, f'skipped: {other} has the same name, {look.name}')
        else:
            look.read(self._types)
        return look

    def _candidates(self, asked: frozenset[str] | None) -> list[str]:
        """The sysnames of the parents that may be those asked for."""
        try:
            sysnames = list(self.tree.entries(self.tree.resolve(PARENTS)))
        except FileNotFoundError:
            self._check_root()
            return []
        except OSError as error:
            raise self._unreadable(PARENTS, error) from error
        if asked is None:
            return sysnames
        return [s for s in sysnames if _may_be(s, asked)]

    def _check_root(self) -> None:
        try:
            self.tree.entries('.')
        except OSError as error:
            raise self._unreadable('', error) from error

    def _unreadable(self, path: str, error: OSError) -> exceptions.HostError:
        where = os.path.join(self.tree.root, path)
        return exceptions.HostError(
            where, f'{sysfs_tree.reason(error)}; is this a sysfs that we may read?'
        )


def _may_be(sysname: str, asked: cabc.Iterable[str]) -> bool:
    """Whether a parent's name, of which only the end is known, was asked for.

    That ``ap_matrix`` ends as any other name does: on its bus the kernel has
    one device, called ``matrix``.
    """
    try:
        end = names.node_device('x', sysname).removeprefix('x')
    except exceptions.InvalidName:
        return False
    return any(name.endswith(end) for name in asked)


def _strays(
    tree: sysfs_tree.Tree, looks: cabc.Iterable[sysfs_look.Look]
) -> cabc.Iterator[model.Fault]:
    """The mdevs on the bus that are not on any of the parents that were read."""
    parents = {look.path: look for look in looks}
    known = {uuid for look in parents.values() for uuid in look.mdevs}
    try:
        listed = tree.entries(tree.resolve(MDEVS))
    except FileNotFoundError:
        return
    except OSError as error:
        yield _fault(tree, MDEVS, sysfs_tree.reason(error))
        return
    for entry in listed:
        if entry not in known:
            yield from _stray(tree, f'{MDEVS}/{entry}', parents)


def _stray(
    tree: sysfs_tree.Tree, link: str, parents: cabc.Container[str]
) -> cabc.Iterator[model.Fault]:
    try:
        parent = os.path.dirname(tree.resolve(link))
    except OSError as error:
        if tree.exists(link):
            yield _fault(tree, link, sysfs_tree.reason(error))
        return
    if not sysfs_look.is_uuid(os.path.basename(link)):
        yield _fault(tree, link, 'its name is not a uuid in lower case')
    elif parent not in parents:
        # One on a parent that was read is merely newer than that look.
        yield _fault(tree, link, f'its parent {parent!r} could not be read')


def _fault(tree: sysfs_tree.Tree, path: str, reason: str) -> model.Fault:
    return model.Fault(where=tree.where(path), reason=reason)
