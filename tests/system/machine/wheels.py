# SPDX-License-Identifier: Apache-2.0
"""Our run-time dependencies, as wheels for the machine's Python.

They are fetched on the host, whose pip is configured for wherever it is, and
installed in the machine without any network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.system.machine import host
from tests.system.machine import packages

PYTHON = '3.13'
LIST = 'requirements.txt'

# Used until the project has a requirements.txt.
_DEFAULT = (
    'cliff keystoneauth1 lxml os-resource-classes os-traits oslo.concurrency '
    'oslo.config oslo.log oslo.privsep oslo.utils pbr'
)


def requirements(path: Path) -> str:
    """The requirements in a file, without comments, sorted."""
    lines = path.read_text().splitlines() if path.exists() else _DEFAULT.split()
    bare = (line.split('#')[0].strip() for line in lines)
    return ''.join(f'{line}\n' for line in sorted(filter(None, bare)))


def build_wheels(work: Path, requirements: str) -> None:
    """Fill a directory with wheels, and with the list of what was asked."""
    wanted = work / LIST
    wanted.write_text(requirements)
    tags = ['--only-binary=:all:', '--implementation=cp']
    tags += [f'--python-version={PYTHON}', f'--abi=cp{PYTHON.replace(".", "")}']
    tags += ['--abi=abi3', '--abi=none']
    host.run([*_pip(), 'download', '-q', *tags, '-d', work, '-r', wanted])


def _pip() -> list[str]:
    probe = [sys.executable, '-m', 'pip', '--version']
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return probe[:-1]
    packages.ensure(packages.PIP)
    return [shutil.which('pip3') or 'pip3']
