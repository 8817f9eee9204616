# SPDX-License-Identifier: Apache-2.0
"""What we ship: our one package in the wheel, the whole tree in the sdist."""

from __future__ import annotations

import configparser
import importlib.metadata
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from oslo_config import generator

ROOT = pathlib.Path(__file__).parents[2]
NOT_IN_GIT = shutil.ignore_patterns(
    '.git', '.venv*', '.tox', '*.egg-info', 'build', 'dist', '__pycache__', '.*_cache',
    '.hypothesis', '.coverage', 'AUTHORS', 'ChangeLog',
)  # fmt: skip
AUTHOR = ['-c', 'user.name=test', '-c', 'user.email=test@example.org']


def git(tree: pathlib.Path, *arguments: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith('GIT_')}
    subprocess.run(
        ['git', '-C', tree, *AUTHOR, *arguments], check=True, env=environment
    )


@pytest.fixture(scope='module')
def built(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The directory of a wheel and an sdist, built as a release is.

    From a copy, since a build leaves its marks in the tree; with a history,
    since pbr takes the list of files from git.  No network: without isolation.
    """
    tree = tmp_path_factory.mktemp('build') / 'tree'
    # The hosts of the tests are sysfs trees: their links go round in circles.
    shutil.copytree(ROOT, tree, ignore=NOT_IN_GIT, symlinks=True)
    git(tree, 'init', '--quiet')
    git(tree, 'add', '.')
    git(tree, 'commit', '--quiet', '--message', 'All of it')
    result = subprocess.run(
        [sys.executable, '-m', 'build', '--no-isolation', '--outdir', 'dist'],
        cwd=tree,
        env={**os.environ, 'PBR_VERSION': '1.2.3'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return tree / 'dist'


@pytest.fixture(scope='module')
def wheel(built: pathlib.Path) -> list[str]:
    (path,) = built.glob('*.whl')
    return zipfile.ZipFile(path).namelist()


@pytest.fixture(scope='module')
def sdist(built: pathlib.Path) -> list[str]:
    (path,) = built.glob('*.tar.gz')
    with tarfile.open(path) as archive:
        return [name.partition('/')[2] for name in archive.getnames()]


def test_wheel_installs_our_package_only(wheel: list[str]):
    tops = {name.partition('/')[0] for name in wheel}
    assert tops == {'nova_generic_mdev', 'nova_generic_mdev-1.2.3.dist-info'}


def test_wheel_has_every_module(wheel: list[str]):
    ours = ROOT / 'nova_generic_mdev'
    assert {str(path.relative_to(ROOT)) for path in ours.rglob('*.py')} <= set(wheel)


@pytest.mark.parametrize(
    'path',
    [
        pytest.param('LICENSE', id='licence'),
        pytest.param('README.rst', id='readme'),
        pytest.param('conf/nova-generic-mdev.conf', id='generator input'),
        pytest.param('conf/nova-generic-mdev.conf.sample', id='sample'),
        pytest.param('doc/source/conf.py', id='documentation'),
        pytest.param('doc/requirements.txt', id='what documentation needs'),
        pytest.param('releasenotes/source/conf.py', id='release notes'),
        pytest.param('requirements.txt', id='requirements'),
        pytest.param('test-requirements.txt', id='what tests need'),
        pytest.param('tests/unit/test_packaging.py', id='tests'),
        pytest.param('tox.ini', id='tox'),
        pytest.param('tools/venv', id='what make calls'),
    ],
)
def test_sdist_has_what_a_packager_needs(path: str, sdist: list[str]):
    assert path in sdist


def entry_points() -> list[importlib.metadata.EntryPoint]:
    """Those of setup.cfg: what is installed may be older."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / 'setup.cfg')
    return [
        importlib.metadata.EntryPoint(*map(str.strip, line.split('=')), group)
        for group, lines in parser['entry_points'].items()
        for line in lines.strip().splitlines()
    ]


@pytest.mark.parametrize('entry_point', entry_points(), ids=lambda e: e.name)
def test_entry_point_leads_somewhere(entry_point: importlib.metadata.EntryPoint):
    assert callable(entry_point.load())


def options(sample: str) -> list[str]:
    """Groups, options and defaults; the wording is the generator's affair."""
    return re.findall(r'^(?:\[.*\]|#\w+ =.*)$', sample, re.MULTILINE)


def test_sample_has_the_options_that_there_are(tmp_path: pathlib.Path):
    sample = 'conf/nova-generic-mdev.conf.sample'
    fresh = tmp_path / 'fresh.conf'
    rules = ROOT / 'conf/nova-generic-mdev.conf'
    generator.main(['--config-file', str(rules), '--output-file', str(fresh)])
    expected = options(fresh.read_text())
    assert '#enabled_mdev_types =' in expected
    assert options((ROOT / sample).read_text()) == expected, 'make sample-config'
