# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.acceptance``, from the tree's root; ``make tempest`` calls it.

The cloud is the one that the usual variables name (``OS_CLIENT_CONFIG_FILE``,
``OS_CLOUD``), by default the administrator's of ``make cloud``.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import openstack

from tests.acceptance import clouds
from tests.runner import judging
from tests.runner import result as resultlib
from tests.runner import stream
from tests.runner import telling

ROOT = pathlib.Path(__file__).parents[2]
TESTS = pathlib.Path(__file__).with_name('tests.txt')
TEMPEST = pathlib.Path(sys.executable).with_name('tempest')
# The hosts are emulated, and a test may wait for their periodic updates.
TIMEOUT = 1200


def main(arguments: list[str] | None = None) -> int:
    """Run tests, tell how they ended; 0 when some passed and none failed."""
    given = _options(arguments)
    os.environ.setdefault('OS_TEST_TIMEOUT', str(TIMEOUT))
    os.environ.setdefault('OS_CLIENT_CONFIG_FILE', str(ROOT / '.cloud/clouds.yaml'))
    told = clouds.settings(openstack.connect(cloud=os.environ.get('OS_CLOUD', 'admin')))
    for group, option, value in given.set:
        told.setdefault(group, {})[option] = value
    with tempfile.TemporaryDirectory() as directory:
        workspace = _workspace(pathlib.Path(directory), told)
        ran = stream.follow(
            _command(given.filters), _tell, directory=workspace, seconds=TIMEOUT
        )
        if given.keep:
            shutil.copytree(workspace, given.keep, dirs_exist_ok=True)
    verdicts = judging.judge(ran.results.values(), {})
    if given.junit:
        telling.junit(verdicts, given.junit)
    outcomes = {verdict.outcome for verdict in verdicts}
    good = judging.Outcome.PASSED in outcomes and not ran.is_cut_short
    print(telling.text(verdicts), ran.said if ran.is_cut_short else '', sep='\n')  # noqa: T201
    print(telling.total(verdicts))  # noqa: T201
    return 0 if good and judging.Outcome.FAILED not in outcomes else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m tests.acceptance')
    parser.add_argument(
        'filters', nargs='*', help=f'regular expressions for names (those of {TESTS})'
    )
    parser.add_argument(
        '--set',
        nargs=3,
        action='append',
        default=[],
        metavar=('GROUP', 'OPTION', 'VALUE'),
        help='what tempest.conf says otherwise',
    )
    parser.add_argument('--junit', type=pathlib.Path, help='write a report here')
    parser.add_argument(
        '--keep', type=pathlib.Path, help='leave the workspace, with its logs, here'
    )
    return parser.parse_args(arguments)


def _workspace(directory: pathlib.Path, told: clouds.Settings) -> pathlib.Path:
    workspace = directory / 'workspace'
    # Else its name would be kept in the home directory.
    names = directory / 'workspaces.yaml'
    subprocess.run(
        [TEMPEST, 'init', workspace, '--workspace-path', names],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    clouds.write(workspace / 'etc/tempest.conf', told)
    return workspace


def _command(filters: list[str]) -> list[str]:
    """One test after the other: what is left of a class is compared."""
    run = [str(TEMPEST), 'run', '--subunit', '--serial']
    if filters:
        return [*run, '--regex', '|'.join(filters)]
    return [*run, '--include-list', str(TESTS)]


def _tell(result: resultlib.Result) -> None:
    why = f': {result.details["reason"]}' if 'reason' in result.details else ''
    print(f'{result.seconds:5.0f} s  {result.status:8} {result.name}{why}', flush=True)  # noqa: T201


if __name__ == '__main__':
    sys.exit(main())
