# SPDX-License-Identifier: Apache-2.0
"""Our own wheel, built from this tree: what is tested is what is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FILES = ('setup.py', 'setup.cfg', 'pyproject.toml', 'requirements.txt', 'README.rst')
_PACKAGE = 'nova_generic_mdev'


def build(directory: Path) -> Path:
    """Build the wheel into a directory, with the tools of this environment.

    From a copy: a build in the tree would find what an earlier one left there.

    :raises RuntimeError: the build failed; carries the end of what it said
    """
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        for name in _FILES:
            shutil.copy(ROOT / name, tree)
        no_caches = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / _PACKAGE, tree / _PACKAGE, ignore=no_caches)
        command = [sys.executable, '-m', 'build', '--wheel', '--no-isolation']
        result = subprocess.run(
            [*command, f'--outdir={directory}', scratch],
            # The copy has no history for pbr to take a version from.
            env={**os.environ, 'PBR_VERSION': '0.0.1'},
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode:
        told = (result.stdout + result.stderr)[-2000:]
        raise RuntimeError(f'the wheel could not be built:\n{told}')
    (wheel,) = directory.glob(f'{_PACKAGE}-*.whl')
    return wheel
