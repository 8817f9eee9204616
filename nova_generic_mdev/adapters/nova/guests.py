# SPDX-License-Identifier: Apache-2.0
"""The driver's part about guests: which mdevs, and how their XML names them."""

from __future__ import annotations

import collections.abc as cabc
import typing as ty

from nova.virt.libvirt import config as vconfig
from oslo_log import log as logging

from nova_generic_mdev.adapters.nova import accelerators
from nova_generic_mdev.adapters.nova import base
from nova_generic_mdev.adapters.nova import errors
from nova_generic_mdev.adapters.nova import operations

LOG = logging.getLogger(__name__)


class Hostdev(vconfig.LibvirtConfigGuestHostdevMDEV):  # type: ignore[misc]
    """Nova's ``<hostdev>`` of an mdev, with a display where that is configured.

    Source: libvirt's ``domaincommon.rng``, ``hostdevsubsysmdev``.
    """

    display: bool | None = None
    ramfb: bool | None = None

    def format_dom(self) -> ty.Any:
        """The element, with what Nova's has no attributes for."""
        element = super().format_dom()
        for name in ('display', 'ramfb'):
            wanted = getattr(self, name)
            if wanted is not None:
                element.set(name, 'on' if wanted else 'off')
        return element


class Guests(base.Base):
    """Every guest has the mdevs that its instance has claimed, and no other's."""

    def _get_guest_xml(
        self, context: ty.Any, instance: ty.Any, *args: ty.Any, **kwargs: ty.Any
    ) -> str:
        """The guest's XML; the one place that knows instance, mdevs and context.

        :raises ComputeResourcesUnavailable: Placement promised what is not here
        """
        if not self._mdevs.is_active and not kwargs.get('accel_info'):
            return str(super()._get_guest_xml(context, instance, *args, **kwargs))
        given = list(kwargs.pop('mdevs', None) or ())
        accel_info = kwargs.pop('accel_info', None)
        given += self._missing_accelerators(instance, accel_info, given)
        kwargs['mdevs'] = self._complete(context, instance, given)
        if accel_info is not None:
            kwargs['accel_info'] = accelerators.others(accel_info)
        return str(super()._get_guest_xml(context, instance, *args, **kwargs))

    def _complete(
        self, context: ty.Any, instance: ty.Any, given: list[str]
    ) -> list[str]:
        """All mdevs of an instance: what it claimed, and who else's it was given."""
        operation = self._operations.current(instance)
        if operation is not None and not operation.is_served:
            self._make_sure(context, operation)
        claimed = [device.uuid for device in self._mdevs.claimed(instance.uuid)]
        others = [uuid for uuid in given if uuid not in claimed]
        holders = self._mdevs.holders(others)
        for uuid in holders:
            # Of an XML that is older than the claim: a resize, say.
            LOG.info('mdev %s is not %s any more', uuid, instance.uuid)
        return [*claimed, *(uuid for uuid in others if uuid not in holders)]

    def _make_sure(self, context: ty.Any, operation: operations.Operation) -> None:
        """Give an instance what Placement says, also where its domain was lost.

        Nova's own code asks for the literal ``resources:VGPU`` alone.

        :raises ComputeResourcesUnavailable: it has less than its flavor asks for
        """
        instance = operation.instance
        if self._mdevs.asked(instance.flavor.extra_specs):
            told = self._placement.allocations_of(context, instance.uuid)
            self._serve(operation, told)

    def _allocate_cyborg_mdevs(self, accel_info: ty.Any) -> list[str]:
        """Make the mdevs of accelerator requests, for good and checked.

        Nova 34 asks for this by itself; of a thread that is about no instance it
        is Nova's own way.
        """
        operation = self._operations.current()
        if operation is None:
            return list(super()._allocate_cyborg_mdevs(accel_info))
        return self._accelerate(operation.instance, accel_info)

    def _accelerate(self, instance: ty.Any, accel_info: ty.Any) -> list[str]:
        with errors.as_novas():
            asked = accelerators.asks(accel_info)
        if asked:
            self._mdevs.accelerate(instance.uuid, asked)
        return [ask.uuid for ask in asked]

    def _missing_accelerators(
        self, instance: ty.Any, accel_info: ty.Any, given: cabc.Container[str]
    ) -> list[str]:
        """What Nova did not ask for: before 34 it does not at all."""
        with errors.as_novas():
            asked = accelerators.asks(accel_info)
        if all(ask.uuid in given for ask in asked):
            return []
        made = self._accelerate(instance, accel_info)
        return [uuid for uuid in made if uuid not in given]

    def _get_all_assigned_mediated_devices(
        self, instance: ty.Any = None
    ) -> dict[str, str]:
        """The consumer of each mdev that is claimed, or in a guest's XML.

        :param instance: only this one's
        """
        found = dict(super()._get_all_assigned_mediated_devices(instance))
        if not self._mdevs.is_active:
            return found
        if instance is not None:
            for device in self._mdevs.claimed(instance.uuid):
                found[device.uuid] = instance.uuid
            return found
        return {**found, **self._mdevs.placed()}

    def _get_mdev_types_from_uuids(
        self, mdev_uuids: cabc.Iterable[str]
    ) -> dict[str, str]:
        """The types of mdevs: ours are recorded, others libvirt tells."""
        asked = list(mdev_uuids)
        known = self._mdevs.recorded(asked)
        found = {uuid: mdev.mdev_type for uuid, mdev in known.items()}
        left = [uuid for uuid in asked if uuid not in found]
        if left or not found:
            found.update(super()._get_mdev_types_from_uuids(left))
        return found

    def _guest_add_mdevs(self, guest: ty.Any, chosen_mdevs: cabc.Sequence[str]) -> None:
        """Add the devices to a guest that is to be."""
        for device in self._hostdevs(guest.uuid, chosen_mdevs):
            guest.add_device(device)

    def _attach_mediated_devices(
        self, guest: ty.Any, devs: cabc.Iterable[ty.Any]
    ) -> None:
        """Give a guest that resumes its devices back, displays and all."""
        devices = self._hostdevs(guest.uuid, [device.uuid for device in devs])
        super()._attach_mediated_devices(guest, devices)

    def _hostdevs(
        self, consumer: str, uuids: cabc.Iterable[str]
    ) -> cabc.Iterator[Hostdev]:
        """The devices, each with the model that its ``device_api`` demands."""
        claimed = {device.uuid: device for device in self._mdevs.claimed(consumer)}
        with errors.as_novas():
            apis = self._mdevs.engine.apis(claimed.values()) if claimed else {}
        for uuid in uuids:
            device = Hostdev()
            device.uuid = uuid
            if uuid in claimed:
                rule = self._mdevs.rule(claimed[uuid].mdev_type)
                device.model = apis[uuid]
                device.display = rule.display if rule else None
                device.ramfb = rule.ramfb if rule else None
            yield device
