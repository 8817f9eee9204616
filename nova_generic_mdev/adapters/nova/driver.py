# SPDX-License-Identifier: Apache-2.0
"""Nova's libvirt driver, with mediated devices by the engine.

``compute_driver = generic_mdev.GenericMdevDriver``.  A thin subclass: each
override says to Nova's own method what this project has to say, and no more.
Where no type is enabled, on a host that never had one, it is Nova's driver.

=============  =========================================================
part           what Nova asks of it
=============  =========================================================
`inventories`  the periodic update of providers, inventories and traits
`guests`       which mdevs a guest has, and how its XML names them
`lives`        when a guest gets its mdevs, and when they are taken back
`migrating`    live migration
`legacy`       the configuration, as Nova's own helpers keep it
=============  =========================================================
"""

from __future__ import annotations

import typing as ty

from nova_generic_mdev.adapters.nova import guests
from nova_generic_mdev.adapters.nova import inventories
from nova_generic_mdev.adapters.nova import legacy
from nova_generic_mdev.adapters.nova import lives
from nova_generic_mdev.adapters.nova import migrating
from nova_generic_mdev.adapters.nova import options

# Before Nova's manager asks for the options of the enabled types.
options.take_over()


class GenericMdevDriver(
    inventories.Inventories,
    guests.Guests,
    lives.Lives,
    migrating.Migrations,
    legacy.Legacy,
):
    """The compute driver; see ``doc/source/admin/nova.rst``."""

    def init_host(self, host: str) -> None:
        """Start: refuse what cannot work, bring back what is claimed, adopt.

        :param host: what Nova calls this compute service
        :raises InvalidConfiguration: with everything that is wrong
        """
        self._my_host = host
        is_active = self._mdevs.is_active
        super().init_host(host)
        if is_active:
            self._mdevs.start()
            self._upkeep.start()

    def get_available_resource(self, nodename: str) -> ty.Any:
        """What the host has: the first that Nova asks in its periodic update.

        It holds no lock of its own yet, and what is released now is offered by
        the same update.
        """
        if self._mdevs.is_active:
            self._upkeep.periodic()
        return super().get_available_resource(nodename)

    def _allocate_mdevs(self, allocations: ty.Any) -> ty.Any:
        """The mdevs of the instance that this thread is about.

        Of a thread that is about none it is Nova's own way: nobody in Nova asks so.
        Before 34 that answers None where there is nothing to allocate.
        """
        operation = self._operations.current()
        if operation is None or not self._mdevs.is_active:
            return super()._allocate_mdevs(allocations)
        return self._serve(operation, allocations)
