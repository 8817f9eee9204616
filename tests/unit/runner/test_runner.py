# SPDX-License-Identifier: Apache-2.0
"""What the runner of the tests that need Nova makes of their results."""

import importlib.metadata
from xml.etree import ElementTree

import pytest

from tests.runner import judging
from tests.runner import result as resultlib
from tests.runner import telling


def _result(status, name='a.test_b', **details):
    return resultlib.Result(name=name, status=status, seconds=1.5, details=details)


# status, excused, what counts, what is said of it
ENDS = {
    'passed': ('success', False, 'passed', ''),
    'failed': ('fail', False, 'failed', ''),
    'skipped': ('skip', False, 'skipped', ''),
    'expected its own failure': ('xfail', False, 'skipped', ''),
    'missed its own failure': (
        'uxsuccess',
        False,
        'failed',
        resultlib.BAD['uxsuccess'],
    ),
    'its process died': ('inprogress', False, 'failed', resultlib.BAD['inprogress']),
    'never began': ('exists', False, 'failed', resultlib.BAD['exists']),
    'excused, failed': ('fail', True, 'skipped', 'the excuse'),
    'excused, its process died': (
        'exists',
        True,
        'failed',
        resultlib.BAD['exists'],
    ),
    'excused, passed': ('success', True, 'passed', judging.OFF_THE_LIST),
}


@pytest.mark.parametrize('row', ENDS.values(), ids=ENDS)
def test_how_a_test_ended_and_what_counts(row):
    status, excused, outcome, why = row
    excuses = {'a.test_b': 'the excuse'} if excused else {'other': 'not this one'}
    (verdict,) = judging.judge([_result(status)], excuses)
    assert (str(verdict.outcome), verdict.why) == (outcome, why)


def test_excuses_for_what_is_no_test_are_failures():
    (verdict,) = judging.missing(['a.test_b', 'a.test_c'], {'a.test_b'})
    assert verdict.result.name == 'a.test_c'
    assert verdict.outcome is judging.Outcome.FAILED


def test_excuses_are_those_of_the_installed_nova(tmp_path, monkeypatch):
    path = tmp_path / 'list.toml'
    path.write_text('[all]\n"a" = "1"\n[31]\n"b" = "2"\n[34]\n"c" = "3"\n')
    monkeypatch.setattr(importlib.metadata, 'version', lambda name: '31.3.1')
    assert judging.known(path) == {'a': '1', 'b': '2'}


def test_the_counts_are_those_that_ci_reads():
    verdicts = judging.judge(
        [_result('success', 'a'), _result('success', 'b'), _result('fail', 'c')], {}
    )
    assert telling.total(verdicts) == '2 passed, 1 failed, 0 skipped'


def test_junit_has_every_verdict(tmp_path):
    path = tmp_path / 'report.xml'
    results = [
        _result('success', 'm.T.test_a'),
        _result('fail', 'm.T.test_b', traceback='it broke: \x1b[1m'),
        _result('fail', 'm.T.test_c'),
    ]
    telling.junit(judging.judge(results, {'m.T.test_c': 'why'}), path)
    cases = list(ElementTree.fromstring(path.read_text()))  # noqa: S314 - ours
    assert [(c.get('classname'), c.get('name'), c.get('time')) for c in cases] == [
        ('m.T', 'test_a', '1.500'),
        ('m.T', 'test_b', '1.500'),
        ('m.T', 'test_c', '1.500'),
    ]
    assert [[child.tag for child in case] for case in cases] == [
        [],
        ['failure'],
        ['skipped'],
    ]
    assert 'it broke: ?[1m' in cases[1][0].text
    assert cases[2][0].get('message') == 'why'


def test_a_failure_shows_its_traceback_whole_and_the_end_of_its_log():
    lines = [f'line {n}' for n in range(100)]
    (verdict,) = judging.judge(
        [_result('fail', traceback='\n'.join(lines), log='\n'.join(lines))], {}
    )
    shown = telling.text([verdict])
    assert shown.count('line 0\n') == 1
    assert shown.count('line 99') == 2
    assert shown.count('line 70\n') == 2
    assert shown.count('line 69\n') == 1


def test_what_is_off_the_list_is_told():
    verdicts = judging.judge([_result('success')], {'a.test_b': 'why'})
    assert telling.text(verdicts).strip() == (f'NOTE a.test_b: {judging.OFF_THE_LIST}')


def test_those_that_never_ran_are_counted_and_do_not_hide_why():
    results = [_result('inprogress', 'm.T.test_a')]
    results += [_result('exists', f'm.T.test_{n}') for n in range(70)]
    shown = telling.text(judging.judge(results, {}))
    assert 'FAILED m.T.test_a' in shown
    assert f'FAILED 70 others: {resultlib.BAD["exists"]}' in shown
    assert len(shown.splitlines()) < 10
