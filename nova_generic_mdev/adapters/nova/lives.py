# SPDX-License-Identifier: Apache-2.0
"""The driver's part about a guest's life: when it gets its mdevs, when they go."""

from __future__ import annotations

import typing as ty

from nova_generic_mdev.adapters.nova import base
from nova_generic_mdev.adapters.nova import situations


class Lives(base.Base):
    """Claims follow Nova's operations; see :mod:`~.lifecycle` for the ends."""

    def spawn(
        self, context: ty.Any, instance: ty.Any, *args: ty.Any, **kwargs: ty.Any
    ) -> None:
        """Boot a guest: a new one, a rebuilt one, one that comes from elsewhere."""
        with self._operation('spawn', instance):
            super().spawn(context, instance, *args, **kwargs)

    def _hard_reboot(
        self, context: ty.Any, instance: ty.Any, *args: ty.Any, **kwargs: ty.Any
    ) -> None:
        """Make a guest anew: also for a start, or when the host has booted."""
        with self._operation('hard reboot', instance):
            super()._hard_reboot(context, instance, *args, **kwargs)

    def rescue(
        self, context: ty.Any, instance: ty.Any, *args: ty.Any, **kwargs: ty.Any
    ) -> None:
        """Boot the guest from another image, with its devices."""
        with self._operation('rescue', instance):
            super().rescue(context, instance, *args, **kwargs)

    def migrate_disk_and_power_off(
        self, context: ty.Any, instance: ty.Any, *args: ty.Any, **kwargs: ty.Any
    ) -> str:
        """Leave for another host, or for another flavor on this one.

        What the instance has here is held by the migration from now on, as in
        Placement; if it cannot leave, it has it again.
        """
        leave = super().migrate_disk_and_power_off
        self._settle(instance)
        if not self._mdevs.claimed(instance.uuid):
            return str(leave(context, instance, *args, **kwargs))
        migration = self._migration_of(context, instance)
        if migration is None:
            return str(leave(context, instance, *args, **kwargs))
        self._mdevs.rekey(instance.uuid, migration.uuid)
        try:
            return str(leave(context, instance, *args, **kwargs))
        except Exception:
            self._follow(migration.uuid, instance.uuid)
            raise

    def finish_migration(
        self,
        context: ty.Any,
        migration: ty.Any,
        instance: ty.Any,
        *args: ty.Any,
        **kwargs: ty.Any,
    ) -> None:
        """Arrive, on this host or in the new flavor."""
        with self._operation('finish migration', instance):
            super().finish_migration(context, migration, instance, *args, **kwargs)

    def finish_revert_migration(
        self,
        context: ty.Any,
        instance: ty.Any,
        network_info: ty.Any,
        migration: ty.Any,
        *args: ty.Any,
        **kwargs: ty.Any,
    ) -> None:
        """Come back: what the migration held is the instance's again."""
        if self._mdevs.is_active:
            self._mdevs.rekey(migration.uuid, instance.uuid)
        with self._operation('revert', instance):
            super().finish_revert_migration(
                context, instance, network_info, migration, *args, **kwargs
            )

    def confirm_migration(
        self, context: ty.Any, migration: ty.Any, instance: ty.Any, network_info: ty.Any
    ) -> None:
        """The guest that was left here is gone for good."""
        call = situations.Call.CONFIRM_MIGRATION
        with self._ending(call, instance, context, migration=migration):
            super().confirm_migration(context, migration, instance, network_info)

    def cleanup(
        self, context: ty.Any, instance: ty.Any, *args: ty.Any, **kwargs: ty.Any
    ) -> None:
        """Remove what a guest that has ended left, for now or for good.

        Nova's ``destroy`` ends with this.
        """
        data = kwargs.get('migrate_data')
        call = situations.Call.CLEANUP
        with self._ending(call, instance, context, migrate_data=data):
            super().cleanup(context, instance, *args, **kwargs)

    def cleanup_lingering_instance_resources(self, instance: ty.Any) -> ty.Any:
        """Forget an instance that was deleted while it moved."""
        with self._ending(situations.Call.CLEANUP_LINGERING, instance):
            return super().cleanup_lingering_instance_resources(instance)
