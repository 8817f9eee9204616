# SPDX-License-Identifier: Apache-2.0
"""Numbers as text, for a terminal and for the documentation."""

from __future__ import annotations

import collections.abc as cabc

Row = tuple[str, ...]


def milliseconds(seconds: float) -> str:
    """Three digits that matter."""
    return f'{seconds * 1000:.3g}' if seconds < 1 else f'{seconds * 1000:.0f}'


def text(header: Row, rows: cabc.Iterable[Row]) -> str:
    """A table with aligned columns, as reStructuredText takes it too."""
    lines = [header, *rows]
    widths = [max(len(line[n]) for line in lines) or 1 for n in range(len(header))]
    rule = '  '.join('=' * width for width in widths)

    def line(row: Row) -> str:
        cells = (c.ljust(w) for c, w in zip(row, widths, strict=True))
        return '  '.join(cells).rstrip()

    body = [line(row) for row in lines[1:]]
    return '\n'.join([rule, line(header), rule, *body, rule])
