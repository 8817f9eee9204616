# SPDX-License-Identifier: Apache-2.0
"""The four that are asked: the record, sysfs, libvirt, Placement."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses

from nova_generic_mdev import model
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import providers
from nova_generic_mdev import record

Amounts = cabc.Mapping[str, int]


@model.value
class Libvirt:
    """What libvirt tells.

    :param devices: its node devices: the parents that it knows, what is live and
        what is defined
    :param guests: all of them, running or not
    :param unread: guests that cannot be read, and why; by name
    """

    devices: model.HostSnapshot
    guests: tuple[model.Guest, ...] = ()
    unread: cabc.Mapping[str, str] = dataclasses.field(default_factory=dict)


@model.value
class Placement:
    """What Placement tells of one host.

    :param root: name of the compute node's provider
    :param tree: it, where it is there, and what is below it, by name
    :param held: what consumers hold, by the provider's name, consumer and class
    :param unknown: standard traits that this Placement does not know
    """

    root: str
    tree: cabc.Mapping[str, providers.Current]
    held: cabc.Mapping[str, cabc.Mapping[str, Amounts]] = dataclasses.field(
        default_factory=dict
    )
    unknown: frozenset[str] = frozenset()


@model.value
class Witnesses:
    """What each of them said, and what the operator wants.

    Each is None where it was not asked, or could not be; then nothing is said of
    what only it can tell.

    :param published: by parent, the traits that we last gave its provider
    """

    policy: policylib.Policy
    claims: record.Claims | None = None
    sysfs: model.HostSnapshot | None = None
    libvirt: Libvirt | None = None
    placement: Placement | None = None
    published: cabc.Mapping[str, frozenset[str]] = dataclasses.field(
        default_factory=dict
    )
