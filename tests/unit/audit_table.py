# SPDX-License-Identifier: Apache-2.0
"""The table of what an audit can find, for the documentation.

``python -m tests.unit.audit_table`` writes it; a test holds it to the code.
"""

from __future__ import annotations

import pathlib
import re
import textwrap

from nova_generic_mdev import audit

PATH = pathlib.Path(__file__).parents[2] / 'doc/source/admin/audit-kinds.inc'
_HEAD = """\
.. Made by "python -m tests.unit.audit_table"; do not edit.

.. list-table::
   :header-rows: 1
   :widths: 18 32 28 22

   * - kind, severity
     - what differs
     - remedy
     - with ``--fix``
"""
_QUOTED = re.compile(r'"([^"]+)"')


def rst() -> str:
    """A row for each kind, in the order of the enumeration."""
    return _HEAD + ''.join(_row(kind) for kind in audit.Kind)


def _row(kind: audit.Kind) -> str:
    meaning = audit.MEANINGS[kind]
    cells = (
        f'``{kind}``, {meaning.severity}',
        _prose(meaning.says),
        _prose(meaning.remedy),
        _prose(meaning.mended) or 'not mended',
    )
    marks = ('   * - ', *['     - '] * 3)
    return ''.join(_cell(mark, c) for mark, c in zip(marks, cells, strict=True))


def _prose(text: str) -> str:
    """With the commands in it as literals."""
    return _QUOTED.sub(r'``\1``', text.replace('{name}', 'NAME'))


def _cell(mark: str, text: str) -> str:
    lines = textwrap.wrap(
        text, 80, initial_indent=mark, subsequent_indent=' ' * 7,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    PATH.write_text(rst(), encoding='utf-8')
