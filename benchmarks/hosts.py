# SPDX-License-Identifier: Apache-2.0
"""The hosts that are measured: described once, for every driver."""

from __future__ import annotations

import dataclasses
import itertools
import uuid as uuidlib

from nova_generic_mdev import fixture
from nova_generic_mdev import model
from nova_generic_mdev import names

#: how many mdevs of each type a parent can have: eight have room for all of them
ROOM = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Size:
    """How large a host is.

    :param types: mdev types of each parent
    :param enabled: how many of them are enabled on each parent
    """

    parents: int
    types: int
    mdevs: int
    guests: int
    enabled: int = 1

    def __str__(self) -> str:
        return (
            f'P={self.parents} T={self.types} M={self.mdevs} G={self.guests}'
            f' E={self.enabled}'
        )


LARGE = Size(parents=256, types=1, mdevs=256, guests=256)
SMALL = Size(parents=8, types=1, mdevs=0, guests=0)
MANY_TYPES = dataclasses.replace(LARGE, types=16)
ALL_ENABLED = dataclasses.replace(MANY_TYPES, enabled=16)


def grid() -> list[Size]:
    """Every size that ``--all`` measures, one type enabled."""
    sizes = itertools.product((8, 64, 256), (1, 16), (0, 64, 256), (0, 64, 256))
    return [Size(parents=p, types=t, mdevs=m, guests=g) for p, t, m, g in sizes]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guest:
    """A guest, and the mdev that it has, if any."""

    name: str
    uuid: str
    mdev: str | None


class Described:
    """A host of PCI parents, as large as told; the mdevs are spread over them.

    The guests have the mdevs, one each, as far as there are both.  What is left
    of the mdevs is nobody's; what is left of the guests has none.
    """

    def __init__(self, size: Size) -> None:
        self.size = size
        self.types = [mdev_type(number) for number in range(size.types)]
        self.enabled = self.types[: size.enabled]
        self.host = fixture.FakeHost(
            *(_gpu(number, self.types) for number in range(size.parents))
        )
        self.parents = sorted(self.host.snapshot().parents)
        self.mdevs = [_uuid('d', number) for number in range(size.mdevs)]
        for number, uuid in enumerate(self.mdevs):
            parent = self.parents[number % size.parents]
            self.host.place(uuid, parent, self.enabled[0])
        self.guests = [
            Guest(
                name=f'instance-{number:08x}',
                uuid=_uuid('a', number),
                mdev=self.mdevs[number] if number < size.mdevs else None,
            )
            for number in range(size.guests)
        ]
        #: the whole of it, as every driver finds it
        self.snapshot = self.host.snapshot()


def resource_class(number: int) -> str:
    """The class of an enabled type: each has one of its own."""
    return 'VGPU' if number == 0 else f'CUSTOM_T{number}'


def mdev_type(number: int) -> str:
    """The name of a type, by its number."""
    return f'nvidia-{number + 1}'


def consumer(number: int) -> str:
    """The uuid of a consumer that asks for an mdev."""
    return _uuid('c', number)


def address(number: int) -> str:
    """The PCI address of a parent, by its number."""
    bus, slot = divmod(number, 32)
    return f'0000:{0x80 + bus:02x}:{slot:02x}.0'


def _uuid(kind: str, number: int) -> str:
    # The last digits differ most, and so do the locks that are called after them.
    digits = f'{kind}{0:019x}{number:012x}'
    return str(uuidlib.UUID(digits, version=4))


def _gpu(number: int, types: list[str]) -> fixture.Device:
    told = {
        name: model.MdevType(
            id=name,
            available_instances=None,
            name=f'GRID {name}',
            description=f'num_heads=2, framebuffer=512M, max_instance={ROOM}',
        )
        for name in types
    }
    parent = model.Parent(
        name=names.node_device('pci', address(number)),
        sysname=address(number),
        subsystem='pci',
        types=told,
        address=address(number),
        numa_node=number % 2,
        driver='nvidia',
    )
    pool = fixture.Independent(counts=dict.fromkeys(types, ROOM))
    return fixture.Device(pool=pool, parents=(parent,))
