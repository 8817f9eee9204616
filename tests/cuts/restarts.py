# SPDX-License-Identifier: Apache-2.0
"""How it goes on after a process was killed."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses

from nova_generic_mdev import engine
from tests.cuts import machines

Restart = cabc.Callable[[machines.Machine, engine.Engine], None]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One way to go on.

    :param mends: whether all that is half done is put right by it
    """

    name: str
    run: Restart
    mends: bool = True


def _nova_compute(machine: machines.Machine, acting: engine.Engine) -> None:
    """Nova's driver starts, and then comes its periodic update."""
    acting.start()
    acting.recover()
    acting.reconcile(machine.elsewhere(), once_more=True)
    machine.land()
    acting.reconcile(machine.elsewhere())
    # Guests are started.
    for consumer in {claim.consumer for claim in machine.store.load().claims.values()}:
        acting.restore(consumer)


def _command(machine: machines.Machine, acting: engine.Engine) -> None:
    """``nova-mdev device recover``, which nobody is fast enough to be too early for."""
    machine.land()
    if machine.store.exists():
        acting.reconcile(machine.elsewhere())
        acting.recover()


def _reboot(machine: machines.Machine, acting: engine.Engine) -> None:
    """The host went down with the process."""
    machine.reboot()
    _command(machine, acting)


def _untold(machine: machines.Machine, acting: engine.Engine) -> None:
    """Nobody can tell what guests have."""
    acting.start()
    acting.recover()
    acting.reconcile(None)
    machine.land()


def _nothing(machine: machines.Machine, _acting: engine.Engine) -> None:
    """The request is repeated at once."""


KINDS = (
    Kind('nova-compute', _nova_compute),
    Kind('device recover', _command),
    Kind('reboot', _reboot),
    Kind('guests unknown', _untold, mends=False),
    Kind('at once', _nothing, mends=False),
)
