# SPDX-License-Identifier: Apache-2.0
"""A machine: started, used, rebooted, stopped."""

from __future__ import annotations

import atexit
import re
import shlex
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tests.system.machine import (
    agent,
    errors,
    image,
    layers,
    packages,
    progress,
    qemu,
)

T = TypeVar('T')

CONSOLE_LINES = 25
_NAME = re.compile(r'[a-z][a-z0-9-]{0,30}\Z')


class Network:
    """A private network of two machines; they know each other by name.

    :param names: the names that the two machines will have.
    """

    def __init__(self, first: str, second: str) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix='mdev-net-')
        self._hosts = ((first, '192.168.77.11'), (second, '192.168.77.12'))

    def place(self, name: str) -> qemu.Place:
        """The place of one of the two machines."""
        number = [host for host, _ in self._hosts].index(name) + 1
        return qemu.Place(
            number=number, directory=Path(self._directory.name), hosts=self._hosts
        )


class Machine:
    """A Debian machine with real mdevs, under plain emulation.

    Use it as a context manager, or call `start` and `stop`. What is written
    to its disk survives `reboot` and is gone after `stop`.

    :param name: its host name.
    :param pci_parents: PCI functions that are parents (``0000:00:05.0`` on).
    :param memory: in MiB.
    :param processors: how many it has.
    :param network: a network to be part of.
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
        network: Network | None = None,
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
            'place': network.place(name) if network else None,
        }

    # ---- life ----

    def start(self, timeout: float = 180.0, *, libvirt: bool = True) -> Machine:
        """Power on, and wait until the machine can be used.

        :param libvirt: wait for libvirt too.
        :raises DidNotComeUp: it ended, or took longer than `timeout` seconds.
        """
        settings = self._prepare()
        began = time.monotonic()
        self._process = qemu.Process(settings)
        atexit.register(self.stop)
        self._agent = agent.Agent(settings.directory / qemu.AGENT_SOCKET, self._check)
        try:
            self._agent.connect(timeout)
            if libvirt:
                self._wait_for_libvirt(timeout - (time.monotonic() - began))
        except (errors.MachineDied, errors.TimedOut) as error:
            reason = getattr(error, 'reason', str(error))
            console = self.console_tail()
            self.stop()
            raise errors.DidNotComeUp(self.name, reason, console) from error
        progress.say(f'{self.name} is up after {time.monotonic() - began:.1f} s')
        return self

    def stop(self) -> None:
        """Power off at once and forget the disk. Stopping twice is fine."""
        self._power_off()
        atexit.unregister(self.stop)
        if self.directory is not None:
            shutil.rmtree(self.directory)
            self.directory = None

    def reboot(self, timeout: float = 180.0, *, clean: bool = True) -> None:
        """Start again with the same disk.

        :param clean: shut down in order; else the power goes, and what was
            not yet written is lost.
        :raises TimedOut: it did not shut down.
        :raises DidNotComeUp: as for `start`.
        """
        process = self._running()
        if clean:
            self._connection().tell('guest-shutdown', mode='powerdown')
            if not process.wait(timeout):
                raise errors.TimedOut(
                    f'{self.name} shuts down', timeout, self.console_tail()
                )
        self._power_off()
        self.start(timeout)

    @property
    def pid(self) -> int:
        """The process id of its QEMU."""
        return self._running().pid

    def __enter__(self) -> Machine:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # ---- use ----

    def run(
        self,
        command: str | Sequence[str],
        *,
        timeout: float = 60.0,
        check: bool = True,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> agent.Result:
        """Run a command as root.

        :param command: a line for bash, or words that are run as they are.
        :param check: raise unless its exit status is 0.
        :param stdin: what it reads.
        :raises CommandFailed: with `check`, its exit status is not 0.
        :raises TimedOut: it was killed after `timeout` seconds.
        :raises MachineDied: the machine ended.
        """
        line = isinstance(command, str)
        words = ['/bin/bash', '-c', command] if line else list(command)
        result = self._connection().run(words, timeout, stdin, environment)
        if check and result.status != 0:
            text = f'{result.stdout}{result.stderr}'.rstrip()
            shown = command if line else shlex.join(words)
            raise errors.CommandFailed(str(shown), result.status, text)
        return result

    def output(self, command: str | Sequence[str], *, timeout: float = 60.0) -> str:
        """What a command prints, without the last line's end; else as `run`."""
        return self.run(command, timeout=timeout).stdout.rstrip('\n')

    def write_text(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file, and the directories above it where they are missing."""
        self._write(path, text.encode(), mode)

    def read_text(self, path: str) -> str:
        """Read a file."""
        return self._connection().read(path).decode()

    def put(self, source: Path, path: str) -> None:
        """Copy a file of the host, with its mode, to a path in the machine."""
        self._write(path, source.read_bytes(), source.stat().st_mode & 0o777)

    def get(self, path: str, target: Path) -> None:
        """Copy a file of the machine to a path on the host."""
        target.write_bytes(self._connection().read(path))

    def wait_for(
        self,
        what: str,
        probe: Callable[[], T | None] | str,
        timeout: float = 30.0,
        pause: float = 0.2,
    ) -> T | agent.Result:
        """Wait until something is so.

        :param what: in words, for the error.
        :param probe: a function that returns something true, or a command
            that ends with status 0.
        :returns: what the function returned, or the command's result.
        :raises TimedOut: it never did; the error has what was seen last.
        """
        deadline = time.monotonic() + timeout
        seen: Any = None
        while True:
            seen = probe() if callable(probe) else self.run(probe, check=False)
            if getattr(seen, 'status', 0) == 0 and seen:
                return seen  # type: ignore[no-any-return]
            if time.monotonic() > deadline:
                raise errors.TimedOut(what, timeout, f'seen last: {seen}')
            self._check()
            time.sleep(pause)

    def install_wheel(self, wheel: Path) -> None:
        """Install a wheel in the machine's environment, over one of its name.

        Its dependencies are those of the image, so none is looked for.
        """
        path = f'/var/tmp/{wheel.name}'
        self.put(wheel, path)
        options = '--no-deps --no-index --force-reinstall --no-compile -q'
        self.run(
            f'{image.VENV}/bin/pip --no-cache-dir --disable-pip-version-check '
            f'install {options} {path} && rm {path}',
            timeout=180,
        )

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
        settings = qemu.Settings(
            image=self._built, directory=self.directory, **self._wanted
        )
        if fresh:
            qemu.create_overlay(settings)
        return settings

    def _wait_for_libvirt(self, timeout: float) -> None:
        self.wait_for(
            'libvirt answers',
            'virsh -q -c qemu:///system nodedev-list --cap mdev_types',
            timeout,
            pause=0.3,
        )

    def _power_off(self) -> None:
        if self._agent is not None:
            self._agent.close()
            self._agent = None
        if self._process is not None:
            self._process.stop()
            self._process = None

    def _write(self, path: str, content: bytes, mode: int) -> None:
        self.run(['/bin/mkdir', '-p', str(Path(path).parent)])
        self._connection().write(path, content)
        self.run(['/bin/chmod', f'{mode:o}', path])

    def _check(self) -> None:
        reason = self._running().ending()
        if reason is not None:
            raise errors.MachineDied(self.name, reason, self.console_tail())

    def _running(self) -> qemu.Process:
        if self._process is None:
            raise errors.MachineError(f'{self.name} is not running')
        return self._process

    def _connection(self) -> agent.Agent:
        self._check()
        assert self._agent is not None
        return self._agent
