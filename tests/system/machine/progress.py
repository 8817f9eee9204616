# SPDX-License-Identifier: Apache-2.0
"""Progress in plain words on standard error, with the time since the start."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

_START = time.monotonic()


def say(text: str) -> None:
    """Print one line: seconds since the program began, and what happens."""
    elapsed = time.monotonic() - _START
    print(f'[{elapsed:6.1f} s] {text}', file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Say what begins, and how long it took once it has succeeded."""
    began = time.monotonic()
    say(f'{text} ...')
    yield
    say(f'{text}: done in {time.monotonic() - began:.1f} s')
