# SPDX-License-Identifier: Apache-2.0
"""What an operator says of the hosts, and sees of them."""

from __future__ import annotations

from typing import Any

from tests.cloud import catalogue
from tests.cloud import place as places
from tests.cloud import settings

# Two types share one parent; two parents have the same types; one is no PCI device.
TYPES = """\
[devices]
enabled_mdev_types = mtty-1, mtty-2, mttypci-1, mdpy-vga

[mdev_mtty-1]
device_addresses = mtty
mdev_class = mtty

[mdev_mtty-2]
device_addresses = mtty
mdev_class = mtty_dual

[mdev_mttypci-1]
device_addresses = 0000:00:05.0, 0000:00:06.0
mdev_class = mtty_pci
traits = CUSTOM_ON_PCI

[mdev_mdpy-vga]
device_addresses = mdpy
mdev_class = vgpu
"""
_API = {'OpenStack-API-Version': 'placement 1.39'}


class Placement:
    """What Placement says, in an operator's name."""

    def __init__(self, place: places.Place) -> None:
        self._cloud = catalogue.connect(place, settings.ADMIN)

    def get(self, path: str) -> dict[str, Any]:
        """One answer."""
        response = self._cloud.placement.get(path, headers=_API)
        response.raise_for_status()
        told: dict[str, Any] = response.json()
        return told

    def providers(self, host: str) -> dict[str, str]:
        """The uuids of a host's providers, by their names."""
        roots = self.get(f'/resource_providers?name={host}')['resource_providers']
        if not roots:
            return {}
        told = self.get(f'/resource_providers?in_tree={roots[0]["uuid"]}')
        return {one['name']: one['uuid'] for one in told['resource_providers']}

    def offers(self, host: str) -> bool:
        """Whether it has a host with processors, and with parents."""
        providers = self.providers(host)
        if host not in providers or len(providers) == 1:
            return False
        return 'VCPU' in self.inventories(providers[host])

    def inventories(self, uuid: str) -> dict[str, dict[str, int]]:
        """A provider's inventories, by class."""
        told: dict[str, dict[str, int]] = self.get(
            f'/resource_providers/{uuid}/inventories'
        )['inventories']
        return told
