# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with the machine, each kind with its fields."""

from __future__ import annotations


class MachineError(Exception):
    """Anything that keeps a machine from being built, started or used."""


class NeedsMissing(MachineError):
    """The host lacks something that we cannot get by ourselves.

    :param what: what is missing.
    :param remedy: what the reader can do about it.
    """

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f'{what}; {remedy}')


class StepFailed(MachineError):
    """A command of the build failed.

    :param command: what was run.
    :param status: its exit status.
    :param output: the end of what it printed.
    """

    def __init__(self, command: str, status: int, output: str) -> None:
        self.command = command
        self.status = status
        self.output = output
        super().__init__(
            f'exit status {status} of: {command}\n--- its last lines:\n{output}'
        )


class RecipeOutdated(MachineError):
    """Something that we patch or pick by name is no longer as we know it."""


class KernelMismatch(MachineError):
    """The machine's kernel and the modules' kernel are of two versions."""


class _NotThere(MachineError):
    """A machine is not there; carries what its console said last."""

    _what = ''

    def __init__(self, name: str, reason: str, console: str) -> None:
        self.name = name
        self.reason = reason
        self.console = console
        super().__init__(
            f'machine {name!r} {self._what}: {reason}'
            f"\n--- its console's last lines:\n{console or '(nothing)'}"
        )


class DidNotComeUp(_NotThere):
    """A machine was started and does not answer.

    :param name: the machine.
    :param reason: what was waited for, or how it ended.
    :param console: the last lines of its console.
    """

    _what = 'did not come up'


class MachineDied(_NotThere):
    """QEMU ended while the machine was in use.

    :param name: the machine.
    :param reason: exit status or signal, and what QEMU said.
    :param console: the last lines of its console.
    """

    _what = 'ended'


class CommandFailed(MachineError):
    """A command in a machine ended with a status other than 0.

    :param command: what was run.
    :param status: its exit status.
    :param output: what it printed, standard error last.
    """

    def __init__(self, command: str, status: int, output: str) -> None:
        self.command = command
        self.status = status
        self.output = output
        super().__init__(f'exit status {status} of: {command}\n{output}')


class ConnectionBroke(MachineError):
    """The agent in a machine is reached no longer, and QEMU has not ended."""


class TimedOut(MachineError):
    """Something in a running machine took longer than it was given.

    :param what: what was waited for.
    :param seconds: how long.
    :param last: what was seen last.
    """

    def __init__(self, what: str, seconds: float, last: str = '') -> None:
        self.what = what
        self.seconds = seconds
        self.last = last
        super().__init__(f'{what}: not within {seconds:g} s\n{last}'.rstrip())
