# SPDX-License-Identifier: Apache-2.0
"""Accelerator requests (Cyborg's ARQs) whose device is an mdev.

An ARQ's attach handle names the mdev's uuid, the parent's PCI address and the
type (Cyborg API reference, "Accelerator requests").  Nova 34 creates such mdevs;
Nova 31 to 33 drop *all* accelerators of a server, PCI ones too, as soon as one
is an mdev.
"""

from __future__ import annotations

import collections.abc as cabc
import typing as ty

from nova_generic_mdev import engine as enginelib
from nova_generic_mdev import exceptions
from nova_generic_mdev import names

_MDEV = 'MDEV'
Arq = cabc.Mapping[str, ty.Any]


def asks(accel_info: cabc.Iterable[Arq] | None) -> tuple[enginelib.Ask, ...]:
    """The mdevs that are asked for.

    :raises InvalidValue: a request that does not say all of it
    """
    return tuple(_ask(arq) for arq in accel_info or () if _is_mdev(arq))


def others(accel_info: cabc.Iterable[Arq]) -> list[Arq]:
    """The requests that are not for mdevs: Nova attaches these."""
    return [arq for arq in accel_info if not _is_mdev(arq)]


def _is_mdev(arq: Arq) -> bool:
    return arq.get('attach_handle_type') == _MDEV


def _ask(arq: Arq) -> enginelib.Ask:
    try:
        info = arq['attach_handle_info']
        address = '{domain}:{bus}:{device}.{function}'.format_map(info)
        return enginelib.Ask(
            uuid=arq['attach_handle_uuid'],
            parent=names.node_device('pci', names.pci_address(address)),
            mdev_type=info['asked_type'],
        )
    except (KeyError, TypeError, exceptions.InvalidName) as e:
        raise exceptions.InvalidValue(
            f'accelerator request {arq.get("uuid")}',
            arq.get('attach_handle_info'),
            f'of an mdev it must tell uuid, PCI address and asked_type: {e!r}',
        ) from e
