# SPDX-License-Identifier: Apache-2.0
"""One thing on which the witnesses differ, and what each of them says of it."""

from __future__ import annotations

import enum

from nova_generic_mdev import model
from nova_generic_mdev.audit.kinds import Kind
from nova_generic_mdev.audit.kinds import Severity
from nova_generic_mdev.audit.meanings import MEANINGS


class What(enum.StrEnum):
    """What a finding can be about."""

    MDEV = 'mdev'
    CONSUMER = 'consumer'
    GUEST = 'guest'
    PARENT = 'parent'
    PROVIDER = 'provider'
    PATH = 'path'


@model.value
class Subject:
    """What a finding is about: a kind of thing, and which one."""

    what: What
    name: str

    def __str__(self) -> str:
        return f'{self.what} {self.name}'


@model.value
class Said:
    """What each witness says; empty: it has nothing to say of such a thing."""

    claims: str = ''
    sysfs: str = ''
    libvirt: str = ''
    placement: str = ''


@model.value
class Finding:
    """A row of the audit; the columns of the command have these names."""

    severity: Severity
    subject: Subject
    kind: Kind
    claims: str
    sysfs: str
    libvirt: str
    placement: str
    remedy: str


def finding(
    kind: Kind,
    what: What,
    name: str,
    said: Said,
    severity: Severity | None = None,
) -> Finding:
    """A finding, with the words of its kind.

    :param severity: where it is another than the kind's
    """
    meaning = MEANINGS[kind]
    return Finding(
        severity=severity or meaning.severity,
        subject=Subject(what=what, name=name),
        kind=kind,
        claims=said.claims,
        sysfs=said.sysfs,
        libvirt=said.libvirt,
        placement=said.placement,
        remedy=meaning.remedy.replace('{name}', name),
    )
