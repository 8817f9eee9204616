# SPDX-License-Identifier: Apache-2.0
"""``nova-mdev parent drain`` and ``undrain``: let a parent run empty, or no more."""

from __future__ import annotations

import argparse
import typing as ty

from cliff import lister

from nova_generic_mdev import addresses
from nova_generic_mdev import exceptions
from nova_generic_mdev import names
from nova_generic_mdev.cmd import act
from nova_generic_mdev.cmd import context

_HEADER = ('parent', 'drained', 'claims')


class _SetDrained(lister.Lister):
    _drained: bool

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which parents."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            'parents',
            metavar='PARENT',
            nargs='+',
            help='a parent device, in any form that device_addresses takes; one '
            'that is not there now, by its name',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], ty.Iterable[tuple[ty.Any, ...]]]:
        """A row per parent: what is said of it now, and how much is left there."""
        run = context.of(self.app)
        acting = act.bookkeeper_of(run)
        asked = [name for text in parsed_args.parents for name in _names(text, run)]
        done = [
            acting.set_drained(parent, drained=self._drained)
            for parent in dict.fromkeys(asked)
        ]
        return _HEADER, ((d.parent, said(d.drained), d.claims) for d in done)


class ParentDrain(_SetDrained):
    """Let parent devices run empty, before a driver is upgraded say.

    Nothing new lands there, and what runs stays, until they are undrained.
    """

    _drained = True


class ParentUndrain(_SetDrained):
    """Give mdevs of parent devices again that were drained."""

    _drained = False


def said(drained: bool) -> str:  # noqa: FBT001
    """What a column says of a parent."""
    return 'yes' if drained else 'no'


def _names(text: str, run: context.Context) -> list[str]:
    """The parents that are meant; one that is away can only be named."""
    found = [p.name for p in addresses.parents_at(text, run.snapshot.parents.values())]
    if not found and names.is_pattern(text):
        raise exceptions.NotFound(
            text, 'no parent device fits; "nova-mdev parent list" names what is there'
        )
    return found or [text]
