# SPDX-License-Identifier: Apache-2.0
"""``nova-mdev``: the program and its global options."""

from __future__ import annotations

import argparse
import importlib.metadata
import inspect
import logging
import os
import sys
import typing as ty
import warnings

from cliff import app
from cliff import commandmanager

from nova_generic_mdev.cmd import lazily

_DISTRIBUTION = 'nova-generic-mdev'
# As a shell says it of a program that this signal ended.
_SIGPIPE = 128 + 13
_NO_COMMAND = 2


class NovaMdev(app.App):
    """Look at the mediated devices of this host, and act on them."""

    # However it was started: it is what help and errors call the program.
    NAME = 'nova-mdev'

    def __init__(self) -> None:
        super().__init__(
            description=self.__doc__,
            version=importlib.metadata.version(_DISTRIBUTION),
            command_manager=commandmanager.CommandManager('nova_mdev.commands'),
            deferred_help=True,
        )

    def build_option_parser(
        self, *args: ty.Any, **kwargs: ty.Any
    ) -> argparse.ArgumentParser:
        """The options that stand before every command."""
        parser: argparse.ArgumentParser = super().build_option_parser(*args, **kwargs)
        parser.prog = self.NAME
        _add_options(parser)
        return parser

    def print_help_if_requested(self) -> None:
        """Print the options, and a line for each command.

        cliff's own tells of each command whose it is, for which it reads the list of
        files of everything that is installed: longer than all the rest takes.
        """
        if not self.options.deferred_help:
            return
        told = {name: _line_of(entry.load()) for name, entry in self.command_manager}
        width = max(map(len, told))
        lines = [f'  {name:<{width}}  {told[name]}' for name in sorted(told)]
        self.parser.print_help(self.stdout)
        self.stdout.write('\n'.join(['', 'Commands:', *lines, '']))
        sys.exit()

    def configure_logging(self) -> None:
        """What the helper and the engine tell is for those who want to know.

        The table says what was done.
        """
        super().configure_logging()
        is_quiet = self.options.verbose_level <= self.DEFAULT_VERBOSE_LEVEL
        for name in ('oslo.privsep', 'nova_generic_mdev'):
            level = logging.WARNING if is_quiet else logging.NOTSET
            logging.getLogger(name).setLevel(level)

    def initialize_app(self, argv: list[str]) -> None:
        """Give the commands what the global options say."""
        from nova_generic_mdev.cmd import context

        self.context: context.Context = context.Context(self.options)
        #: for options that depend on others, an auth plugin's say
        self.argv = argv

    def run(self, argv: list[str]) -> int:
        """Run one command; without one there is no shell, only help."""
        status = int(super().run(argv))
        return _NO_COMMAND if self.interactive_mode else status

    def run_subcommand(self, argv: list[str]) -> int:
        """Run a command; what is none is told on standard error, as every error."""
        try:
            self.command_manager.find_command(argv)
        except ValueError:
            self.stdout = self.stderr
        return int(super().run_subcommand(argv))

    def interact(self) -> None:
        """No command was given: say what there is."""
        self.parser.print_help(sys.stderr)


def _line_of(command: type) -> str:
    """What a command does, in a line."""
    described = inspect.getdoc(command) or ''
    return described.partition('\n')[0].rstrip('.')


def _add_options(parser: argparse.ArgumentParser) -> None:
    from nova_generic_mdev.cmd import context

    parser.add_argument(
        '--config-file',
        action='append',
        metavar='PATH',
        help='configuration file, may be repeated (default: what Nova reads)',
    )
    parser.add_argument(
        '--config-dir',
        action='append',
        metavar='DIR',
        help='directory of *.conf files, may be repeated',
    )
    parser.add_argument(
        '--sysfs',
        default=context.SYSFS,
        metavar='DIR',
        help='root of the sysfs tree to read (default: %(default)s)',
    )
    parser.add_argument(
        '--state-path',
        metavar='DIR',
        help='directory of the record (default: [generic_mdev] state_path)',
    )
    parser.add_argument(
        '--root-provider',
        metavar='NAME',
        help="name of this host's resource provider "
        "(default: libvirt's hostname, else the machine's)",
    )
    parser.add_argument(
        '--libvirt-uri',
        metavar='URI',
        help='libvirt to ask (default: qemu:///system, if it is there)',
    )


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    # oslo.privsep imports it where it is; that is not for an operator to mend.
    warnings.filterwarnings('ignore', r'\s*Eventlet is deprecated')
    with lazily.imported():
        return _flushed(NovaMdev().run(sys.argv[1:] if argv is None else argv))


def _flushed(status: int) -> int:
    """The status, or that nobody read what was still to be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _SIGPIPE
    return status
