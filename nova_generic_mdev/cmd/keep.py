# SPDX-License-Identifier: Apache-2.0
"""The commands that keep the host and the record in agreement."""

from __future__ import annotations

import argparse
import collections.abc as cabc
import time

from cliff import lister

from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev import record
from nova_generic_mdev.cmd import act
from nova_generic_mdev.cmd import context

_POLL_SECONDS = 1.0


class DeviceRecover(lister.Lister):
    """Bring back claimed mdevs that are not live, after a reboot say.

    Exits 1 if any is still missing.
    """

    _status = 0

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """How long to wait."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            '--wait',
            metavar='SECONDS',
            type=_seconds,
            default=0.0,
            help='how long to wait for parent devices that are not there yet',
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Print what came back; the exit status says whether all did."""
        super().run(parsed_args)
        return self._status

    def take_action(self, parsed_args: argparse.Namespace) -> act.Table:
        """A row per mdev that came back."""
        here = self._usable(context.of(self.app))
        if not here.has_record:
            # Where it is, only the configuration says that cannot be read.
            self._status = int(here.defaults_only)
            return act.table(())
        acting = act.engine_of(here, deciding=False)
        self._reconcile(here, acting)
        outcome, recovered = self._until(acting, parsed_args.wait)
        for device in outcome.waiting:
            self._say(f'mdev {device.uuid}: its parent {device.parent} is not there')
        for device, error in outcome.failed:
            self._say(f'mdev {device.uuid} of {device.parent}: {error}')
        self._status = int(bool(outcome.waiting or outcome.failed))
        return act.table(recovered)

    def _usable(self, here: context.Context) -> context.Context:
        """Guests are about to start: a mistake in nova.conf must not stop that."""
        try:
            _ = here.conf, here.state_path
        except exceptions.ConfigError as e:
            here = here.with_defaults()
            self._say(f'{e}; going on with the record in {here.state_path}')
        return here

    def _reconcile(self, here: context.Context, acting: engine.Engine) -> None:
        # It needs the rules, so it waits until what is wrong in them is mended.
        if here.defaults_only or any(problem.fatal for problem in here.problems):
            return
        guests, devices = here.guests, here.node_devices
        elsewhere = None
        if guests is not None and devices is not None:
            elsewhere = engine.Elsewhere(guests=guests, defined=devices.definitions)
        try:
            acting.reconcile(elsewhere)
        except exceptions.MdevError as e:
            self._say(f'what a crash may have left is left for now: {e}')

    def _until(
        self, acting: engine.Engine, wait: float
    ) -> tuple[engine.Recovery, list[engine.Device]]:
        """Recover again and again while parents are missing and time is left."""
        end = time.monotonic() + wait
        outcome = acting.recover()
        recovered = list(outcome.recovered)
        told: tuple[str, ...] = ()
        while outcome.waiting and time.monotonic() < end:
            if outcome.missing_parents != told:
                told = outcome.missing_parents
                self._say(f'waiting up to {wait:.0f} s for {", ".join(told)}')
            time.sleep(_POLL_SECONDS)
            outcome = acting.recover()
            recovered += outcome.recovered
        return outcome, recovered

    def _say(self, text: str) -> None:
        self.app.stderr.write(f'{text}\n')


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float('inf'):
        raise argparse.ArgumentTypeError(f'{text} is not a number of seconds')
    return seconds


class _SetOrigin(lister.Lister):
    _origin: record.Origin

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which mdevs."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument('uuids', metavar='UUID', nargs='*', default=[])
        which.add_argument(
            '--all',
            action='store_true',
            help="every live mdev but an accelerator service's",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> act.Table:
        """A row per mdev that changed."""
        acting = act.bookkeeper_of(context.of(self.app))
        uuids: cabc.Collection[str] | None = parsed_args.uuids
        return act.table(
            acting.set_origin(None if parsed_args.all else uuids, self._origin)
        )


class DeviceAdopt(_SetOrigin):
    """Take mdevs that others made as ours: they are removed on release."""

    _origin = record.Origin.CREATED


class DeviceDisown(_SetOrigin):
    """Leave mdevs as found: they are never removed."""

    _origin = record.Origin.FOUND
