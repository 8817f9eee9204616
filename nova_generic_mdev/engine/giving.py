# SPDX-License-Identifier: Apache-2.0
"""What was decided to be a consumer's, carried out: claim, act, or undo all of it."""

from __future__ import annotations

import collections.abc as cabc
import contextlib

from oslo_log import log as logging

from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import exceptions
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import model
from nova_generic_mdev import record
from nova_generic_mdev.engine import telling

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


@model.value
class Gift:
    """One mdev that a consumer gets.

    :param known: how it is recorded from now on
    :param resource_class: what it was promised as; empty: as a device
    :param make: whether it has to be made
    :param held: whether the consumer has the claim already
    :param why: why this one
    """

    known: record.MdevRecord
    resource_class: str
    make: bool
    held: bool
    why: str = ''

    @property
    def outcome(self) -> str:
        """What was done, in a word or two."""
        if self.make:
            return 'made again' if self.held else 'created'
        return 'kept' if self.held else 'reused'

    @property
    def uuid(self) -> str:
        """The mdev's."""
        return self.known.uuid


def undone_by(before: str | None, made: str) -> str:
    """What can remove all of an mdev that was made by one, and again by another.

    libvirt may be away when it comes back, and still have its definition.
    """
    return before if made == KEEPS_NOTHING and before is not None else made


def begin_again(session: claimslib.Session, before: record.Claims, uuid: str) -> None:
    """Note that a claimed mdev is being made again, before it is.

    Until it is known what makes it this time, all ways are undone.
    """
    if before.claims[uuid].state is record.ClaimState.READY:
        session.set_state(uuid, record.ClaimState.LOST)
    if before.mdevs[uuid].backend == KEEPS_NOTHING:
        session.set_backend(uuid, None)


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
    """All that one consumer gets at once.

    :param before: the record that it was decided on
    """

    def __init__(
        self,
        host: hostlib.Host,
        store: claimslib.ClaimStore,
        gifts: cabc.Collection[Gift],
        before: record.Claims,
    ) -> None:
        self._host = host
        self._store = store
        self._before = before
        self._gifts = gifts
        # What may be on the host through us, and must not be forgotten.
        self._tried: set[str] = set()
        # Which backend made what: only the host knows, and only afterwards.
        self._made: dict[str, str] = {}

    def carry_out(
        self, consumer: str, owner: record.Owner, migration: str | None = None
    ) -> tuple[Device, ...]:
        """All of it, or nothing: what fails undoes what came before it.

        :param migration: the live migration that brings the consumer, for new
            claims
        :raises CapacityError: the kernel refused
        :raises ClaimsError: the record cannot be written
        :raises HostError: the host did not do as its kernel documents
        """
        with contextlib.ExitStack() as undo:
            self._claim(consumer, owner, migration)
            undo.callback(self._unclaim, owner)
            for gift in self._gifts:
                if gift.make:
                    self._create(gift, undo)
            self._finish()
            undo.pop_all()
        for gift in self._gifts:
            telling.decided(gift.outcome, gift.known, consumer, gift.why)
        return in_order(device_of(gift.known) for gift in self._gifts)

    def _claim(self, consumer: str, owner: record.Owner, migration: str | None) -> None:
        """Write all that is to come, before any of it, in one transaction.

        What needs nothing to be done waits for what does: it is all or nothing.
        """
        is_all = not any(gift.make for gift in self._gifts)
        new = record.ClaimState.READY if is_all else record.ClaimState.PENDING
        with self._store.transaction() as session:
            for gift in self._gifts:
                if gift.known != self._before.mdevs.get(gift.uuid):
                    session.put_mdev(gift.known)
                if not gift.held:
                    session.add_claim(
                        record.Claim(
                            consumer=consumer,
                            uuid=gift.uuid,
                            resource_class=gift.resource_class,
                            owner=owner,
                            state=new,
                            migration=migration,
                        )
                    )
                elif gift.make:
                    begin_again(session, self._before, gift.uuid)

    def _create(self, gift: Gift, undo: contextlib.ExitStack) -> None:
        if not gift.held:
            # Before the effect: one that fails halfway may leave something too.
            self._tried.add(gift.uuid)
            undo.callback(self._remove, gift.known)
        known = gift.known
        made = self._host.create(
            known.uuid, known.parent, known.mdev_type, known.attributes
        )
        self._made[gift.uuid] = undone_by(known.backend, made)

    def _finish(self) -> None:
        with self._store.transaction() as session:
            for gift in self._gifts:
                session.set_state(gift.uuid, record.ClaimState.READY)
            for uuid, backend in self._made.items():
                session.set_backend(uuid, backend)

    def _remove(self, known: record.MdevRecord) -> None:
        uuid = known.uuid
        try:
            self._host.remove(uuid, self._made.get(uuid), known.parent)
        except exceptions.MdevError as e:
            LOG.warning(
                'mdev %s could not be removed while undoing; its record stays, and '
                'what recovers tries again: %s',
                uuid,
                e,
            )
        else:
            self._tried.remove(uuid)

    def _unclaim(self, owner: record.Owner) -> None:
        with self._store.transaction() as session:
            for gift in self._gifts:
                if not gift.held:
                    self._take_back(gift.uuid, owner, session)

    def _take_back(
        self, uuid: str, owner: record.Owner, session: claimslib.Session
    ) -> None:
        before = self._before.mdevs.get(uuid)
        if uuid not in self._tried and before is None:
            session.drop_mdev(uuid)
        elif uuid not in self._tried and before is not None:
            session.drop_claim(uuid)
            session.put_mdev(before)
        elif owner is not record.Owner.ACCELERATOR:
            # Known as ours, and nobody's: it can be removed later.  So can one
            # for an accelerator, by its claim: nobody else may have it.
            session.drop_claim(uuid)
