# SPDX-License-Identifier: Apache-2.0
"""Commands on the host, as the user or as root.

Building a root file system needs root: owners, ``chroot``, package scripts.
Whoever is not root goes through ``sudo``; nothing else of the builder does.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from tests.system.machine import errors

TAIL_LINES = 30

# A user's own path lacks what only root usually runs: mkfs.ext4, debugfs.
PATH = os.environ.get('PATH', '/usr/bin:/bin') + ':/usr/local/sbin:/usr/sbin:/sbin'

# sudo drops the environment; these still have to reach apt and mmdebstrap.
_KEPT = ('http_proxy', 'https_proxy', 'no_proxy')


def as_root(environment: Mapping[str, str] | None = None) -> list[str]:
    """The words that go before a command so that it runs as root.

    :raises NeedsMissing: not root, and no ``sudo``.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    words = ['env', 'LC_ALL=C']
    words += [f'{k}={v}' for k, v in {**kept, **(environment or {})}.items()]
    if os.geteuid() == 0:
        return words
    if find('sudo') is None:
        raise errors.NeedsMissing(
            'building a machine needs root, and there is no sudo',
            'run this as root, or install sudo',
        )
    # Whoever sits at a terminal can be asked for a password.
    return ['sudo', *([] if sys.stdin.isatty() else ['-n']), *words]


def run(
    command: Sequence[str | Path],
    *,
    root: bool = False,
    environment: Mapping[str, str] | None = None,
    stdout: Path | None = None,
) -> str:
    """Run a command to its end.

    :param root: run it as root.
    :param environment: variables to add.
    :param stdout: a file for its standard output, which is then not returned.
    :returns: what it printed, both streams together.
    :raises StepFailed: its exit status is not 0.
    """
    words = [str(word) for word in command]
    words = (as_root(environment) if root else []) + words
    variables = {**os.environ, 'LC_ALL': 'C', **(environment or {}), 'PATH': PATH}
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(stdout.open('wb')) if stdout else None
        done = subprocess.run(
            words,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=file or subprocess.PIPE,
            stderr=subprocess.PIPE if file else subprocess.STDOUT,
            text=True,
            errors='replace',
            check=False,
        )
    printed = (done.stdout or '') + (done.stderr or '')
    if done.returncode != 0:
        tail = '\n'.join(printed.splitlines()[-TAIL_LINES:])
        raise errors.StepFailed(shlex.join(words), done.returncode, tail)
    return printed


def find(program: str) -> str | None:
    """Where a program is, as `run` would find it."""
    return shutil.which(program, path=PATH)


def remove_tree(path: Path) -> None:
    """Remove a directory of which root may own parts."""
    if not path.exists():
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        run(['rm', '-rf', '--one-file-system', '--', path], root=True)
