# SPDX-License-Identifier: Apache-2.0
"""How values of the output look in each of cliff's formats."""

from __future__ import annotations

import collections.abc as cabc

_LISTS = frozenset({'json', 'yaml'})


def words(names: cabc.Iterable[str], output: str) -> list[str] | str:
    """Names in order: a list in json and yaml, one a line in a table, else words.

    :param output: the name of the format
    """
    return in_order(sorted(names), output)


def in_order(words: cabc.Iterable[str], output: str) -> list[str] | str:
    """The same of words whose order means something."""
    ordered = list(words)
    if output in _LISTS:
        return ordered
    return ('\n' if output == 'table' else ' ').join(ordered)


def or_empty(value: object) -> object:
    """The value, or nothing where there is none."""
    return '' if value is None else value
