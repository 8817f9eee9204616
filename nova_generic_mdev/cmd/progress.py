# SPDX-License-Identifier: Apache-2.0
"""How far long work is: told to a terminal, not to a pipe."""

from __future__ import annotations

import typing as ty


def say(stream: ty.TextIO, number: int, total: int, what: str) -> None:
    """One line, such as ``[3/12] compute-1_mtty_mtty: set traits``."""
    if stream.isatty():
        width = len(str(total))
        stream.write(f'[{number:>{width}}/{total}] {what}\n')
        stream.flush()
