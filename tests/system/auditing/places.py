# SPDX-License-Identifier: Apache-2.0
"""The parents of the machine, what is given of each, and servers that have some."""

from __future__ import annotations

import dataclasses
import re
import uuid


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """A parent, and what is given of it."""

    sysname: str
    parent: str
    mdev_type: str
    resource_class: str

    @property
    def types(self) -> str:
        """Where its types are."""
        return f'/sys/class/mdev_bus/{self.sysname}/mdev_supported_types'


MTTY = Place(
    sysname='mtty', parent='mtty_mtty', mdev_type='mtty-2', resource_class='CUSTOM_MTTY'
)
CARD = Place(
    sysname='0000:00:05.0', parent='pci_0000_00_05_0', mdev_type='mttypci-1',
    resource_class='CUSTOM_PORT',
)  # fmt: skip
OTHER_CARD = dataclasses.replace(
    CARD, sysname='0000:00:06.0', parent='pci_0000_00_06_0'
)
PAIRS = dataclasses.replace(CARD, mdev_type='mttypci-2', resource_class='CUSTOM_PAIR')
MDPY = Place(
    sysname='mdpy', parent='mdpy_mdpy', mdev_type='mdpy-vga',
    resource_class='CUSTOM_SCREEN',
)  # fmt: skip
MBOCHS = Place(
    sysname='mbochs', parent='mbochs_mbochs', mdev_type='mbochs-small',
    resource_class='CUSTOM_SMALL',
)  # fmt: skip


PLACES = (MTTY, CARD, OTHER_CARD, PAIRS, MDPY, MBOCHS)


def conf() -> str:
    """All of them configured, each type with a class of its own."""
    types: dict[str, list[Place]] = {}
    for place in PLACES:
        types.setdefault(place.mdev_type, []).append(place)
    groups = [f'[devices]\nenabled_mdev_types = {", ".join(types)}\n']
    for mdev_type, places in types.items():
        addresses = ', '.join(place.sysname for place in places)
        groups.append(
            f'[mdev_{mdev_type}]\ndevice_addresses = {addresses}\n'
            f'mdev_class = {places[0].resource_class}\n'
        )
    return '\n'.join(groups)


@dataclasses.dataclass(kw_only=True)
class Server:
    """A server with one mdev, which its guest has."""

    name: str
    place: Place
    consumer: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    mdev: str = ''

    @property
    def node_device(self) -> str:
        """What libvirt calls the mdev."""
        return re.sub('[^a-z0-9]', '_', f'mdev_{self.mdev}_{self.place.sysname}')

    @property
    def path(self) -> str:
        """The mdev in sysfs."""
        return f'/sys/bus/mdev/devices/{self.mdev}'
