# SPDX-License-Identifier: Apache-2.0
"""The commands that keep the host and the record in agreement."""

from __future__ import annotations

import argparse
import collections.abc as cabc
import sys
import time

from cliff import lister

from nova_generic_mdev import engine
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
        here = context.of(self.app)
        if not here.has_record:
            return act.table(())
        # Guests are about to start: a mistake in nova.conf must not keep their
        # devices from coming back. What needs its rules waits until it is mended.
        acting = act.engine_of(here, deciding=False)
        if not any(problem.fatal for problem in here.problems):
            acting.reconcile(here.guests)
        outcome, recovered = self._until(acting, parsed_args.wait)
        for device in outcome.waiting:
            self._say(f'mdev {device.uuid}: its parent {device.parent} is not there')
        for device, error in outcome.failed:
            self._say(f'mdev {device.uuid} of {device.parent}: {error}')
        self._status = int(bool(outcome.waiting or outcome.failed))
        return act.table(recovered)

    def _until(
        self, acting: engine.Engine, wait: float
    ) -> tuple[engine.Recovery, list[engine.Device]]:
        """Recover again and again while parents are missing and time is left."""
        end = time.monotonic() + wait
        outcome = acting.recover()
        recovered = list(outcome.recovered)
        while outcome.waiting and time.monotonic() < end:
            self._progress(f'waiting for {", ".join(outcome.missing_parents)}')
            time.sleep(_POLL_SECONDS)
            outcome = acting.recover()
            recovered += outcome.recovered
        return outcome, recovered

    def _progress(self, text: str) -> None:
        if sys.stderr.isatty():
            self._say(text)

    def _say(self, text: str) -> None:
        self.app.stderr.write(f'{text}\n')


def _seconds(text: str) -> float:
    seconds = float(text)
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
        which.add_argument('--all', action='store_true', help='every live mdev')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> act.Table:
        """A row per mdev that changed."""
        acting = act.engine_of(context.of(self.app))
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
