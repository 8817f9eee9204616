# SPDX-License-Identifier: Apache-2.0
"""``nova-mdev inventory publish``: tell Placement what this host offers."""

from __future__ import annotations

import argparse
import collections.abc as cabc
import logging

from cliff import lister

from nova_generic_mdev import claims
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import policy
from nova_generic_mdev import record
from nova_generic_mdev.adapters import placement
from nova_generic_mdev.cmd import cloud
from nova_generic_mdev.cmd import context as contextlib
from nova_generic_mdev.cmd import processes
from nova_generic_mdev.cmd import progress
from nova_generic_mdev.cmd import show

LOG = logging.getLogger(__name__)
# An allocation takes a moment; several in a row do not end in a hurry.
_LOOKS = 10
_DONE, _FAILED = range(2)


class InventoryPublish(lister.Lister):
    """Bring Placement to the providers, inventories and traits of this host.

    Touches only the providers of parent devices: children of the root provider
    that carry a CUSTOM_MDEV_TYPE_* trait, or that it makes now.
    """

    _status = _DONE

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """How Placement is reached, and how far to go."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            '--dry-run', action='store_true', help='print the changes, make none'
        )
        parser.add_argument(
            '--create-root',
            action='store_true',
            help='make the root provider if there is none (nova-compute makes its own)',
        )
        parser.add_argument(
            '--force',
            action='store_true',
            help='publish although a nova-compute of this host does so too',
        )
        cloud.add_arguments(parser, getattr(self.app, 'argv', []))
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Print the changes; the exit status says whether all were made."""
        super().run(parsed_args)
        return self._status

    def take_action(self, parsed_args: argparse.Namespace) -> show.Table:
        """A row per change that was made, or would be."""
        if not (parsed_args.force or parsed_args.dry_run):
            _check_alone()
        context = contextlib.of(self.app)
        show.say_problems(self.app, context.resolution.problems)
        publisher = placement.Publisher(
            cloud.client(parsed_args),
            context.root_provider,
            lambda: look(context),
            remember=lambda published: remember(context, published),
            say=self._say,
            create_root=parsed_args.create_root,
        )
        rows = self._rows(publisher, dry_run=parsed_args.dry_run)
        for trait in sorted(publisher.unknown):
            LOG.warning('Placement does not know %s: it is not published', trait)
        for stranger in publisher.strangers:
            self._fail(str(stranger), ())
        header = ('provider', 'change', 'detail')
        return header, ((r.provider, r.change, r.detail) for r in rows)

    def _say(self, number: int, total: int, row: placement.Row) -> None:
        what = f'{row.provider}: {row.change}' if row.provider else row.change
        progress.say(self.app.stderr, number, total, what)

    def _rows(
        self, publisher: placement.Publisher, *, dry_run: bool
    ) -> cabc.Sequence[placement.Row]:
        if dry_run:
            return publisher.rows()
        try:
            publisher.publish()
        except exceptions.MdevError as e:
            # The table says what was done, this what was not.
            self._status = _FAILED
            self._fail(str(e), publisher.left)
        return publisher.done

    def _fail(self, reason: str, left: cabc.Iterable[placement.Row]) -> None:
        self._status = _FAILED
        LOG.error(reason)
        for row in left:
            told = ' '.join(filter(None, (row.change, row.provider, row.detail)))
            LOG.error('not done: %s', told)


def _check_alone() -> None:
    pid = processes.nova_compute(processes.PROC)
    if pid is not None:
        raise exceptions.HostError(
            f'process {pid}',
            'a nova-compute of this host publishes its inventories, and two would '
            'undo what the other did; stop it, or insist with --force',
        )


def look(context: contextlib.Context) -> placement.Host:
    """A look at the host and at the record that go together.

    Claims that did not change while the host was looked at fit what was seen,
    whatever an allocation was doing meanwhile.
    """
    fatal = [problem for problem in context.resolution.problems if problem.fatal]
    if fatal:
        raise exceptions.ConfigError(fatal)
    known, published = _record(context)
    for _ in range(_LOOKS):
        snapshot = context.reader.snapshot()
        before, (known, published) = known, _record(context)
        if known == before:
            seen = _first(context, snapshot) if known is None else known
            return placement.Host(
                policy=context.policy,
                resolution=policy.resolve(
                    context.policy, snapshot.parents.values(), seen.drained
                ),
                snapshot=snapshot,
                claims=seen,
                published=published,
            )
    raise exceptions.HostError(
        str(context.options.sysfs),
        'mdevs are given and taken faster than they can be counted; run this again',
    )


def _record(
    context: contextlib.Context,
) -> tuple[record.Claims | None, placement.Published]:
    """The record; None where there is none."""
    if context.state_path is None or not claims.exists(context.state_path):
        return None, {}
    return context.store.load(), context.store.published()


def _first(context: contextlib.Context, snapshot: model.HostSnapshot) -> record.Claims:
    """What a record begins with; what a guest has that we did not give is its own."""
    return record.all_found(snapshot, context.guests or ())


def remember(context: contextlib.Context, published: placement.Published) -> None:
    """Note what is published, where there can be a record.

    It only serves to take back what is not wanted any more: without it nothing
    is taken back, and all else goes on.
    """
    if context.state_path is None:
        return
    try:
        if not context.store.exists():
            context.store.create(_first(context, context.snapshot))
        with context.store.transaction() as session:
            for parent, traits in published.items():
                session.set_published(parent, traits)
    except (exceptions.ClaimsError, exceptions.HostError) as e:
        LOG.warning('what is published cannot be recorded: %s', e)
