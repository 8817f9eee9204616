# SPDX-License-Identifier: Apache-2.0
"""What can be done in a machine that runs: commands and files."""

from __future__ import annotations

import abc
import shlex
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import TypeVar

from tests.system.machine import agent
from tests.system.machine import errors
from tests.system.machine import image

T = TypeVar('T')
_INSTALL = """
import importlib.metadata, os, pathlib, shutil, sys, sysconfig, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
site = pathlib.Path(sysconfig.get_path('purelib'))
tops = {name.split('/')[0] for name in wheel.namelist()}
for top in tops:
    shutil.rmtree(site / top, ignore_errors=True)
wheel.extractall(site)
(told,) = (site / top for top in tops if top.endswith('.dist-info'))
points = importlib.metadata.PathDistribution(told).entry_points
for point in points.select(group='console_scripts'):
    script = pathlib.Path(sysconfig.get_path('scripts'), point.name)
    script.write_text(
        f'#!{sys.executable}\\nimport sys\\nfrom {point.module} import {point.attr}\\n'
        f'sys.exit({point.attr}())\\n'
    )
    script.chmod(0o755)
os.unlink(sys.argv[1])
"""


class Access(abc.ABC):
    """Commands and files of one machine, through its agent."""

    @abc.abstractmethod
    def connection(self) -> agent.Agent:
        """The agent.

        :raises MachineError: the machine is not running.
        """

    @abc.abstractmethod
    def check(self) -> None:
        """Find out that the machine still runs.

        :raises MachineDied: it does not.
        """

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
        words = ['/bin/bash', '-c', command] if isinstance(command, str) else command
        result = self.connection().run(words, timeout, stdin, environment)
        if check and result.status != 0:
            text = f'{result.stdout}{result.stderr}'.rstrip()
            shown = command if isinstance(command, str) else shlex.join(command)
            raise errors.CommandFailed(shown, result.status, text)
        return result

    def output(self, command: str | Sequence[str], *, timeout: float = 60.0) -> str:
        """What a command prints, without the last line's end; else as `run`."""
        return self.run(command, timeout=timeout).stdout.rstrip('\n')

    def write_text(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file, and the directories above it where they are missing."""
        self._write(path, text.encode(), mode)

    def read_text(self, path: str) -> str:
        """Read a file."""
        return self.connection().read(path).decode()

    def put(self, source: Path, path: str) -> None:
        """Copy a file of the host, with its mode, to a path in the machine."""
        self._write(path, source.read_bytes(), source.stat().st_mode & 0o777)

    def get(self, path: str, target: Path) -> None:
        """Copy a file of the machine to a path on the host."""
        target.write_bytes(self.connection().read(path))

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
            if callable(probe):
                seen = probe()
            else:
                left = deadline - time.monotonic()
                seen = self.run(probe, check=False, timeout=max(left, 60.0))
            if getattr(seen, 'status', 0) == 0 and seen:
                return seen  # type: ignore[no-any-return]
            if time.monotonic() > deadline:
                raise errors.TimedOut(what, timeout, f'seen last: {seen}')
            self.check()
            time.sleep(pause)

    def install_wheel(self, wheel: Path) -> None:
        """Install a wheel in the machine's environment, over one of its name.

        Its dependencies are those of the image, so none is looked for. It has to
        be of pure Python: such a one is unpacked, and its programs are written.
        pip does the same, and needs most of a minute here.
        """
        path = f'/root/{wheel.name}'
        self.put(wheel, path)
        self.run([f'{image.VENV}/bin/python', '-c', _INSTALL, path], timeout=180)

    def _write(self, path: str, content: bytes, mode: int) -> None:
        self.run(['/bin/mkdir', '-p', str(Path(path).parent)])
        self.connection().write(path, content)
        self.run(['/bin/chmod', f'{mode:o}', path])
