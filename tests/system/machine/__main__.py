# SPDX-License-Identifier: Apache-2.0
"""The machine by hand: ``python3 -m tests.system.machine --help``."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from tests.system.machine import cache
from tests.system.machine import errors
from tests.system.machine import host
from tests.system.machine import layers
from tests.system.machine import packages
from tests.system.machine import progress
from tests.system.machine import terminal
from tests.system.machine.machine import Machine


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    :returns: 0, the status of the command that ran in the machine, or 1 with
        the error on standard error.
    """
    given = _parser().parse_args(arguments)
    # The end by a signal is an end like any other: the machine is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        status: int = given.function(given)
    except errors.MachineError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python3 -m tests.system.machine',
        description='A Debian machine with real mdevs, under plain emulation.',
    )
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    build = commands.add_parser('build', help='build it, and print where it is')
    build.set_defaults(function=_build)
    run = commands.add_parser('run', help='start one, run a command, stop it')
    run.add_argument('line', metavar='COMMAND', help='a line for bash')
    run.add_argument('--timeout', type=float, default=600, metavar='SECONDS')
    run.set_defaults(function=_run)
    shell = commands.add_parser('shell', help='start one, and give you a shell')
    shell.set_defaults(function=_shell)
    for command in (run, shell):
        _add_machine_options(command)
    clean = commands.add_parser('clean', help='remove the cache')
    clean.set_defaults(function=_clean)
    return parser


def _add_machine_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('--name', default='machine', help='its host name (%(default)s)')
    add(
        '--pci-parents',
        type=int,
        default=2,
        metavar='N',
        help='parents that are PCI functions (%(default)s)',
    )
    add('--wheel', type=Path, action='append', default=[], help='install it first')


def _build(given: argparse.Namespace) -> int:
    packages.ensure(packages.TO_RUN)
    print(layers.obtain_image())
    return 0


def _run(given: argparse.Namespace) -> int:
    with _started(given) as machine:
        result = machine.run(given.line, timeout=given.timeout, check=False)
    print(result.stdout, end='')
    print(result.stderr, end='', file=sys.stderr)
    return result.status


def _shell(given: argparse.Namespace) -> int:
    with _started(given) as machine:
        progress.say('a shell follows; leave it with "exit" or Control and ]')
        terminal.attach(machine)
    return 0


def _clean(given: argparse.Namespace) -> int:
    host.remove_tree(cache.default_root())
    return 0


@contextlib.contextmanager
def _started(given: argparse.Namespace) -> Iterator[Machine]:
    """The machine that was asked for, with its wheels; stopped at the end."""
    with Machine(given.name, pci_parents=given.pci_parents) as machine:
        for wheel in given.wheel:
            machine.install_wheel(wheel)
        yield machine


if __name__ == '__main__':
    sys.exit(main())
