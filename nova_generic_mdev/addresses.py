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


class Meaning:
    """What all addresses of one rule mean.

    :ivar named: the parents that are there, by an address
    :ivar fitting: the same, by a pattern
    """

    def __init__(
        self,
        addresses: tuple[str, ...],
        called: cabc.Mapping[str, cabc.Sequence[str]],
        able: cabc.Collection[model.Parent],
    ) -> None:
        self._addresses = addresses
        self._called = called
        self._able = able
        known, patterns = _told_apart(addresses)
        # However many addresses mean others, these cost the same.
        here = known & called.keys()
        self.named = frozenset(name for key in here for name in called[key])
        self.fitting = frozenset(p.name for p in able if _fits_any(patterns, p))

    @functools.cached_property
    def absent(self) -> tuple[str, ...]:
        """The addresses and patterns that mean nothing now, in their order."""
        return tuple(
            address
            for address in dict.fromkeys(self._addresses)
            if _spelling(address) not in self._called
            and not any(_fits(address, parent) for parent in self._able)
        )

    @property
    def names(self) -> frozenset[str]:
        """What is named, there or not; what is not is called by its address."""
        known, _ = _told_apart(self._addresses)
        return self.named | (known - self._called.keys())


class Book:
    """The parents that are there, by all that an address may call them."""

    def __init__(self, parents: cabc.Iterable[model.Parent]) -> None:
        self._parents = tuple(parents)
        self._called: dict[str, list[str]] = {}
        for parent in self._parents:
            for spelling in _spellings(parent):
                self._called.setdefault(spelling, []).append(parent.name)

    def look_up(self, addresses: tuple[str, ...], able: cabc.Container[str]) -> Meaning:
        """What addresses mean here.

        :param able: names of the parents that a pattern picks out of
        """
        candidates = [p for p in self._parents if p.name in able]
        return Meaning(addresses, self._called, candidates)


@functools.lru_cache(maxsize=256)
def _told_apart(addresses: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    """The spellings of the addresses, and the patterns."""
    patterns = tuple(filter(names.is_pattern, addresses))
    known = (a for a in addresses if not names.is_pattern(a))
    return frozenset(map(_spelling, known)), patterns


def parents_at(
    address: str, parents: cabc.Iterable[model.Parent]
) -> tuple[model.Parent, ...]:
    """The parents that one element of ``device_addresses`` is, or fits."""
    key = _spelling(address)
    return tuple(p for p in parents if key in _spellings(p) or _fits(address, p))


def _spellings(parent: model.Parent) -> frozenset[str]:
    return _spellings_of(parent.name, parent.sysname, parent.address)


@functools.lru_cache(maxsize=4096)
def _spellings_of(*called: str | None) -> frozenset[str]:
    return frozenset(_spelling(name) for name in called if name)


@functools.lru_cache(maxsize=4096)
def _spelling(address: str) -> str:
    """One spelling for the forms and cases of a PCI address; others as they are."""
    pci = names.pci_address_of(address)
    if pci is None and names.is_pci_address(address):
        pci = names.pci_address(address)
    return address if pci is None else names.node_device('pci', pci)


def _fits_any(patterns: cabc.Iterable[str], parent: model.Parent) -> bool:
    return any(_fits(pattern, parent) for pattern in patterns)


def _fits(pattern: str, parent: model.Parent) -> bool:
    if not names.is_pattern(pattern):
        return False
    address = parent.address
    # A PCI address is compared in lower case, in a pattern too.
    if address is not None and fnmatch.fnmatchcase(address, pattern.lower()):
        return True
    return any(fnmatch.fnmatchcase(n, pattern) for n in (parent.sysname, parent.name))
