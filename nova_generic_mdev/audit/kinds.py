# SPDX-License-Identifier: Apache-2.0
"""All that an audit can find: a closed list; ``meanings`` says what each is."""

from __future__ import annotations

import enum


class Severity(enum.StrEnum):
    """How bad a finding is.

    * ``error``: a guest has not what it was promised, or two have the same;
    * ``warning``: the witnesses differ, and so far no guest suffers;
    * ``info``: all agree, and it is worth to know.
    """

    ERROR = 'error'
    WARNING = 'warning'
    INFO = 'info'


class Kind(enum.StrEnum):
    """What two witnesses do not agree on."""

    # Of an mdev
    MISSING_MDEV = 'missing mdev'
    ORPHAN_MDEV = 'orphan mdev'
    FOREIGN_MDEV = 'foreign mdev'
    TYPE_MISMATCH = 'type mismatch'
    DOUBLE_ASSIGNMENT = 'double assignment'
    GUEST_WITHOUT_CLAIM = 'guest without claim'
    GUEST_WITHOUT_DEVICE = 'guest without device'
    PENDING_CLAIM = 'pending claim'
    STALE_RECORD = 'stale record'
    DEFINITION_WITHOUT_DEVICE = 'definition without device'
    DUPLICATE_UUID = 'duplicate uuid'
    LIBVIRT_DIFFERS = 'libvirt differs'
    # Of a consumer
    ALLOCATION_WITHOUT_DEVICE = 'allocation without device'
    DEVICE_WITHOUT_ALLOCATION = 'device without allocation'
    STALE_CLAIM = 'stale claim'
    UNKNOWN_CONSUMER = 'unknown consumer'
    CONSUMER_DIFFERS = 'consumer differs'
    # Of a provider
    MISSING_PROVIDER = 'missing provider'
    STALE_PROVIDER = 'stale provider'
    FOREIGN_PROVIDER = 'foreign provider'
    INVENTORY_DIFFERS = 'inventory differs'
    TRAITS_DIFFER = 'traits differ'
    # Of what is looked at
    MISSING_PARENT = 'missing parent'
    DRAINING = 'draining'
    UNREADABLE = 'unreadable'
    UNREADABLE_GUEST = 'unreadable guest'
