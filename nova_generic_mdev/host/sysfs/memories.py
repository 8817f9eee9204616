# SPDX-License-Identifier: Apache-2.0
"""What a reader remembers from one look to the next."""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import model
from nova_generic_mdev.host.sysfs import look

#: pairs of a type and the path of an attribute, below the root
Counts = tuple[tuple[str, str], ...]


@model.value
class Known:
    """A parent as it was last seen.

    :param inode: of its link in ``class/mdev_bus``
    :param path: of its directory, below the root
    :param counts: where it tells how many more it could have, by type, of the types
        that are counted in every look
    """

    sysname: str
    inode: int
    path: str
    parent: model.Parent
    counts: Counts


@model.value
class Memory:
    """One look, and by what it is known again; mdevs by (uuid, inode of the link)."""

    links: cabc.Mapping[str, int]
    known: cabc.Mapping[str, Known]
    mdevs: cabc.Mapping[tuple[str, int], model.Mdev]
    snapshot: model.HostSnapshot


def counts(
    path: str, types: cabc.Iterable[str], only: cabc.Container[str] | None = None
) -> Counts:
    """Where a parent tells how many more it could have of its types, or just these.

    :param path: of its directory, below the root
    """
    above = f'{path}/{look.TYPES}'
    return tuple(
        (each, f'{above}/{each}/{look.COUNT}')
        for each in types
        if only is None or each in only
    )
