# SPDX-License-Identifier: Apache-2.0
"""Which parents the elements of ``device_addresses`` mean.

An element is a PCI address in any case, a sysfs name, a node-device name, or a
shell pattern.  A name means that one parent, whatever it supports; a pattern
picks, as a default does, out of those that support the type.
"""

from __future__ import annotations

import collections.abc as cabc
import fnmatch
import functools

from nova_generic_mdev import model
from nova_generic_mdev import names


@model.value
class Meaning:
    """What all addresses of one rule mean.

    :param named: parents, by an address; one that is not there is called by the
        address itself
    :param fitting: parents, by a pattern
    :param absent: the addresses and patterns that mean nothing now
    """

    named: frozenset[str]
    fitting: frozenset[str]
    absent: tuple[str, ...]


class Book:
    """The parents that are there, by all that an address may call them."""

    def __init__(self, parents: cabc.Iterable[model.Parent]) -> None:
        self._parents = tuple(parents)
        self._names: dict[str, list[str]] = {}
        for parent in self._parents:
            for spelling in _spellings(parent):
                self._names.setdefault(spelling, []).append(parent.name)

    def look_up(
        self, addresses: cabc.Iterable[str], able: cabc.Collection[str]
    ) -> Meaning:
        """What addresses mean here.

        :param able: names of the parents that a pattern picks out of
        """
        named: set[str] = set()
        fitting: set[str] = set()
        absent = []
        candidates = [p for p in self._parents if p.name in able]
        for address in dict.fromkeys(addresses):
            if names.is_pattern(address):
                found = [p.name for p in candidates if _fits(address, p)]
                fitting.update(found)
            else:
                key = _spelling(address)
                found = self._names.get(key, [])
                named.update(found or [key])
            if not found:
                absent.append(address)
        return Meaning(
            named=frozenset(named), fitting=frozenset(fitting), absent=tuple(absent)
        )


def parents_at(
    address: str, parents: cabc.Iterable[model.Parent]
) -> tuple[model.Parent, ...]:
    """The parents that one element of ``device_addresses`` is, or fits."""
    key = _spelling(address)
    return tuple(p for p in parents if key in _spellings(p) or _fits(address, p))


def _spellings(parent: model.Parent) -> set[str]:
    known = (parent.name, parent.sysname, parent.address)
    return {_spelling(name) for name in known if name}


@functools.lru_cache(maxsize=4096)
def _spelling(address: str) -> str:
    """One spelling for the forms and cases of a PCI address; others as they are."""
    pci = names.pci_address_of(address)
    if pci is None and names.is_pci_address(address):
        pci = names.pci_address(address)
    return address if pci is None else names.node_device('pci', pci)


def _fits(pattern: str, parent: model.Parent) -> bool:
    if not names.is_pattern(pattern):
        return False
    address = parent.address
    # A PCI address is compared in lower case, in a pattern too.
    if address is not None and fnmatch.fnmatchcase(address, pattern.lower()):
        return True
    return any(fnmatch.fnmatchcase(n, pattern) for n in (parent.sysname, parent.name))
