# SPDX-License-Identifier: Apache-2.0
"""What stestr runs, as one result per test."""

import collections.abc as cabc
import dataclasses
import os
import subprocess
import sys
import tempfile
import typing as ty

import subunit
import testtools

from tests.runner import result as resultlib

#: As Nova's own tox.ini sets them; a test that hangs ends, and says where.
ENVIRONMENT = {
    'OS_STDOUT_CAPTURE': '1',
    'OS_STDERR_CAPTURE': '1',
    'OS_TEST_TIMEOUT': '300',
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """All that stestr told.

    :param results: by the test's name, in the order in which they ended
    :param said: what is no test's: why some could not even be imported
    """

    results: cabc.Mapping[str, resultlib.Result]
    said: str

    @property
    def is_cut_short(self) -> bool:
        """Whether some tests never ended, or there were none."""
        ends = {result.status for result in self.results.values()}
        return not ends or bool(ends & resultlib.LOST)


def run(
    path: str,
    filters: cabc.Iterable[str],
    workers: int,
    watch: cabc.Callable[[resultlib.Result], None],
) -> Run:
    """Run the tests below a folder of this tree.

    :param filters: regular expressions, any of which a test's name has to match;
        none: every test
    :param workers: processes at once; 0: one for each processor
    :param watch: called with each result as it comes
    """
    # No history in the tree: two runs at once would write the same one.
    with (
        tempfile.TemporaryDirectory() as history,
        tempfile.TemporaryFile('w+', errors='replace') as stderr,
        subprocess.Popen(
            _command(path, filters, workers, history),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=ENVIRONMENT | os.environ,
        ) as process,
    ):
        results, said = _followed(process.stdout, watch)
        process.wait()
        stderr.seek(0)
        return Run(results=results, said=said + stderr.read())


def _command(
    path: str, filters: cabc.Iterable[str], workers: int, history: str
) -> list[str]:
    stestr = [sys.executable, '-m', 'stestr', '--test-path', path, '--top-dir', '.']
    stestr += ['--repo-url', history]
    return [*stestr, 'run', '--subunit', '--concurrency', str(workers), *filters]


def _followed(
    stdout: ty.Any, watch: cabc.Callable[[resultlib.Result], None]
) -> tuple[dict[str, resultlib.Result], str]:
    results: dict[str, resultlib.Result] = {}
    said = _Said()

    def keep(test: cabc.Mapping[str, ty.Any]) -> None:
        # All are told once before any begins, as "exists".
        one = _result(test)
        results.pop(one.name, None)
        results[one.name] = one
        if one.status != 'exists':
            watch(one)

    sink = testtools.CopyStreamResult([testtools.StreamToDict(keep), said])
    sink.startTestRun()
    subunit.ByteStreamToStreamResult(stdout, non_subunit_name='stestr').run(sink)
    # Tells, too, of tests that began and never ended.
    sink.stopTestRun()
    return results, said.text()


def _result(test: cabc.Mapping[str, ty.Any]) -> resultlib.Result:
    began, ended = test['timestamps']
    return resultlib.Result(
        name=test['id'],
        status=test['status'],
        seconds=(ended - began).total_seconds() if began and ended else 0.0,
        details={
            name: content.as_text()
            for name, content in test['details'].items()
            if content.content_type.type == 'text'
        },
    )


class _Said(testtools.StreamResult):
    """Keeps what was printed outside of tests."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def status(self, test_id=None, file_bytes=None, **packet: ty.Any) -> None:
        if test_id is None and file_bytes:
            self._pieces.append(bytes(file_bytes))

    def text(self) -> str:
        return b''.join(self._pieces).decode(errors='replace')
