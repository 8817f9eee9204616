# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of the in-tree driver's defects against the in-tree driver.

Each has to fail there, and for its own reason: ``python -m tests.nova.intree``.
Given words, it runs the tests that have one of them in their name.
"""

import importlib.metadata
import pathlib
import re
import sys
import unittest

from tests import nova as testing
from tests.nova import rows

#: the rows of the table of defects
ROWS = frozenset(range(1, 20))


class Result(unittest.TestResult):
    """What became of each test, and in one line why it failed."""

    def __init__(self):
        super().__init__()
        self.told = {}

    def addSuccess(self, test, details=None):
        self._tell(test, 'passed', '')

    def addFailure(self, test, err=None, details=None):
        self._tell(test, 'failed', _reason(err, details))

    def addError(self, test, err=None, details=None):
        self._tell(test, 'error', _reason(err, details))

    def addSkip(self, test, reason=None, details=None):
        self._tell(test, 'skipped', reason or _text(details))

    def _tell(self, test, what, why):
        self.told[test.id()] = (what, why)


def _reason(err, details):
    text = str(err[1]) if err else _text(details)
    # A traceback ends with what was raised; the log is not a reason.
    lines = text.rpartition('\nTraceback (most recent call last):')[2].splitlines()
    last = [n for n, line in enumerate(lines) if re.match(r'[A-Za-z_.]+(:|$)', line)]
    return ' '.join(lines[last[-1] if last else 0 :]).strip()


def _text(details):
    named = {name: d for name, d in (details or {}).items() if d.content_type}
    chosen = [d for name, d in named.items() if 'traceback' in name or 'reason' in name]
    return '\n'.join(d.as_text() for d in chosen)


def tests_of(suite):
    """Every test that shows a defect, with its row."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
            continue
        method = getattr(test, getattr(test, '_testMethodName', ''), None)
        row = getattr(method, rows.ATTRIBUTE, None)
        if row is not None:
            yield test, row


def judge(row, what, why, series):
    """What is wrong with how a test ended; nothing where it is as expected."""
    allowed = row.passes.get(series)
    if what == 'passed':
        return '' if allowed else 'it passes: the in-tree driver does this right'
    if allowed:
        return f'it should pass, since {allowed}: {what}, {why}'
    if what != 'failed':
        return f'{what}, and no failed assertion: {why}'
    if not re.search(row.failure, why, re.DOTALL):
        return f'it fails for another reason than "{row.failure}": {why}'
    return ''


def main(words):
    """Run them, tell how each ended, and exit 1 if one is not as expected."""
    series = int(importlib.metadata.version('nova').split('.')[0])
    top = pathlib.Path(__file__).parents[2]
    # The test case reads it when it is imported, which the loader does.
    testing.DRIVER = testing.IN_TREE
    loader = unittest.TestLoader()
    found = loader.discover(str(top / 'tests/nova'), top_level_dir=str(top))
    chosen = [
        (test, row)
        for test, row in tests_of(found)
        if not words or any(word in test.id() for word in words)
    ]
    wrong = list(map(str, loader.errors))
    for test, row in sorted(chosen, key=lambda pair: pair[1].number):
        result = Result()
        test.run(result)
        what, why = result.told.get(test.id(), ('lost', 'it did not end'))
        problem = judge(row, what, why, series)
        name = test.id().removeprefix('tests.nova.')
        told = problem or why[:160] or row.passes[series]
        print(f'row {row.number:2} {what:7} {"WRONG" if problem else "right"} {name}')  # noqa: T201
        print(f'       {told}', flush=True)  # noqa: T201
        wrong += [f'{name}: {problem}'] if problem else []
    missing = ROWS - {row.number for _, row in chosen}
    if missing and not words:
        wrong.append(f'no test shows rows {sorted(missing)}')
    print(f'{len(chosen)} tests, {len(wrong)} not as expected', *wrong, sep='\n')  # noqa: T201
    return 1 if wrong or not chosen else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
