# SPDX-License-Identifier: Apache-2.0
"""Whether a guest's mdevs can move to another host, from declared facts, early.

Both ends declare what they have; nothing is probed, and no opaque version of a
vendor is compared.  The rule is that of the discussion between Nova's, libvirt's
and the kernel's developers on migration compatibility (July 2020): an mdev goes
to an mdev of the same type, and two devices that differ to the guest have
differently named types, whatever parents they are on.

Nova's live migration carries the types of the source's mdevs one way and the
pairs the other (``LibvirtLiveMigrateData.source_mdev_types``, ``target_mdevs``),
so what is not a type can be compared only by who knows both ends.
"""

from __future__ import annotations

import collections
import collections.abc as cabc

from nova_generic_mdev import exceptions
from nova_generic_mdev import model


@model.value
class DeviceFacts:
    """What a host declares of an mdev; None is what it does not declare.

    :param driver: the parent's driver
    """

    mdev_type: str
    device_api: str | None = None
    driver: str | None = None


def incompatibilities(source: DeviceFacts, target: DeviceFacts) -> tuple[str, ...]:
    """Why the one cannot become the other; empty if nothing speaks against it."""
    facts = (
        ('mdev type', source.mdev_type, target.mdev_type),
        ('device_api', source.device_api, target.device_api),
        ("parent's driver", source.driver, target.driver),
    )
    return tuple(
        f'{fact} is {here} at the source and {there} at the destination'
        for fact, here, there in facts
        if here is not None and there is not None and here != there
    )


def missing_types(
    sources: cabc.Mapping[str, str], offered: cabc.Iterable[str]
) -> tuple[str, ...]:
    """The mdev types that a guest has and a host does not offer, in order.

    :param sources: mdev types by uuid, as Nova's source tells them
    :param offered: the types that the destination serves
    """
    return tuple(sorted(set(sources.values()) - set(offered)))


def pair(
    sources: cabc.Mapping[str, str], targets: cabc.Mapping[str, str | None]
) -> cabc.Mapping[str, str]:
    """A target of the same type for each source, whatever the order of either.

    :param sources: mdev types by the source's uuid
    :param targets: mdev types by uuid, of the mdevs at the destination that are
        this guest's to have; some may be left over
    :returns: the target's uuid by the source's
    :raises IncompatibleDevices: with a reason for each source that has none
    """
    left: dict[str | None, list[str]] = collections.defaultdict(list)
    for uuid in sorted(targets, reverse=True):
        left[targets[uuid]].append(uuid)
    there = collections.Counter(targets.values())
    asked = collections.Counter(sources.values())
    pairs, reasons = {}, {}
    for source, mdev_type in sorted(sources.items()):
        if left[mdev_type]:
            pairs[source] = left[mdev_type].pop()
        else:
            reasons[source] = (
                f'the guest has {asked[mdev_type]} of type {mdev_type}, the '
                f'destination has {there[mdev_type]} for it'
            )
    if reasons:
        raise exceptions.IncompatibleDevices(reasons)
    return model.freeze(pairs)
