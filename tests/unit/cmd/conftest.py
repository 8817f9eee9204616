# SPDX-License-Identifier: Apache-2.0
"""The program in this process, on hosts that are written as sysfs trees."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import json
import logging
import os
import pathlib
import sys
import typing as ty

import pytest

from nova_generic_mdev import fixture
from nova_generic_mdev.cmd import main


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, ty.Any]]:
        """What ``-f json`` printed, when all went well."""
        assert self.status in (0, 1, 2)
        return ty.cast(list[dict[str, ty.Any]], json.loads(self.out))


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str],
) -> cabc.Callable[..., Result]:
    """Runs ``nova-mdev`` with these arguments."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def call(*arguments: str | os.PathLike[str]) -> Result:
        capsys.readouterr()
        try:
            status = main.main([os.fspath(a) for a in arguments])
        except SystemExit as e:
            status = ty.cast(int, e.code or 0)
        finally:
            # The program adds one each time, and this process goes on.
            root.handlers[:] = handlers
            root.setLevel(level)
            logging.getLogger('nova_generic_mdev').setLevel(logging.NOTSET)
        out, err = capsys.readouterr()
        return Result(status=status, out=out, err=err)

    return call


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Without libvirt, and without a configuration of this computer's own."""
    monkeypatch.setitem(sys.modules, 'libvirt', None)
    monkeypatch.setenv('HOME', str(tmp_path / 'nobody'))
    # Or else the width of the table follows the terminal.
    monkeypatch.delenv('CLIFF_FIT_WIDTH', raising=False)


@pytest.fixture
def write(tmp_path: pathlib.Path) -> cabc.Callable[[fixture.FakeHost], pathlib.Path]:
    """Writes a host as a sysfs tree, and gives its path."""

    def write(host: fixture.FakeHost) -> pathlib.Path:
        root = tmp_path / 'sys'
        fixture.write_sysfs(host, root)
        return root

    return write


@pytest.fixture
def configure(tmp_path: pathlib.Path) -> cabc.Callable[[str], str]:
    """Writes a configuration file, and gives the option that names it."""

    def configure(text: str) -> str:
        path = tmp_path / 'nova.conf'
        path.write_text(text, encoding='utf-8')
        return f'--config-file={path}'

    return configure
