# SPDX-License-Identifier: Apache-2.0
"""A running machine as JSON, so that another program can go on with it."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path
from typing import Any

from tests.system.machine import identity
from tests.system.machine import network
from tests.system.machine import qemu


def pack(settings: qemu.Settings, known: identity.Identity) -> dict[str, Any]:
    """What `unpack` takes, of types that JSON has."""
    told = dataclasses.asdict(settings)
    told['machine_id'] = settings.machine_id.hex
    told['image'], told['directory'] = str(settings.image), str(settings.directory)
    if settings.place:
        told['place']['directory'] = str(settings.place.directory)
    return {'settings': told, 'process': dataclasses.asdict(known)}


def unpack(left: dict[str, Any]) -> tuple[qemu.Settings, identity.Identity]:
    """How a machine was made, and its process."""
    told = dict(left['settings'])
    told['machine_id'] = uuid.UUID(told['machine_id'])
    told['image'], told['directory'] = Path(told['image']), Path(told['directory'])
    told['services'] = tuple(told['services'])
    if told['place']:
        told['place'] = _place(told['place'])
    return qemu.Settings(**told), identity.Identity(**left['process'])


def wanted(settings: qemu.Settings) -> dict[str, Any]:
    """The settings that do not come from where the machine is."""
    fields = dataclasses.fields(settings)
    names = {field.name for field in fields} - {'image', 'directory'}
    return {name: getattr(settings, name) for name in names}


def _place(told: dict[str, Any]) -> network.Place:
    return network.Place(
        number=told['number'],
        directory=Path(told['directory']),
        hosts=tuple((name, address) for name, address in told['hosts']),
    )
