# SPDX-License-Identifier: Apache-2.0
"""All of it, in the order that holds: adopt, take back, sweep."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import typing as ty

from nova_generic_mdev import engine as enginelib
from nova_generic_mdev import exceptions
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record
from nova_generic_mdev.adapters.nova.upkeep import adopting
from nova_generic_mdev.adapters.nova.upkeep import adoption
from nova_generic_mdev.adapters.nova.upkeep import consumers
from nova_generic_mdev.adapters.nova.upkeep import needs
from nova_generic_mdev.adapters.nova.upkeep import sweep


class Upkeep:
    """Looks after the claims of one compute service."""

    def __init__(
        self,
        devices: needs.Devices,
        operations: needs.Operations,
        sources: needs.Sources,
    ) -> None:
        self._around = needs.Around(devices, operations, sources)
        self._adoption = adoption.Adoption(self._around)
        self._sweep = sweep.Sweep(self._around)

    def start(self) -> None:
        """Adopt what guests have, take back what a crash left, sweep.

        Every guest's XML is read once.
        """
        self._adoption.doubtful = None
        with self._kept_on('the guests here are looked at later'):
            self._around.devices.engine.start()
            guests = self._around.sources.guests()
            self._adoption.run(guests)
            self._reconcile(guests, once_more=True)
        self._run_sweep()

    def periodic(self) -> None:
        """Try again what was in doubt, and mend what went wrong since.

        Where nothing is odd this is a look at the record and at libvirt's list of
        guests.
        """
        doubtful = self._adoption.doubtful
        if doubtful is None or doubtful:
            with self._kept_on('the guests in doubt are looked at later'):
                self._adoption.run(self._around.sources.guests(doubtful))
        with self._kept_on('what a crash left stays for now'):
            if self._is_anything_left():
                self._reconcile(self._around.sources.guests())
        self._run_sweep()

    def settle(self, instance: ty.Any) -> None:
        """Claim what one guest has, if that could not be told before.

        :param instance: Nova's object; an operation on it is under way
        """
        doubtful = self._adoption.doubtful
        if doubtful is None or instance.uuid in doubtful:
            with self._kept_on(f'what guest {instance.uuid} has is not claimed'):
                guests = self._around.sources.guests({instance.uuid})
                self._adoption.run_for(guests)

    def _run_sweep(self) -> None:
        with self._kept_on('claims without a guest are kept'):
            self._sweep.run()

    def _is_anything_left(self) -> bool:
        devices = self._around.devices
        with self._around.operations.watched() as busy:
            return is_anything_left(devices.store.load(), devices.policy, busy)

    def _reconcile(self, guests: adopting.Guests, *, once_more: bool = False) -> None:
        users = guests.users
        if users is None:
            return
        defined = self._around.sources.defined()
        elsewhere = enginelib.Elsewhere(guests=users, defined=defined)
        self._around.devices.engine.reconcile(elsewhere, once_more=once_more)

    @contextlib.contextmanager
    def _kept_on(self, what: str) -> cabc.Iterator[None]:
        """In this block an error is said once, and the rest goes on."""
        try:
            yield
        except (consumers.Unsure, exceptions.MdevError) as e:
            self._around.once.say(what, f'{what}: {e}')
        else:
            self._around.once.settled(what)


def is_anything_left(
    claims: record.Claims, policy: policylib.Policy, busy: cabc.Container[str]
) -> bool:
    """Whether something was begun that nobody ends, or left that should go."""
    begun = any(
        claim.state is record.ClaimState.PENDING and claim.consumer not in busy
        for claim in claims.claims.values()
    )
    return begun or any(
        uuid not in claims.claims and policy.goes(mdev)
        for uuid, mdev in claims.mdevs.items()
    )
