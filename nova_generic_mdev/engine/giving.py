# SPDX-License-Identifier: Apache-2.0
"""One decided allocation, carried out: claim, act, or take all of it back."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import uuid as uuidlib

from oslo_log import log as logging

from nova_generic_mdev import allocation
from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import exceptions
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import model
from nova_generic_mdev import record

LOG = logging.getLogger(__name__)
# The backend that leaves nothing behind but what is live.
KEEPS_NOTHING = 'sysfs'


@model.value
class Device:
    """An mdev that a consumer has: what goes into its guest's XML."""

    uuid: str
    parent: str
    mdev_type: str
    origin: record.Origin


def consumer_lock(consumer: str) -> str:
    """The lock of whoever gives to a consumer or takes from it.

    By its last digits: there is no end of consumers, and each lock is a file.
    """
    return f'consumer-{consumer[-2:]}'


def undone_by(before: str | None, made: str) -> str:
    """What can remove all of an mdev that was made by one, and again by another.

    libvirt may be away when it comes back, and still have its definition.
    """
    return before if made == KEEPS_NOTHING and before is not None else made


def in_order(devices: cabc.Iterable[Device]) -> tuple[Device, ...]:
    """By parent, type and uuid: however they were made, they are told alike."""
    return tuple(sorted(devices, key=lambda d: (d.parent, d.mdev_type, d.uuid)))


def device_of(mdev: record.MdevRecord) -> Device:
    """The device that a record tells of."""
    return Device(
        uuid=mdev.uuid,
        parent=mdev.parent,
        mdev_type=mdev.mdev_type,
        origin=mdev.origin,
    )


class Giving:
    """The steps of one allocation, each with the device that comes of it.

    :param known: the record that the steps were decided on
    """

    def __init__(
        self,
        host: hostlib.Host,
        store: claimslib.ClaimStore,
        steps: cabc.Iterable[allocation.Step],
        known: record.Claims,
    ) -> None:
        self._host = host
        self._store = store
        self._known = known
        self._given = [(step, _device(step, known)) for step in steps]
        # What may be on the host through us, and must not be forgotten.
        self._tried: set[str] = set()
        # Which backend made what: only the host knows, and only afterwards.
        self._made: dict[str, str] = {}

    def carry_out(self, consumer: str, owner: record.Owner) -> tuple[Device, ...]:
        """All steps, or none of them: what fails undoes what came before it.

        :raises CapacityError: the kernel refused
        :raises ClaimsError: the record cannot be written
        :raises HostError: the host did not do as its kernel documents
        """
        with contextlib.ExitStack() as undo:
            self._claim(consumer, owner)
            undo.callback(self._unclaim)
            for step, device in self._given:
                if isinstance(step, allocation.Create):
                    self._create(step, device, undo)
            self._finish()
            undo.pop_all()
        given = (device for _, device in self._given)
        return in_order(given)

    def _claim(self, consumer: str, owner: record.Owner) -> None:
        """Write all that is to come, before any of it, in one transaction."""
        with self._store.transaction() as session:
            for step, device in self._given:
                if isinstance(step, allocation.Create) and not step.held:
                    session.add_mdev(_record(step, device))
                if not step.held:
                    session.add_claim(_claim_of(consumer, owner, step, device))
                elif isinstance(step, allocation.Create):
                    session.set_state(device.uuid, record.ClaimState.PENDING)

    def _create(
        self, step: allocation.Create, device: Device, undo: contextlib.ExitStack
    ) -> None:
        if not step.held:
            # Before the effect: one that fails halfway may leave something too.
            self._tried.add(device.uuid)
            undo.callback(self._remove, device.uuid)
        made = self._host.create(
            device.uuid, step.parent, step.mdev_type, step.attributes
        )
        before = self._known.mdevs.get(device.uuid)
        self._made[device.uuid] = undone_by(before.backend if before else None, made)

    def _finish(self) -> None:
        with self._store.transaction() as session:
            for _, device in self._given:
                session.set_state(device.uuid, record.ClaimState.READY)
            for uuid, backend in self._made.items():
                session.set_backend(uuid, backend)

    def _remove(self, uuid: str) -> None:
        try:
            self._host.remove(uuid, self._made.get(uuid))
        except exceptions.MdevError:
            LOG.exception(
                'mdev %s could not be removed while undoing; its record stays', uuid
            )
        else:
            self._tried.remove(uuid)

    def _unclaim(self) -> None:
        with self._store.transaction() as session:
            for step, device in self._given:
                if step.held:
                    continue
                if isinstance(step, allocation.Reuse) or device.uuid in self._tried:
                    # Known as ours, and nobody's: it can be removed later.
                    session.drop_claim(device.uuid)
                else:
                    session.drop_mdev(device.uuid)


def _device(step: allocation.Step, known: record.Claims) -> Device:
    uuid = step.uuid or str(uuidlib.uuid4())
    before = known.mdevs.get(uuid)
    return Device(
        uuid=uuid,
        parent=step.parent,
        mdev_type=step.mdev_type,
        origin=before.origin if before else record.Origin.CREATED,
    )


def _record(step: allocation.Create, device: Device) -> record.MdevRecord:
    return record.MdevRecord(
        uuid=device.uuid,
        parent=device.parent,
        mdev_type=device.mdev_type,
        origin=record.Origin.CREATED,
        attributes=step.attributes,
    )


def _claim_of(
    consumer: str, owner: record.Owner, step: allocation.Step, device: Device
) -> record.Claim:
    state = record.ClaimState
    is_new = isinstance(step, allocation.Create)
    return record.Claim(
        consumer=consumer,
        uuid=device.uuid,
        resource_class=step.resource_class,
        owner=owner,
        state=state.PENDING if is_new else state.READY,
    )
