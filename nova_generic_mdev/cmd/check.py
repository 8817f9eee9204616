# SPDX-License-Identifier: Apache-2.0
"""``nova-mdev config check``: all that is wrong with the configuration."""

from __future__ import annotations

import argparse
import collections.abc as cabc
import getpass

from cliff import lister

from nova_generic_mdev import changes
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import policy
from nova_generic_mdev.cmd import act
from nova_generic_mdev.cmd import context

_CLEAN, _ERRORS, _COULD_NOT_LOOK = range(3)


class ConfigCheck(lister.Lister):
    """List every problem of the configuration on this host.

    Exits 0 without errors, 1 with errors, 2 where it could not look.
    """

    _status = _CLEAN

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Print the table; the exit status says what is in it."""
        super().run(parsed_args)
        return self._status

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], cabc.Iterable[tuple[str, ...]]]:
        """A row per problem, errors first, then in the order of the options."""
        problems = self._problems()
        errors = [p for p in problems if p.severity is model.Severity.ERROR]
        if errors and self._status == _CLEAN:
            self._status = _ERRORS
        order = list(model.Severity)
        problems.sort(key=lambda p: order.index(p.severity))
        header = ('severity', 'group', 'option', 'problem', 'remedy')
        return header, (
            (p.severity.value, p.group, p.option, p.problem, p.remedy) for p in problems
        )

    def _problems(self) -> list[model.Problem]:
        run = context.of(self.app)
        unread, unseen = self._unread(run), self._unseen(run)
        if unread or unseen:
            self._status = _COULD_NOT_LOOK
            itself = [] if unread else [*run.problems, *policy.check(run.policy)]
            return [*unread, *itself, *unseen]
        return [
            *self._of_the_host(run),
            *self._unprivileged(run),
            *map(_fault, run.snapshot.faults),
        ]

    def _of_the_host(self, run: context.Context) -> list[model.Problem]:
        """What is wrong on this host, and what changes for what is in use.

        Without the record no parent is drained, and nothing is in use.
        """
        try:
            return [*run.resolution.problems, *_changes(run)]
        except exceptions.ClaimsError as e:
            return [*run.resolved(()).problems, _unrecorded(e)]

    def _unprivileged(self, run: context.Context) -> tuple[model.Problem, ...]:
        """Whether this user can start the helper, where there is work for it."""
        if not (run.is_this_machine and run.policy.rules):
            return ()
        try:
            act.start_helper(run)
        except exceptions.HostError as e:
            return (_refused(e),)
        return ()

    def _unread(self, run: context.Context) -> tuple[model.Problem, ...]:
        try:
            _ = run.policy
        except exceptions.ConfigError as e:
            return e.problems
        return ()

    def _unseen(self, run: context.Context) -> tuple[model.Problem, ...]:
        try:
            _ = run.snapshot
        except exceptions.HostError as e:
            return (_unseen(e),)
        return ()


def _changes(run: context.Context) -> tuple[model.Problem, ...]:
    """What the configuration does to what is in use."""
    if not run.has_record:
        return ()
    return changes.of(
        run.policy,
        run.resolution,
        run.snapshot,
        run.claims,
        run.store.published(),
        run.root_provider,
    )


def _unseen(error: exceptions.HostError) -> model.Problem:
    return model.Problem(
        severity=model.Severity.ERROR,
        group='',
        option='',
        problem=f'the host cannot be looked at: {error}',
        remedy='mount sysfs, or name its root with --sysfs',
    )


def _unrecorded(error: exceptions.ClaimsError) -> model.Problem:
    return model.Problem(
        severity=model.Severity.WARNING,
        group='generic_mdev',
        option='state_path',
        problem=str(error),
        remedy='what is in use, or drained, is not known; check as the user that '
        'nova-compute runs as',
    )


def _refused(error: exceptions.HostError) -> model.Problem:
    # Only a warning: nova-compute may run as another user, who is allowed to.
    return model.Problem(
        severity=model.Severity.WARNING,
        group='generic_mdev_privileged',
        option='helper_command',
        problem=f'{getpass.getuser()} cannot start what writes to sysfs: {error}',
        remedy='check as the user that nova-compute runs as; install the rootwrap '
        'filter or the sudoers file that come with this project',
    )


def _fault(fault: model.Fault) -> model.Problem:
    return model.Problem(
        severity=model.Severity.WARNING,
        group='',
        option='',
        problem=f'{fault.where}: {fault.reason}',
        remedy='what it should tell is left out; look at the driver of that device',
    )
