# SPDX-License-Identifier: Apache-2.0
"""A process that somebody started, known again later and by other programs."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from pathlib import Path

# proc_pid_stat(5): what follows the name in parentheses.
_STATE, _STARTTIME = 0, 19


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """A process id, and when it began: the number alone is given out again.

    :param pid: it also leads its process group.
    :param begun: the kernel's count of ticks at its start.
    """

    pid: int
    begun: int

    @classmethod
    def of(cls, pid: int) -> Identity:
        """The process that has this id now."""
        return cls(pid=pid, begun=int(_stat(pid)[_STARTTIME]))

    def alive(self) -> bool:
        """Whether it has not ended; whoever is only not waited for has."""
        try:
            stat = _stat(self.pid)
        except (FileNotFoundError, ProcessLookupError):
            return False
        return int(stat[_STARTTIME]) == self.begun and stat[_STATE] not in 'ZX'

    def wait(self, timeout: float) -> bool:
        """Wait for its end; whether it came."""
        deadline = time.monotonic() + timeout
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def end(self, timeout: float) -> None:
        """End it and its group: asked first, after the time-out by force."""
        if not self.alive():
            return
        self._signal(signal.SIGTERM)
        if not self.wait(timeout):
            self._signal(signal.SIGKILL)
            self.wait(timeout)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def _stat(pid: int) -> list[str]:
    text = Path(f'/proc/{pid}/stat').read_text()
    return text.rpartition(')')[2].split()
