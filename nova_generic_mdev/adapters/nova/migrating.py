# SPDX-License-Identifier: Apache-2.0
"""The driver's part about live migration.

The types of the source's mdevs come with Nova's data, and the pairs go back, as
Nova's own driver has it: a host that runs that driver can be the other end.
"""

from __future__ import annotations

import collections
import typing as ty

from nova import exception
from oslo_log import log as logging

from nova_generic_mdev import migration as migrationlib
from nova_generic_mdev.adapters.nova import base
from nova_generic_mdev.adapters.nova import errors
from nova_generic_mdev.adapters.nova import situations

LOG = logging.getLogger(__name__)


class Migrations(base.Base):
    """Claims at the destination come before the guest, and go with whoever ends."""

    def check_source_migrate_data_at_dest(
        self,
        ctxt: ty.Any,
        instance: ty.Any,
        migrate_data: ty.Any,
        migration: ty.Any,
        limits: ty.Any,
        allocs: ty.Any,
    ) -> ty.Any:
        """Claim what the guest will have here, and pair it with what it has there.

        :raises MigrationPreCheckError: they cannot be paired; nothing is claimed
        """
        sources = _sources(migrate_data)
        if sources and self._mdevs.is_active:
            self._refuse_unpaired(instance, sources, allocs)
        comes_by = migration.uuid if migration else None
        with self._operation('live migration', instance, comes_by):
            data = super().check_source_migrate_data_at_dest(
                ctxt, instance, migrate_data, migration, limits, allocs
            )
            claimed = self._mdevs.claimed(instance.uuid)
            if sources and claimed:
                targets = {device.uuid: device.mdev_type for device in claimed}
                with errors.as_novas():
                    data.target_mdevs = dict(migrationlib.pair(sources, targets))
                # Durable by now; what stays in memory nobody would ever take back.
                self.instance_claimed_mdevs.pop(instance.uuid, None)
        return data

    def _refuse_unpaired(
        self, instance: ty.Any, sources: dict[str, str], allocs: ty.Any
    ) -> None:
        """Compare types before anything is claimed."""
        if set(sources.values()) - set(self.supported_vgpu_types):
            return  # Nova's own check, which comes next, says which.
        promised = self._promised(instance, allocs)
        offered = collections.Counter(self._mdevs.types_of(promised))
        needed = collections.Counter(sources.values())
        if needed - offered:
            raise exception.MigrationPreCheckError(
                reason=f'Unable to migrate {instance.uuid}: its mdevs are of types '
                f'{dict(needed)}, and what Placement allocated for it here is of '
                f'{dict(offered)}; a trait CUSTOM_MDEV_TYPE_... in its flavor makes '
                'the scheduler choose a parent device of the same type'
            )

    def post_live_migration_at_source(
        self, context: ty.Any, instance: ty.Any, network_info: ty.Any
    ) -> None:
        """The guest runs elsewhere: what it had here is free."""
        with self._ending(situations.Call.POST_AT_SOURCE, instance, context):
            super().post_live_migration_at_source(context, instance, network_info)

    def post_live_migration_at_destination(
        self, context: ty.Any, instance: ty.Any, *args: ty.Any, **kwargs: ty.Any
    ) -> None:
        """The guest runs here: its claims are like any other's."""
        super().post_live_migration_at_destination(context, instance, *args, **kwargs)
        self._mdevs.arrive(instance.uuid)

    def rollback_live_migration_at_destination(
        self, context: ty.Any, instance: ty.Any, *args: ty.Any, **kwargs: ty.Any
    ) -> None:
        """The guest stays where it is: what was claimed for it here is free."""
        call = situations.Call.ROLLBACK_AT_DESTINATION
        with self._ending(call, instance, context):
            super().rollback_live_migration_at_destination(
                context, instance, *args, **kwargs
            )


def _sources(migrate_data: ty.Any) -> dict[str, str]:
    """The types of the source's mdevs, by uuid."""
    if 'source_mdev_types' not in migrate_data:
        return {}
    return dict(migrate_data.source_mdev_types or {})
