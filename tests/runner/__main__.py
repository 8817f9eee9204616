# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.runner tests/nova``, from the tree's root."""

import argparse
import pathlib
import sys

from tests.runner import judging
from tests.runner import result as resultlib
from tests.runner import stream
from tests.runner import telling


def main(arguments: list[str] | None = None) -> int:
    """Run tests, tell how they ended; the exit code says whether all is good."""
    options = _options(arguments)
    excused = judging.known(options.excused)
    ran = stream.run(options.path, options.filters, options.workers, _show)
    results = ran.results
    verdicts = judging.judge(results.values(), excused)
    if not options.filters:
        verdicts += judging.missing(excused, results)
    if options.junit:
        telling.junit(verdicts, options.junit)
    sys.stdout.write('\n')  # after the marks
    _say(telling.text(verdicts))
    if ran.given_up:
        _say('\nNOTE it was given up: no test had ended for too long, nor had the run')
    if ran.is_cut_short or ran.given_up:
        _say('\n'.join(ran.said.splitlines()[-telling.STACK_LINES :]))
    _say(telling.total(verdicts))
    outcomes = {verdict.outcome for verdict in verdicts}
    good = judging.Outcome.PASSED in outcomes
    return 0 if good and judging.Outcome.FAILED not in outcomes else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m tests.runner')
    parser.add_argument('path', help='a folder of tests, below the current one')
    parser.add_argument('filters', nargs='*', help='regular expressions for names')
    parser.add_argument('--workers', type=int, default=0, help='processes at once')
    parser.add_argument('--junit', type=pathlib.Path, help='write a report here')
    parser.add_argument(
        '--excused',
        type=pathlib.Path,
        help='TOML: tests that need not pass, and why',
    )
    return parser.parse_intermixed_args(arguments)


def _show(result: resultlib.Result) -> None:
    sys.stdout.write(telling.mark(result))
    sys.stdout.flush()


def _say(text: str) -> None:
    if text:
        print(text)  # noqa: T201


if __name__ == '__main__':
    sys.exit(main())
