# SPDX-License-Identifier: Apache-2.0
"""What is durably known of mdevs, and whose they are: the nouns of claims.

The values only; :mod:`~nova_generic_mdev.claims` keeps them in a file.
"""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import enum

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names


class Origin(enum.StrEnum):
    """Who made an mdev, and so whose it is to remove: ours is what we created.

    * ``created``: we did; it is removed on release, unless it is to be kept;
    * ``found``: it was there at the first start; it is handed out, never removed;
    * ``foreign``: another service did, Cyborg say, or named it; it is never
      handed out, never removed and never forgotten.
    """

    CREATED = 'created'
    FOUND = 'found'
    FOREIGN = 'foreign'


class Owner(enum.StrEnum):
    """Whose consumer holds a claim: Placement's, the command line's, Cyborg's."""

    PLACEMENT = 'placement'
    CLI = 'cli'
    ACCELERATOR = 'accelerator'


class ClaimState(enum.StrEnum):
    """How far a claim is.

    * ``pending``: not all is done that was to be given with it, so whoever gives
      was ended if nobody is at it: it is taken back;
    * ``ready``: it was given;
    * ``lost``: it was given, its mdev was gone, and is being made again.
    """

    PENDING = 'pending'
    READY = 'ready'
    LOST = 'lost'


@model.value
class MdevRecord:
    """What is durably known of one mdev, live or not.

    :param backend: what made it, ``sysfs`` or ``libvirt``; None where we did not
    """

    uuid: str
    parent: str
    mdev_type: str
    origin: Origin
    attributes: model.Attributes = ()
    backend: str | None = None

    def __post_init__(self) -> None:
        model.check_uuid(self.uuid)
        names.mdev_type(self.mdev_type)

    @property
    def was_made(self) -> bool:
        """Whether it was ever there with all that it has, as far as we know.

        What made it is noted then; what we did not make we leave as it is.
        """
        return self.origin is not Origin.CREATED or self.backend is not None

    @property
    def is_whole(self) -> bool:
        """Whether it lacks nothing, where it is there; one that was adopted is so."""
        return self.was_made or not self.attributes

    def is_live(self, mdevs: cabc.Mapping[str, model.Mdev]) -> bool:
        """Whether it is there as it was recorded, as far as the kernel tells.

        A uuid that is live as something else is somebody else's mdev.
        """
        live = mdevs.get(self.uuid)
        return (
            live is not None
            and live.parent == self.parent
            and live.mdev_type in (self.mdev_type, None)
        )


@model.value
class Claim:
    """This mdev is this consumer's.

    :param consumer: uuid of Placement's consumer: an instance or a migration
    :param resource_class: what the consumer was promised; kept here because
        the configuration may change while the claim lives; empty for an
        accelerator's, which was promised a device and not a class
    :param migration: uuid of the live migration that brings the consumer here;
        None once it is here
    """

    consumer: str
    uuid: str
    resource_class: str
    owner: Owner = Owner.PLACEMENT
    state: ClaimState = ClaimState.READY
    migration: str | None = None

    def __post_init__(self) -> None:
        model.check_uuid(self.consumer)
        model.check_uuid(self.uuid)
        if self.migration is not None:
            model.check_uuid(self.migration)


@model.value
class Claims:
    """The record as it was at one moment.

    :param mdevs: records by mdev uuid
    :param claims: by mdev uuid; each is of a recorded mdev
    :param drained: the parents on which nothing new is to land, there or not
    """

    mdevs: cabc.Mapping[str, MdevRecord] = dataclasses.field(default_factory=dict)
    claims: cabc.Mapping[str, Claim] = dataclasses.field(default_factory=dict)
    drained: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for uuid in self.claims:
            if uuid not in self.mdevs:
                raise exceptions.InvalidValue('claim', uuid, 'no such mdev is recorded')
        object.__setattr__(self, 'mdevs', model.freeze(self.mdevs))
        object.__setattr__(self, 'claims', model.freeze(self.claims))

    def is_begun(self, uuid: str) -> bool:
        """Whether the making of a claimed mdev may have been cut short.

        Then it may be there, and lack what making it again completes.
        """
        state, is_new = self.claims[uuid].state, not self.mdevs[uuid].was_made
        return state is ClaimState.LOST or (state is ClaimState.PENDING and is_new)

    def of(self, consumer: str) -> tuple[Claim, ...]:
        """All claims of one consumer, in the order of the mdevs' uuids."""
        return tuple(c for c in self.claims.values() if c.consumer == consumer)


@model.value
class Scope:
    """The part of the record that one decision needs, however large the host.

    Which parents are drained belongs to every part.

    :param parents: all that is on these parents
    :param mdev_types: all that is of these types, wherever it is
    :param consumer: all that this consumer holds
    :param mdevs: these, by uuid
    """

    parents: frozenset[str] = frozenset()
    mdev_types: frozenset[str] = frozenset()
    consumer: str | None = None
    mdevs: frozenset[str] = frozenset()


def all_found(
    snapshot: model.HostSnapshot, assigned: cabc.Collection[str] = ()
) -> Claims:
    """The record of a host that has none yet: all that is live was ``found``.

    :param assigned: mdevs that have a user nobody told us of; they are left out
    """
    records = (
        MdevRecord(
            uuid=mdev.uuid,
            parent=mdev.parent,
            mdev_type=mdev.mdev_type,
            origin=Origin.FOUND,
        )
        for mdev in snapshot.mdevs.values()
        if mdev.mdev_type is not None and mdev.uuid not in assigned
    )
    return Claims(mdevs={record.uuid: record for record in records})
