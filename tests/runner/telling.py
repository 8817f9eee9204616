# SPDX-License-Identifier: Apache-2.0
"""Verdicts for people, and as JUnit for those who count."""

import collections
import collections.abc as cabc
import pathlib
import re
from xml.etree import ElementTree

from tests.runner import judging
from tests.runner import result as resultlib

#: how much of a failed test's log is shown
LOG_LINES = 30
#: and of where each process was when a run was given up
STACK_LINES = 250
_MARKS = {'success': '.', 'skip': 's', 'xfail': 'x'}
# What XML cannot have in it: a test's output may be anything.
_NOT_XML = re.compile('[^\t\n\r\x20-\ud7ff\ue000-\ufffd]')


def mark(result: resultlib.Result) -> str:
    """One character for one result."""
    return _MARKS.get(result.status, 'F')


def text(verdicts: cabc.Sequence[judging.Verdict]) -> str:
    """What is worth a look: failures in full, then what is off the list."""
    lines: list[str] = []
    never_ran = 0
    for verdict in verdicts:
        if verdict.result.status == resultlib.NEVER_RAN:
            never_ran += 1
        elif verdict.outcome is judging.Outcome.FAILED:
            lines += ['', f'FAILED {verdict.result.name}', *_reasons(verdict)]
    if never_ran:
        why = resultlib.BAD[resultlib.NEVER_RAN]
        lines += ['', f'FAILED {never_ran} others: {why}']
    for verdict in verdicts:
        if verdict.outcome is judging.Outcome.PASSED and verdict.why:
            lines += ['', f'NOTE {verdict.result.name}: {verdict.why}']
    return '\n'.join(lines)


def total(verdicts: cabc.Iterable[judging.Verdict]) -> str:
    """The counts, in one line."""
    counts = collections.Counter(verdict.outcome for verdict in verdicts)
    return ', '.join(f'{counts[outcome]} {outcome}' for outcome in judging.Outcome)


def junit(verdicts: cabc.Iterable[judging.Verdict], path: pathlib.Path) -> None:
    """Write a report."""
    suite = ElementTree.Element('testsuite', name='tests.runner')
    for verdict in verdicts:
        place, _, name = verdict.result.name.rpartition('.')
        case = ElementTree.SubElement(
            suite,
            'testcase',
            classname=place,
            name=name,
            time=f'{verdict.result.seconds:.3f}',
        )
        if verdict.outcome is judging.Outcome.SKIPPED:
            ElementTree.SubElement(case, 'skipped', message=verdict.why)
        elif verdict.outcome is judging.Outcome.FAILED:
            failure = ElementTree.SubElement(case, 'failure')
            failure.text = _NOT_XML.sub('?', '\n'.join(_reasons(verdict)))
    tree = ElementTree.ElementTree(suite)
    tree.write(path, encoding='utf-8', xml_declaration=True)


def _reasons(verdict: judging.Verdict) -> cabc.Iterator[str]:
    if verdict.why:
        yield verdict.why
    for name, detail in sorted(verdict.result.details.items()):
        if detail.strip():
            lines = detail.rstrip().splitlines()
            shown = lines if name.startswith('traceback') else lines[-LOG_LINES:]
            yield '\n'.join([f'--- {name}', *shown])
