# SPDX-License-Identifier: Apache-2.0
"""``nova-mdev audit``: whether all who know of this host's mdevs agree."""

from __future__ import annotations

import argparse
import collections.abc as cabc
import typing as ty

from cliff import lister

from nova_generic_mdev import exceptions
from nova_generic_mdev.cmd import context

if ty.TYPE_CHECKING:
    from nova_generic_mdev import audit
    from nova_generic_mdev.cmd import witnesses

HEADER = (
    'severity', 'subject', 'kind', 'claims', 'sysfs', 'libvirt', 'placement', 'remedy',
)  # fmt: skip
_Row = tuple[str, ...]
_AGREE, _DIFFER, _COULD_NOT_LOOK = range(3)


class Audit(lister.Lister):
    """Compare the record, sysfs, libvirt and Placement, and list what differs.

    Placement is asked where the options, the environment or [placement] of Nova's
    configuration say how to reach it.  Exits 0 where all agree, 1 where not, 2
    where one of them could not be asked.
    """

    _status = _AGREE

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Whom to ask, and what to do about it."""
        # What speaks to Placement takes longer to load than all the rest.
        from nova_generic_mdev.cmd import cloud

        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            '--fix',
            action='store_true',
            help='mend what is safe, and say what was done',
        )
        how.add_argument(
            '--dry-run', action='store_true', help='say what --fix would do'
        )
        parser.add_argument(
            '--without',
            action='append',
            choices=('libvirt', 'placement'),
            help='do not ask this one, may be repeated',
        )
        cloud.add_arguments(parser, getattr(self.app, 'argv', []))
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Print what differs; the exit status says whether anything does."""
        super().run(parsed_args)
        return self._status

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], cabc.Iterable[_Row]]:
        """A row for each finding, errors first."""
        from nova_generic_mdev.cmd import witnesses

        run = context.of(self.app)
        rows: list[_Row] = []
        try:
            _check(run)
            look = witnesses.Look(run, parsed_args, self._say)
            rows = list(self._rows(run, parsed_args, look))
            if look.unseen:
                self._status = _COULD_NOT_LOOK
        except exceptions.MdevError as e:
            self._say(str(e))
            self._status = _COULD_NOT_LOOK
        return HEADER, rows

    def _rows(
        self,
        run: context.Context,
        options: argparse.Namespace,
        look: witnesses.Look,
    ) -> cabc.Iterable[_Row]:
        seen = look.twice()
        if not (options.fix or options.dry_run):
            self._judge(seen.found)
            return [_row(one, one.remedy) for one in seen.found]
        from nova_generic_mdev.cmd import mending

        mender = mending.Mender(run, look, self._progress)
        if options.dry_run:
            self._judge(seen.found)
            return [_row(one, mender.would(one, seen.told)) for one in seen.found]
        outcome = mender.mend(seen)
        self._judge(outcome.left)
        return [_row(one, told) for one, told in outcome.told]

    def _judge(self, found: cabc.Iterable[audit.Finding]) -> None:
        # What is worth to know is nothing that differs.
        if any(one.severity != 'info' for one in found):
            self._status = _DIFFER

    def _progress(self, number: int, total: int, what: str) -> None:
        from nova_generic_mdev.cmd import progress

        progress.say(self.app.stderr, number, total, what)

    def _say(self, text: str) -> None:
        self.app.stderr.write(f'{text}\n')


def _check(run: context.Context) -> None:
    """Refuse a configuration that says not what is wanted."""
    fatal = [problem for problem in run.problems if problem.fatal]
    if fatal:
        raise exceptions.ConfigError(fatal)


def _row(finding: audit.Finding, remedy: str) -> _Row:
    return (
        finding.severity.value,
        str(finding.subject),
        finding.kind.value,
        finding.claims,
        finding.sysfs,
        finding.libvirt,
        finding.placement,
        remedy,
    )
