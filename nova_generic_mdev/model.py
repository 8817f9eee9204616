# SPDX-License-Identifier: Apache-2.0
"""The nouns: what a host has, and what can be wrong with it.

Frozen values, validated when made; a decision takes them and returns others.
Nothing here reads a host, a file or a clock.
"""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import enum
import types
import typing as ty

from nova_generic_mdev import exceptions
from nova_generic_mdev import names

# The kernel prints an ``unsigned int`` and Placement takes a signed 32 bit
# number: a count outside of both is nonsense, not a large count.
MAX_COUNT = 2**31 - 1
# The one device API of which a guest's device can be a display.
VFIO_PCI = 'vfio-pci'

_T = ty.TypeVar('_T')
_K = ty.TypeVar('_K', bound=str)
_V = ty.TypeVar('_V')
Attributes = tuple[tuple[str, str], ...]


@ty.dataclass_transform(
    frozen_default=True,
    kw_only_default=True,
    field_specifiers=(dataclasses.field,),
)
def value(cls: type[_T]) -> type[_T]:
    """Class decorator: a frozen dataclass with keyword-only fields."""
    return dataclasses.dataclass(frozen=True, kw_only=True, slots=True)(cls)


def count(field: str, number: int) -> int:
    """A number of devices, checked to be in 0 to 2**31 - 1."""
    if not 0 <= number <= MAX_COUNT:
        raise exceptions.InvalidValue(field, number, f'expected 0 to {MAX_COUNT}')
    return number


def check_uuid(text: str) -> None:
    """Refuse all spellings of a uuid but one: they are compared as they stand."""
    if names.uuid(text) != text:
        raise exceptions.InvalidName('uuid', text, 'expected it in lower case')


def freeze(values: cabc.Mapping[_K, _V]) -> cabc.Mapping[_K, _V]:
    """A read-only copy in the order of the keys: order never decides."""
    return types.MappingProxyType(dict(sorted(values.items())))


class Severity(enum.StrEnum):
    """How bad a problem is; an error makes ``config check`` exit 1.

    ``info`` is none: it is good to know.
    """

    ERROR = 'error'
    WARNING = 'warning'
    INFO = 'info'


@value
class Problem:
    """One thing wrong with the configuration, or with the host it names.

    :param fatal: nova-compute must refuse to start
    """

    severity: Severity
    group: str
    option: str
    problem: str
    remedy: str
    fatal: bool = False

    def __str__(self) -> str:
        where = f'[{self.group}] {self.option}'.strip() if self.group else ''
        return ': '.join(part for part in (where, self.problem) if part) + (
            f'; {self.remedy}'
        )


@value
class Fault:
    """One thing that could not be read from the host.

    :param where: the path, or the node device's name
    :param parent: the parent device concerned, where that is known
    :param mdev_type: the mdev type concerned, where it is one type's fault
    """

    where: str
    reason: str
    parent: str | None = None
    mdev_type: str | None = None


@value
class MdevType:
    """One mdev type of one parent (kernel ABI, sysfs-bus-vfio-mdev).

    :param available_instances: how many more the kernel says it could create
        now, or None where that could not be read
    :param device_api: ``vfio-pci``, ``vfio-ccw``, ``vfio-ap``; None: unreadable
    """

    id: str
    available_instances: int | None
    device_api: str | None = VFIO_PCI
    name: str | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        names.mdev_type(self.id)
        if self.available_instances is not None:
            count('available_instances', self.available_instances)


@value
class Parent:
    """A parent device: whatever registered with the kernel's mdev framework.

    :param name: its identity, libvirt's node-device name
    :param sysname: the kernel's name of it: ``0000:84:00.0``, ``mtty``
    :param subsystem: its bus or class: ``pci``, ``mtty``, ``css``, ``matrix``
    :param address: its PCI address, for a PCI device
    :param physical_device: the name of the physical function of a virtual
        function; its own name for any other device
    :param types: by mdev type id
    """

    name: str
    sysname: str
    subsystem: str
    types: cabc.Mapping[str, MdevType]
    physical_device: str = ''
    address: str | None = None
    numa_node: int | None = None
    driver: str | None = None

    def __post_init__(self) -> None:
        names.sysname(self.sysname)
        if self.address is not None:
            names.pci_address(self.address)
        if not self.physical_device:
            object.__setattr__(self, 'physical_device', self.name)
        object.__setattr__(self, 'types', freeze(self.types))


@value
class Mdev:
    """A live mediated device.

    :param mdev_type: None where the kernel did not tell
    """

    uuid: str
    parent: str
    mdev_type: str | None
    iommu_group: int | None = None

    def __post_init__(self) -> None:
        check_uuid(self.uuid)


@value
class Definition:
    """A persistent definition of an mdev, live or not (mdevctl's, by libvirt)."""

    uuid: str
    parent: str
    mdev_type: str
    attributes: Attributes = ()
    autostart: bool = False

    def __post_init__(self) -> None:
        check_uuid(self.uuid)


@value
class Guest:
    """A guest, as the XML of its domain tells of it (libvirt).

    :param uuid: the domain's; a server of Nova's has the server's
    :param mdevs: the uuids of those that it has, or will have when it starts
    """

    name: str
    uuid: str
    running: bool
    mdevs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_uuid(self.uuid)


@value
class HostSnapshot:
    """What a host had at one moment: all of it, or the parents asked for.

    :param parents: by name
    :param mdevs: live ones by uuid, on these parents
    :param definitions: persistent ones by uuid; empty where the source (sysfs)
        cannot tell
    :param faults: what could not be read; the rest is good
    :param duplicates: more with a uuid that is among the mdevs, or among the
        definitions, on other parents: mdevctl takes a uuid once for each parent
    """

    parents: cabc.Mapping[str, Parent]
    mdevs: cabc.Mapping[str, Mdev] = dataclasses.field(default_factory=dict)
    definitions: cabc.Mapping[str, Definition] = dataclasses.field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    duplicates: tuple[Mdev | Definition, ...] = ()

    def __post_init__(self) -> None:
        for field in ('parents', 'mdevs', 'definitions'):
            object.__setattr__(self, field, freeze(getattr(self, field)))
