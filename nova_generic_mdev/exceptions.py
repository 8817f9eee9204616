# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, divided by whose fault it is.

Every error carries its facts as attributes, so that a caller decides by field
and never by message text, and every message says what, where, and what to do
next.  Catch :class:`MdevError` for all of them.
"""

from __future__ import annotations

import typing as ty

if ty.TYPE_CHECKING:
    from nova_generic_mdev import model


class MdevError(Exception):
    """The base of all errors of this project."""


class InvalidName(MdevError):
    """A name, address, uuid or class that cannot be what it should be."""

    def __init__(self, kind: str, value: object, reason: str) -> None:
        self.kind = kind
        self.value = value
        self.reason = reason
        super().__init__(f'{_short(value)} is not a valid {kind}: {reason}')


class InvalidValue(MdevError):
    """A fact about a host, a claim or a rule outside its documented range."""

    def __init__(self, field: str, value: object, reason: str) -> None:
        self.field = field
        self.value = value
        self.reason = reason
        super().__init__(f'{field} cannot be {_short(value)}: {reason}')


class InvalidXml(MdevError):
    """A document that is not the XML that libvirt's schema describes."""

    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        self.reason = reason
        super().__init__(f'cannot read the XML of {what}: {reason}')


class ConfigError(MdevError):
    """The operator's configuration cannot be used; carries every problem."""

    def __init__(self, problems: ty.Sequence[model.Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems]
        super().__init__(f'{len(lines)} configuration problem(s): ' + ' | '.join(lines))


class RequestError(MdevError):
    """An allocation asks for what this host is not configured to give.

    The configuration and Placement disagree; another host may agree, but the
    operator should look at this one.
    """

    def __init__(
        self, consumer: str, parent: str, resource_class: str, reason: str
    ) -> None:
        self.consumer = consumer
        self.parent = parent
        self.resource_class = resource_class
        self.reason = reason
        super().__init__(
            f'cannot serve {resource_class} on {parent} for consumer {consumer}: '
            f'{reason}'
        )


class CapacityError(MdevError):
    """The parent cannot give that many: the request should go elsewhere.

    :param asked: how many new mdevs were asked for
    :param left: how many the parent could give, or None if only the kernel
        knows (it refused a create that looked possible)
    :param error: the kernel's error number where the kernel refused
    """

    def __init__(
        self,
        parent: str,
        mdev_type: str,
        asked: int,
        left: int | None,
        error: int | None = None,
    ) -> None:
        self.parent = parent
        self.mdev_type = mdev_type
        self.asked = asked
        self.left = left
        self.errno = error
        had = 'the kernel refused to create it' if left is None else f'{left} left'
        super().__init__(
            f'{parent} cannot give {asked} of {mdev_type}: {had}'
            + (f' (errno {error})' if error is not None else '')
        )


class Draining(CapacityError):
    """The operator lets a parent, or a type there, run empty: nothing new lands.

    :param parent_drains: whether it is the whole parent
    """

    def __init__(
        self,
        parent: str,
        mdev_type: str,
        asked: int,
        *,
        parent_drains: bool,
    ) -> None:
        super().__init__(parent, mdev_type, asked, 0)
        self.parent_drains = parent_drains
        told = f'{mdev_type} is being drained there: [mdev_{mdev_type}] drain is set'
        if parent_drains:
            told = f'it is being drained; "nova-mdev parent undrain {parent}" ends that'
        self.args = (f'{parent} cannot give {asked} of {mdev_type}: {told}',)


class HostError(MdevError):
    """The host did not let us look or act as its kernel documents it."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f'{where}: {reason}')


class NotFound(HostError):
    """What was named is not there, or not there any more."""


class InUse(HostError):
    """An mdev cannot be removed because something still uses it."""

    def __init__(self, uuid: str, user: str) -> None:
        self.uuid = uuid
        self.user = user
        super().__init__(
            f'mdev {uuid}', f'in use by {user}; stop that first, then release it again'
        )


class ClaimsError(MdevError):
    """The durable record of claims cannot be used; it was not changed."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f'claims in {path}: {reason}')


class PlacementError(MdevError):
    """Placement could not be asked, or did not do as its API documents.

    :param url: what was asked: method and URL, or the service where none was
    :param status: the HTTP status of the answer; None: there was none
    :param code: Placement's error code, ``placement.concurrent_update`` say
        (Placement API reference, "Errors"); None where it gave none
    """

    def __init__(
        self,
        url: str,
        reason: str,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        self.url = url
        self.reason = reason
        self.status = status
        self.code = code
        super().__init__(f'{url}: {reason}')


class IncompatibleDevices(MdevError):
    """A guest's mdevs cannot be paired with devices of the other host."""

    def __init__(self, reasons: ty.Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        told = '; '.join(f'{uuid}: {why}' for uuid, why in self.reasons.items())
        super().__init__(f'the mdevs cannot be migrated: {told}')


def _short(value: object) -> str:
    """A value fit for one log line, however long or strange it is."""
    text = repr(value)
    return text if len(text) <= 120 else f'{text[:100]}... ({len(text)} characters)'
