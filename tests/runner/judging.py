# SPDX-License-Identifier: Apache-2.0
"""Which results are good, where some tests are known to fail.

A list of known tests is a TOML file of names and reasons: a table ``all``, and
one for each series of Nova that has some of its own (``31`` ...).
"""

import collections.abc as cabc
import dataclasses
import enum
import importlib.metadata
import pathlib
import tomllib

from tests.runner import result as resultlib

NOT_RUN = 'no such test: take it off the list'
OFF_THE_LIST = 'passed: take it off the list'


class Outcome(enum.StrEnum):
    """What counts in the end."""

    PASSED = 'passed'
    FAILED = 'failed'
    SKIPPED = 'skipped'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a result counts as.

    :param why: why it was skipped, or failed without a traceback of its own
    """

    result: resultlib.Result
    outcome: Outcome
    why: str = ''


def known(path: pathlib.Path | None) -> cabc.Mapping[str, str]:
    """The names in a list, for the Nova that is installed, with their reasons."""
    if path is None:
        return {}
    tables = tomllib.loads(path.read_text(encoding='utf-8'))
    series = importlib.metadata.version('nova').partition('.')[0]
    return tables.get('all', {}) | tables.get(series, {})


def judge(
    results: cabc.Iterable[resultlib.Result], excused: cabc.Mapping[str, str]
) -> tuple[Verdict, ...]:
    """A verdict for each result.

    :param excused: the names of tests that need not pass, with the reasons
    """
    return tuple(_verdict(result, excused.get(result.name)) for result in results)


def missing(
    names: cabc.Iterable[str], results: cabc.Container[str]
) -> tuple[Verdict, ...]:
    """A failure for each name of which there is no result."""
    return tuple(
        Verdict(
            result=resultlib.Result(
                name=name, status='exists', seconds=0.0, details={}
            ),
            outcome=Outcome.FAILED,
            why=NOT_RUN,
        )
        for name in names
        if name not in results
    )


def _verdict(result: resultlib.Result, excuse: str | None) -> Verdict:
    if result.good:
        skipped = result.status != 'success'
        outcome = Outcome.SKIPPED if skipped else Outcome.PASSED
        why = result.details.get('reason', '')
        if excuse is not None and not skipped:
            why = OFF_THE_LIST
    elif excuse is not None and result.status not in resultlib.LOST:
        outcome, why = Outcome.SKIPPED, excuse
    else:
        outcome, why = Outcome.FAILED, resultlib.BAD.get(result.status, '')
    return Verdict(result=result, outcome=outcome, why=why)
