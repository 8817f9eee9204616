# SPDX-License-Identifier: Apache-2.0
"""A machine: started, used, rebooted, stopped."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.system.machine import access
from tests.system.machine import agent
from tests.system.machine import errors
from tests.system.machine import identity
from tests.system.machine import layers
from tests.system.machine import network
from tests.system.machine import packages
from tests.system.machine import progress
from tests.system.machine import qemu
from tests.system.machine import staying

CONSOLE_LINES = 25
# A trap that the kernel has put into its own code, seen by the wrong processor.
_BROKEN = 'Oops: int3'
_FOUND_TIMEOUT = 60.0
_NAME = re.compile(r'[a-z][a-z0-9-]{0,30}\Z')


class Machine(access.Access):
    """A Debian machine with real mdevs, under plain emulation.

    Use it as a context manager, or call `start` and `stop`. What is written
    to its disk survives `reboot` and is gone after `stop`.

    :param name: its host name.
    :param pci_parents: PCI functions that are parents (``0000:00:05.0`` on).
    :param memory: in MiB.
    :param processors: how many it has.
    :param network: a network to be part of.
    :param services: ports of this computer's loopback that it can reach, at the
        same ports of the host ``services``; nothing else is reached.
    :param kernel_words: more words for its kernel's command line.
    :param built: the image's directory; built or found by default.
    """

    def __init__(
        self,
        name: str = 'machine',
        *,
        pci_parents: int = 2,
        memory: int = 3072,
        processors: int = 2,
        network: network.Network | None = None,
        services: tuple[int, ...] = (),
        kernel_words: str = '',
        built: Path | None = None,
    ) -> None:
        if not _NAME.match(name):
            raise ValueError(f'not a host name: {name!r}')
        if not 0 <= pci_parents <= qemu.MAX_PCI_PARENTS:
            raise ValueError(f'pci_parents: {pci_parents}, not 0 to 24')
        self.name = name
        self.directory: Path | None = None
        self._built = built
        self._process: qemu.Process | None = None
        self._agent: agent.Agent | None = None
        self._wanted: dict[str, Any] = {
            'name': name,
            'machine_id': uuid.uuid4(),
            'memory': memory,
            'processors': processors,
            'pci_parents': pci_parents,
            'kernel_words': kernel_words,
            'services': services,
            'place': network.place(name) if network else None,
        }

    # ---- life ----

    def start(self, timeout: float = 300.0, *, libvirt: bool = True) -> Machine:
        """Power on, and wait until the machine can be used.

        A new machine whose kernel ends at once is started once more: emulation
        with several threads was seen to break one at boot.

        :param libvirt: wait for libvirt too.
        :raises DidNotComeUp: it ended, or took longer than `timeout` seconds.
        """
        is_new = self.directory is None
        try:
            return self._start(timeout, libvirt=libvirt)
        except errors.DidNotComeUp as error:
            if not (is_new and isinstance(error.__cause__, errors.MachineDied)):
                raise
            progress.say(f'{self.name} did not come up, once more: {error.reason}')
        return self._start(timeout, libvirt=libvirt)

    def _start(
        self, timeout: float, *, libvirt: bool, once_more: bool = False
    ) -> Machine:
        try:
            self._boot(timeout, libvirt=libvirt)
        except (errors.MachineDied, errors.TimedOut) as error:
            reason = getattr(error, 'reason', str(error))
            console = self.console_tail()
            if once_more and _BROKEN in self.console():
                progress.say(f'{self.name} was broken by its emulation, once more')
                self.power_off()
                return self._start(timeout, libvirt=libvirt)
            self.stop()
            raise errors.DidNotComeUp(self.name, reason, console) from error
        return self

    def _boot(self, timeout: float, *, libvirt: bool) -> None:
        settings = self._prepare()
        began = time.monotonic()
        self._process = qemu.Process(settings)
        atexit.register(self.stop)
        self._agent = agent.Agent(settings.directory / qemu.AGENT_SOCKET, self.check)
        self._agent.connect(timeout)
        if libvirt:
            self._wait_for_libvirt(timeout - (time.monotonic() - began))
        progress.say(f'{self.name} is up after {time.monotonic() - began:.1f} s')

    def stop(self) -> None:
        """Power off at once and forget the disk. Stopping twice is fine."""
        self.power_off()
        if self.directory is not None:
            shutil.rmtree(self.directory)
            self.directory = None

    def leave(self) -> dict[str, Any]:
        """Let it run on without this program; for `found`, maybe in another one."""
        assert self.directory is not None
        known = self._running().identity
        self._forget()
        return staying.pack(self._settings(self.directory), known)

    @classmethod
    def found(cls, left: dict[str, Any]) -> Machine:
        """A machine that `leave` let run on, or that has ended since."""
        settings, known = staying.unpack(left)
        machine = cls(settings.name, built=settings.image)
        machine.directory = settings.directory
        machine._wanted = staying.wanted(settings)
        machine._process = qemu.Process(settings, known)
        path = settings.directory / qemu.AGENT_SOCKET
        # Connected when it is used: one that hangs can be stopped all the same.
        machine._agent = agent.Agent(path, machine.check)
        return machine

    def reboot(self, timeout: float = 300.0, *, clean: bool = True) -> None:
        """Start again with the same disk.

        One that its emulation breaks at boot (see `start`) is started once more:
        it has not come to its disk yet.

        :param clean: shut down in order; else the power goes, and what was
            not yet written is lost.
        :raises TimedOut: it did not shut down.
        :raises DidNotComeUp: as for `start`.
        """
        process = self._running()
        if clean:
            self.connection().tell('guest-shutdown', mode='powerdown')
            if not process.wait(timeout):
                raise errors.TimedOut(
                    f'{self.name} shuts down', timeout, self.console_tail()
                )
        self.power_off()
        self._start(timeout, libvirt=True, once_more=True)

    @property
    def identity(self) -> identity.Identity:
        """Its QEMU, as a process."""
        return self._running().identity

    @property
    def pid(self) -> int:
        """The process id of its QEMU."""
        return self.identity.pid

    def __enter__(self) -> Machine:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # ---- look ----

    @property
    def terminal(self) -> Path:
        """The socket of its second serial port, for a person's terminal."""
        assert self.directory is not None
        return self.directory / qemu.TERMINAL_SOCKET

    def console(self) -> str:
        """All that its console has shown."""
        if self.directory is None:
            return ''
        path = self.directory / qemu.CONSOLE
        return path.read_text(errors='replace') if path.exists() else ''

    def console_tail(self) -> str:
        """The last lines of its console."""
        lines = [line.rstrip() for line in self.console().splitlines()]
        return '\n'.join([line for line in lines if line][-CONSOLE_LINES:])

    # ---- how ----

    def _prepare(self) -> qemu.Settings:
        if self._process is not None:
            raise errors.MachineError(f'{self.name} is running already')
        packages.ensure(packages.TO_RUN)
        self._built = self._built or layers.obtain_image()
        fresh = self.directory is None
        if self.directory is None:
            # Short, since a socket's path is, and on a disk, not in memory.
            name = tempfile.mkdtemp(prefix=f'mdev-{self.name}-', dir='/var/tmp')
            self.directory = Path(name)
        settings = self._settings(self.directory)
        if fresh:
            qemu.create_overlay(settings)
        return settings

    def _settings(self, directory: Path) -> qemu.Settings:
        assert self._built is not None
        return qemu.Settings(image=self._built, directory=directory, **self._wanted)

    def _wait_for_libvirt(self, timeout: float) -> None:
        self.wait_for(
            'libvirt answers',
            'virsh -q -c qemu:///system nodedev-list --cap mdev_types',
            timeout,
            pause=0.3,
        )

    def power_off(self) -> None:
        """Power off at once; `start` finds the disk as it is."""
        if self._process is not None:
            self._process.stop()
        self._forget()

    def _forget(self) -> None:
        atexit.unregister(self.stop)
        if self._agent is not None:
            self._agent.close()
        self._agent = self._process = None

    def check(self) -> None:
        reason = self._running().ending()
        if reason is not None:
            raise errors.MachineDied(self.name, reason, self.console_tail())

    def _running(self) -> qemu.Process:
        if self._process is None:
            raise errors.MachineError(f'{self.name} is not running')
        return self._process

    def connection(self) -> agent.Agent:
        self.check()
        assert self._agent is not None
        if not self._agent.is_connected:
            self._agent.connect(_FOUND_TIMEOUT)
        return self._agent
