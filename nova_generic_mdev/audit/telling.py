# SPDX-License-Identifier: Apache-2.0
"""What each witness says of a thing, in words for people."""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import model
from nova_generic_mdev import record
from nova_generic_mdev.audit import facts as factslib
from nova_generic_mdev.audit.findings import Said

#: of a witness that was not asked, or could not be
UNKNOWN = '?'
NOTHING = 'nothing'


def of_mdev(facts: factslib.Facts, uuid: str) -> Said:
    """What they say of an mdev."""
    told = facts.told
    return Said(
        claims=_recorded(facts, uuid) if told.claims is not None else UNKNOWN,
        sysfs=_live(facts, uuid) if told.sysfs is not None else UNKNOWN,
        libvirt=_in_libvirt(facts, uuid) if told.libvirt is not None else UNKNOWN,
        placement=_allocated(facts, uuid),
    )


def of_consumer(facts: factslib.Facts, consumer: str) -> Said:
    """What they say of one of Placement's consumers."""
    told = facts.told
    guest = facts.guests.get(consumer)
    here = named(guest) if guest is not None else 'no guest'
    return Said(
        claims=amounts(facts.promised.get(consumer, {}))
        if told.claims is not None
        else UNKNOWN,
        libvirt=here if told.libvirt is not None else UNKNOWN,
        placement=amounts(facts.held.get(consumer, {}))
        if told.placement is not None
        else UNKNOWN,
    )


def amounts(counts: cabc.Mapping[tuple[str, str], int]) -> str:
    """``2 VGPU on mtty_mtty``."""
    told = (f'{n} {c} on {where}' for (where, c), n in sorted(counts.items()) if n)
    return ', '.join(told) or NOTHING


def named(guest: model.Guest) -> str:
    """A guest, and whether it runs."""
    return f'guest {guest.name} ({"running" if guest.running else "shut off"})'


def _recorded(facts: factslib.Facts, uuid: str) -> str:
    mdev = facts.claims.mdevs.get(uuid)
    if mdev is None:
        return 'not known'
    claim = facts.claims.claims.get(uuid)
    whose = _claimed(claim) if claim is not None else "nobody's"
    return f'{_of(mdev)}, {mdev.origin}, {whose}'


def _claimed(claim: record.Claim) -> str:
    told = f'of {claim.consumer} ({claim.owner})'
    if claim.state is not record.ClaimState.READY:
        told += f', {claim.state}'
    if claim.migration is not None:
        told += f', brought by migration {claim.migration}'
    return told


def _live(facts: factslib.Facts, uuid: str) -> str:
    mdev = facts.sysfs.mdevs.get(uuid)
    return _of(mdev) if mdev is not None else 'not there'


def _in_libvirt(facts: factslib.Facts, uuid: str) -> str:
    devices = facts.libvirt.devices
    live = [m for m in (devices.mdevs.get(uuid), *devices.duplicates) if m is not None]
    told = [f'live: {_of(m)}' for m in live if m.uuid == uuid and _is_live(m)]
    told += [f'defined: {_of(d)}' for d in facts.definitions.get(uuid, ())]
    told += [f'in {named(guest)}' for guest in facts.users.get(uuid, ())]
    return '; '.join(told) or NOTHING


def _is_live(mdev: model.Mdev | model.Definition) -> bool:
    return isinstance(mdev, model.Mdev)


def _of(mdev: model.Mdev | model.Definition | record.MdevRecord) -> str:
    return f'{mdev.mdev_type or "an unknown type"} on {mdev.parent}'


def _allocated(facts: factslib.Facts, uuid: str) -> str:
    """What its consumer holds on its parent, if Placement has to do with it."""
    claim = facts.claims.claims.get(uuid)
    if claim is None or claim.owner is not record.Owner.PLACEMENT:
        return ''
    if facts.told.placement is None:
        return UNKNOWN
    parent = facts.claims.mdevs[uuid].parent
    held: cabc.Mapping[tuple[str, str], int] = facts.held.get(claim.consumer, {})
    return amounts({key: n for key, n in held.items() if key[0] == parent})
