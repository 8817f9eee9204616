# SPDX-License-Identifier: Apache-2.0
"""What stestr runs, as one result per test."""

import collections.abc as cabc
import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as ty

import subunit
import testtools

from tests.runner import result as resultlib

#: As Nova's own tox.ini sets them; a test that hangs ends, and says where.  So
#: does a process, before it is given up.
ENVIRONMENT = {
    'OS_STDOUT_CAPTURE': '1',
    'OS_STDERR_CAPTURE': '1',
    'OS_TEST_TIMEOUT': '600',
    'PYTHONFAULTHANDLER': '1',
}

#: seconds without a result, beyond what one test may take, until a run is given up
PATIENCE = 100.0
_LAST_WORDS = 5.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """All that stestr told.

    :param results: by the test's name, in the order in which they ended
    :param said: what is no test's: why some could not even be imported
    :param given_up: its processes had to be ended, be it after the last test
    """

    results: cabc.Mapping[str, resultlib.Result]
    said: str
    given_up: bool

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
    with tempfile.TemporaryDirectory() as history:
        return follow(
            _command(path, filters, workers, history),
            watch,
            seconds=float((ENVIRONMENT | os.environ)['OS_TEST_TIMEOUT']) + PATIENCE,
        )


def follow(
    command: list[str],
    watch: cabc.Callable[[resultlib.Result], None],
    *,
    seconds: float,
    directory: pathlib.Path | None = None,
) -> Run:
    """Run a command that tells what tests it runs, as a subunit stream.

    :param watch: called with each result as it comes
    :param seconds: without a result, after which it is given up
    :param directory: where to run it; None: here
    """
    with (
        tempfile.TemporaryFile('w+', errors='replace') as stderr,
        _started(command, stderr, directory) as process,
        _Patience(process, seconds) as patience,
    ):

        def told(result: resultlib.Result) -> None:
            patience.begin_again()
            watch(result)

        results, said = _followed(process.stdout, told)
        process.wait()
        patience.wait_for_those_given_up()
        stderr.seek(0)
        said += stderr.read()
        return Run(results=results, said=said, given_up=patience.given_up)


def _started(
    command: list[str], stderr: ty.Any, directory: pathlib.Path | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=ENVIRONMENT | os.environ,
        # A group of its own, so that it can be ended with all its workers.
        start_new_session=True,
    )


class _Patience(contextlib.AbstractContextManager['_Patience']):
    """Ends a run that tells nothing for too long, or that nobody waits for.

    A test's own timeout is no help where the whole process hangs.  Each process
    tells then where each of its threads is.
    """

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self._process = process
        self._seconds = seconds
        self._timer = threading.Timer(seconds, self._give_up)
        #: whether the processes had to be ended
        self.given_up = False

    def __enter__(self) -> ty.Self:
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)

    def begin_again(self) -> None:
        """A test has ended: the next may take as long."""
        self._timer.cancel()
        self._timer = threading.Timer(self._seconds, self._give_up)
        self._timer.start()

    def wait_for_those_given_up(self) -> None:
        """Wait, some seconds, for what workers tell after the end of their run."""
        end = time.monotonic() + _LAST_WORDS
        with contextlib.suppress(ProcessLookupError):
            while self.given_up and time.monotonic() < end:
                os.killpg(self._process.pid, 0)
                time.sleep(0.05)

    def _give_up(self) -> None:
        self.given_up = True
        os.killpg(self._process.pid, signal.SIGABRT)


def _command(
    path: str, filters: cabc.Iterable[str], workers: int, history: str
) -> list[str]:
    # Its processes are to say where they are, and not it, at the same time (-E).
    stestr = [sys.executable, '-E', '-m', 'stestr', '--test-path', path]
    stestr += ['--top-dir', '.', '--repo-url', history]
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
        if one.status != resultlib.NEVER_RAN:
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
