# SPDX-License-Identifier: Apache-2.0
"""What a reader remembers from one look to the next."""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import model


@model.value
class Known:
    """A parent as it was last seen.

    :param inode: of its link in ``class/mdev_bus``
    :param path: of its directory, below the root
    """

    sysname: str
    inode: int
    path: str
    parent: model.Parent


@model.value
class Memory:
    """One look, and by what it is known again; mdevs by (uuid, inode of the link)."""

    links: cabc.Mapping[str, int]
    known: cabc.Mapping[str, Known]
    mdevs: cabc.Mapping[tuple[str, int], model.Mdev]
    snapshot: model.HostSnapshot
