# SPDX-License-Identifier: Apache-2.0
"""What differs about single mdevs: is it there, and is it as we recorded it."""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import model
from nova_generic_mdev import node_xml
from nova_generic_mdev import record
from nova_generic_mdev.audit import facts as factslib
from nova_generic_mdev.audit import findings
from nova_generic_mdev.audit import telling
from nova_generic_mdev.audit.kinds import Kind
from nova_generic_mdev.audit.kinds import Severity

_LIBVIRT = 'libvirt'


def find(facts: factslib.Facts) -> cabc.Iterator[findings.Finding]:
    """All that differs about each mdev, in the order of their uuids."""
    for uuid in facts.mdevs:
        mdev = _Mdev(facts, uuid)
        for kind in (mdev.state(), mdev.in_libvirt()):
            if kind is not None:
                yield findings.finding(
                    kind,
                    findings.What.MDEV,
                    uuid,
                    telling.of_mdev(facts, uuid),
                    mdev.severity(kind),
                )


class _Mdev:
    """One mdev, held against each witness."""

    def __init__(self, facts: factslib.Facts, uuid: str) -> None:
        self._facts = facts
        self._uuid = uuid
        self._known = facts.claims.mdevs.get(uuid)
        self._claim = facts.claims.claims.get(uuid)
        self._live = facts.sysfs.mdevs.get(uuid)
        self._users = facts.users.get(uuid, [])
        self._definitions = facts.definitions.get(uuid, [])

    def severity(self, kind: Kind) -> Severity | None:
        """Another than the kind's: nobody has it who was promised it."""
        running = any(guest.running for guest in self._users)
        if kind is Kind.TYPE_MISMATCH and self._claim is None:
            return Severity.WARNING
        if kind is Kind.MISSING_MDEV and self._claim is None and not running:
            return Severity.WARNING
        return None

    def state(self) -> Kind | None:
        """The first that fits, or None: it is as it should be."""
        if self._claim and self._claim.state is record.ClaimState.PENDING:
            return Kind.PENDING_CLAIM
        if self._known is not None and self._is_otherwise(self._known):
            return Kind.TYPE_MISMATCH
        if self._facts.told.sysfs is None:
            return None
        if self._live is not None:
            return self._of_live(self._live)
        return self._of_absent()

    def _is_otherwise(self, known: record.MdevRecord) -> bool:
        if self._claim is None and known.origin is record.Origin.FOREIGN:
            # Its service may make it anew, as it likes.
            return False
        if self._live is not None and not known.is_live(self._facts.sysfs.mdevs):
            return True
        # Of several some may be right; that there are several is told as such.
        return bool(self._definitions) and not any(
            _defines(definition, known) for definition in self._definitions
        )

    def _of_live(self, live: model.Mdev) -> Kind | None:
        if self._facts.told.claims is None or self._claim is not None:
            return None
        if self._known is None:
            return Kind.FOREIGN_MDEV if live.parent in self._facts.ours else None
        if self._known.origin is record.Origin.FOREIGN:
            return None
        if self._users:
            return Kind.GUEST_WITHOUT_CLAIM
        goes = self._facts.policy.goes(self._known)
        return Kind.ORPHAN_MDEV if goes else None

    def _of_absent(self) -> Kind | None:
        if self._is_out_of_sight():
            return None
        if self._claim is not None:
            # Else it is told of the parent, once.
            is_there = self._parent in self._facts.sysfs.parents
            return Kind.MISSING_MDEV if is_there else None
        if self._users:
            return Kind.MISSING_MDEV
        told = self._facts.told
        if told.claims is None or told.libvirt is None:
            return None
        return self._of_nobodys()

    @property
    def _parent(self) -> str | None:
        """Where it should be."""
        if self._known is not None:
            return self._known.parent
        return self._definitions[0].parent if self._definitions else None

    def _is_out_of_sight(self) -> bool:
        """Whether it may be there, on a parent that could not be read."""
        if self._parent in (None, node_xml.ROOT_DEVICE):
            return not self._facts.has_all_parents
        return self._parent in self._facts.unread_parents

    def _of_nobodys(self) -> Kind | None:
        """Nobody has it, and it is not there: is anything left of it?"""
        known, facts = self._known, self._facts
        if known is not None and known.origin is record.Origin.FOREIGN:
            return None
        is_there = self._parent in facts.sysfs.parents
        if self._definitions:
            concerns_us = known is not None or self._parent in facts.ours
            return Kind.DEFINITION_WITHOUT_DEVICE if is_there and concerns_us else None
        if known is None or self._uuid in facts.unread_nodes:
            return None
        # A parent that is away may come, with what is defined on it.
        is_stale = is_there or facts.policy.goes(known)
        return Kind.STALE_RECORD if is_stale else None

    def in_libvirt(self) -> Kind | None:
        """Whether libvirt tells of it once, and as sysfs does."""
        devices = self._facts.libvirt.devices
        if any(one.uuid == self._uuid for one in devices.duplicates):
            return Kind.DUPLICATE_UUID
        if self._facts.told.sysfs is None or self._uuid in self._facts.unread_nodes:
            return None
        there, live = devices.mdevs.get(self._uuid), self._live
        where = live or there
        if where is None or not self._concerns_us(where):
            return None
        if there is None:
            is_told = where.parent in devices.parents
        elif live is None:
            is_told = where.parent not in self._facts.unread_parents
        else:
            is_told = not _is_same(there, live)
        return Kind.LIBVIRT_DIFFERS if is_told else None

    def _concerns_us(self, mdev: model.Mdev) -> bool:
        is_known = self._known is not None or bool(self._users)
        return is_known or mdev.parent in self._facts.ours


def _is_same(one: model.Mdev, other: model.Mdev) -> bool:
    types = {one.mdev_type, other.mdev_type} - {None}
    return one.parent == other.parent and len(types) <= 1


def _defines(definition: model.Definition, known: record.MdevRecord) -> bool:
    # libvirt cannot name the parent of one whose parent is away.
    if definition.parent not in (known.parent, node_xml.ROOT_DEVICE):
        return False
    # What others defined has attributes that we never knew.
    is_ours = known.origin is record.Origin.CREATED and known.backend == _LIBVIRT
    same = definition.attributes == known.attributes or not is_ours
    return definition.mdev_type == known.mdev_type and same
