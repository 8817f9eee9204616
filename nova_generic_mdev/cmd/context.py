# SPDX-License-Identifier: Apache-2.0
"""What the commands share: configuration, one look at the host, the record.

Everything is read when it is first asked for and at most once, so that a
command needs nothing that it does not use.
"""

from __future__ import annotations

import argparse
import collections.abc as cabc
import dataclasses
import functools
import logging
import os.path
import socket
import typing as ty

from oslo_config import cfg

from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import opts
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record
from nova_generic_mdev.host import nodedev
from nova_generic_mdev.host import sysfs

SYSFS = '/sys'
_T = ty.TypeVar('_T')
LOG = logging.getLogger(__name__)


class Context:
    """One run of the program.

    :param options: the global options
    :param defaults_only: read no file of the configuration
    """

    def __init__(
        self, options: argparse.Namespace, *, defaults_only: bool = False
    ) -> None:
        self.options = options
        self.defaults_only = defaults_only

    def with_defaults(self) -> Context:
        """The same run, as if nothing were configured."""
        return Context(self.options, defaults_only=True)

    @property
    def conf_arguments(self) -> list[str]:
        """The files of the configuration, as oslo.config takes them."""
        files = [f'--config-file={f}' for f in self.options.config_file or ()]
        folders = [f'--config-dir={d}' for d in self.options.config_dir or ()]
        return [*files, *folders]

    @functools.cached_property
    def conf(self) -> cfg.ConfigOpts:
        """The configuration that nova-compute reads, or the files named.

        :raises ConfigError: a file cannot be found or parsed
        """
        conf = cfg.ConfigOpts()
        opts.register(conf)
        # Nova's own option, needed for the default of ours.
        conf.register_opt(cfg.StrOpt('state_path', default='/var/lib/nova'))
        try:
            if self.defaults_only:
                conf([], default_config_files=[], default_config_dirs=[])
            else:
                conf(self.conf_arguments, project='nova', prog='nova-compute')
        except (cfg.Error, OSError, UnicodeDecodeError) as e:
            raise exceptions.ConfigError([self._unreadable(e)]) from e
        return conf

    def _unreadable(self, error: Exception) -> model.Problem:
        reason = str(error)
        if isinstance(error, OSError):
            reason = f'{error.filename}: {error.strerror}'
        elif isinstance(error, UnicodeDecodeError):
            # It does not say which of the files it is.
            named = (self.options.config_file or []) + (self.options.config_dir or [])
            where = ' or '.join(named) or 'one of the files that Nova reads'
            reason = f'{where}: not text, {error}'
        return model.Problem(
            severity=model.Severity.ERROR,
            group='',
            option='',
            problem=f'the configuration cannot be read: {reason}',
            remedy='mend the file, or name another with --config-file',
            fatal=True,
        )

    @functools.cached_property
    def _policy(self) -> tuple[policylib.Policy, tuple[model.Problem, ...]]:
        return opts.policy_from(self.conf)

    @property
    def policy(self) -> policylib.Policy:
        """What the operator wants, as far as it can be parsed."""
        return self._policy[0]

    @property
    def problems(self) -> tuple[model.Problem, ...]:
        """What is wrong with the configuration by itself."""
        return self._policy[1]

    @property
    def backend(self) -> str:
        """What makes mdevs; the default where that is a problem."""
        try:
            return str(self.conf.generic_mdev.backend)
        except cfg.Error:
            return opts.BACKEND

    @functools.cached_property
    def resolution(self) -> policylib.Resolution:
        """The rules on the parents of this host, with all problems."""
        return self.resolved(self.drained)

    def resolved(self, drained: cabc.Collection[str]) -> policylib.Resolution:
        """The same, where it is known otherwise which parents are drained."""
        policy, problems = self._policy
        parents = self.snapshot.parents.values()
        resolved = policylib.resolve(policy, parents, drained)
        return dataclasses.replace(resolved, problems=(*problems, *resolved.problems))

    @functools.cached_property
    def reader(self) -> sysfs.SysfsReader:
        """Looks at the sysfs tree that was named."""
        return sysfs.SysfsReader(self.options.sysfs)

    @functools.cached_property
    def snapshot(self) -> model.HostSnapshot:
        """All that sysfs tells now."""
        return self.reader.snapshot()

    @property
    def is_this_machine(self) -> bool:
        """Whether the sysfs tree is the kernel's own."""
        return os.path.realpath(str(self.options.sysfs)) == SYSFS

    @functools.cached_property
    def state_path(self) -> str | None:
        """Where the record is; None for another host's tree, which has none.

        The record of this machine says nothing about a tree elsewhere, unless
        the two are named together.
        """
        if self.options.state_path:
            return str(self.options.state_path)
        return opts.state_path(self.conf) if self.is_this_machine else None

    @functools.cached_property
    def claims(self) -> record.Claims:
        """The record; where there is none, all that is live was ``found``."""
        return self.store.load() if self.has_record else record.all_found(self.snapshot)

    @functools.cached_property
    def drained(self) -> frozenset[str]:
        """The parents that are drained.

        :raises ClaimsError: the record cannot be read
        """
        return self.store.drained() if self.has_record else frozenset()

    @property
    def has_record(self) -> bool:
        """Whether anything was ever claimed here."""
        return self.state_path is not None and claimslib.exists(self.state_path)

    @functools.cached_property
    def store(self) -> claimslib.ClaimStore:
        """The record's file, which need not be there."""
        if self.state_path is None:
            raise exceptions.HostError(
                self.options.sysfs,
                "it is not this machine's sysfs, so it has no record; "
                'name one with --state-path',
            )
        return claimslib.ClaimStore(self.state_path, claimslib.machine_id())

    @functools.cached_property
    def root_provider(self) -> str:
        """The name of this host's provider: what libvirt calls it, as Nova does."""
        if self.options.root_provider:
            return str(self.options.root_provider)
        try:
            return nodedev.hostname(self.libvirt_uri)
        except exceptions.HostError as e:
            self._miss(e)
            return socket.gethostname()

    @functools.cached_property
    def node_devices(self) -> model.HostSnapshot | None:
        """What libvirt tells of the host, or None where it cannot be asked."""
        return self._ask_libvirt(
            lambda: nodedev.NodedevReader(self.libvirt_uri).snapshot()
        )

    @functools.cached_property
    def guests(self) -> cabc.Mapping[str, bool] | None:
        """For each mdev in a guest's XML, whether that guest runs."""
        return self._ask_libvirt(self._guests)

    def _guests(self) -> dict[str, bool]:
        with nodedev.connected(self.libvirt_uri) as connection:
            found = nodedev.guests(connection)
        return {uuid: guest.running for uuid, guest in found.items()}

    @property
    def libvirt_uri(self) -> str | None:
        """The libvirt that was named; None is this machine's."""
        uri: str | None = self.options.libvirt_uri
        return uri

    def _ask_libvirt(self, ask: cabc.Callable[[], _T]) -> _T | None:
        # Another host's tree is not this machine's libvirt's business.
        if not (self.is_this_machine or self.libvirt_uri):
            return None
        try:
            return ask()
        except exceptions.MdevError as e:
            self._miss(e)
            return None

    def _miss(self, error: exceptions.MdevError) -> None:
        """libvirt was not there: worth a word only where it was asked for."""
        level = logging.WARNING if self.libvirt_uri else logging.DEBUG
        LOG.log(level, 'libvirt was not asked: %s', error)


def of(app: ty.Any) -> Context:
    """The context of the program that a command runs in."""
    context: Context = app.context
    return context
