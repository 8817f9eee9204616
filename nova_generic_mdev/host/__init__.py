# SPDX-License-Identifier: Apache-2.0
"""The host as the engine sees it: look at it, create an mdev, remove one.

``sysfs`` reads the kernel's tree, ``nodedev`` asks libvirt; ``fixture.FakeHost``
is the third of the kind, for tests.
"""

from __future__ import annotations

import collections.abc as cabc
import typing as ty

from nova_generic_mdev import model


class Reader(ty.Protocol):
    """Looks, and changes nothing."""

    def snapshot(self, parents: cabc.Iterable[str] | None = None) -> model.HostSnapshot:
        """What the host has now: everything, or just these parents.

        :param parents: names of parents; those that are not there are left out
        :raises HostError: when nothing at all can be read
        """
        ...


class Host(Reader, ty.Protocol):
    """Looks and acts."""

    def create(
        self,
        uuid: str,
        parent: str,
        mdev_type: str,
        attributes: model.Attributes = (),
    ) -> str:
        """Make an mdev.  One that is there with this parent and type will do.

        :returns: what made it, for the record: ``sysfs`` or ``libvirt``
        :raises CapacityError: the kernel refused (ENOSPC, EUSERS, EPERM, EAGAIN)
        :raises NotFound: the parent or the type is not there
        :raises HostError: anything else
        """
        ...

    def remove(
        self, uuid: str, backend: str | None = None, parent: str | None = None
    ) -> None:
        """Remove an mdev, and its definition.  One that is gone will do.

        :param backend: what made it; None where that is not known
        :param parent: where it is; a definition on another one is not its own
        :raises InUse: something uses it
        :raises HostError: anything else
        """
        ...
