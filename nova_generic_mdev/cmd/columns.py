# SPDX-License-Identifier: Apache-2.0
"""How values of the output look in each of cliff's formats."""

from __future__ import annotations

import collections.abc as cabc

from cliff import columns


class _Words(list[str]):
    """A list in json and yaml; words in csv and value."""

    def __str__(self) -> str:
        return ' '.join(self)


class Words(columns.FormattableColumn[cabc.Collection[str]]):
    """A set of names, in order."""

    def human_readable(self) -> str:
        """One name a line."""
        return '\n'.join(sorted(self._value))

    def machine_readable(self) -> list[str]:
        """All names, in order."""
        return _Words(sorted(self._value))


def or_empty(value: object) -> object:
    """The value, or nothing where there is none."""
    return '' if value is None else value
