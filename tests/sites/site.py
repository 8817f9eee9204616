# SPDX-License-Identifier: Apache-2.0
"""Fresh virtual environments with the Nova of this one, made in a second.

Nova's packages are not copied: each top-level entry of this environment's
site-packages is a link, except what is ours.  Python takes a link for what it
is named, so Nova *is* in the new directory for all that it can tell.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

ROOT = pathlib.Path(__file__).parents[2]
# What pip builds from.
_SOURCES = (
    'LICENSE',
    'README.rst',
    'nova_generic_mdev',
    'pyproject.toml',
    'requirements.txt',
    'setup.cfg',
    'setup.py',
)
_OURS = 'nova_generic_mdev'


class Site:
    """A virtual environment with Nova, without us.

    :param folder: where to make it
    :param apart: Nova is in another directory of packages than what is installed
        later, and a ``.pth`` file leads to it
    """

    def __init__(self, folder, *, apart=False):
        self.prefix = pathlib.Path(folder, 'environment')
        _run(sys.executable, '-m', 'venv', '--without-pip', self.prefix)
        self.python = self.prefix / 'bin/python'
        self.packages = pathlib.Path(
            sysconfig.get_path('purelib', vars=dict.fromkeys(_BASES, str(self.prefix)))
        )
        novas = pathlib.Path(folder, 'elsewhere') if apart else self.packages
        _link_packages(novas)
        if apart:
            (self.packages / 'nova.pth').write_text(f'{novas}\n')
        self._copy_script('nova-compute')

    def _copy_script(self, name):
        """The console script, as pip would write it here."""
        there = pathlib.Path(sys.prefix, 'bin', name).read_text()
        script = self.prefix / 'bin' / name
        script.write_text(f'#!{self.python}\n{there.partition(chr(10))[2]}')
        script.chmod(0o755)

    def install(self, *what):
        """Install with pip, nothing else of what it requires."""
        pip(self.python, 'install', '--no-deps', *what)

    def ask(self, expression, *modules):
        """What an expression is in it, as text."""
        program = ''.join(f'import {m}\n' for m in modules) + f'print({expression})'
        return _run(self.python, '-c', program, cwd=self.prefix).strip()


_BASES = ('base', 'platbase', 'installed_base', 'installed_platbase')


def tree(folder):
    """A copy of what our package is built from: a build leaves marks in its tree."""
    copy = pathlib.Path(folder, 'tree')
    copy.mkdir()
    for name in _SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, copy / name, ignore=shutil.ignore_patterns('__pycache__')
            )
        else:
            shutil.copy(source, copy)
    return copy


def wheel(folder):
    """Our wheel."""
    pip(sys.executable, 'wheel', '--no-deps', '-w', folder, tree(folder))
    (path,) = pathlib.Path(folder).glob('*.whl')
    return path


def pip(python, *arguments):
    """Run this environment's pip for another one."""
    _run(sys.executable, '-m', 'pip', '--quiet', '--python', python, *arguments)


def _link_packages(folder):
    folder.mkdir(exist_ok=True)
    for entry in pathlib.Path(sysconfig.get_path('purelib')).iterdir():
        if _OURS not in entry.name and entry.name != '__pycache__':
            (folder / entry.name).symlink_to(entry)


def _run(*command, **kwargs):
    # pbr asks git for the version; the copy of our tree has none.
    environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    result = subprocess.run(
        command,
        env=environment | {'PBR_VERSION': '1.2.3'},
        capture_output=True,
        text=True,
        check=False,
        **kwargs,
    )
    if result.returncode != 0:
        raise RuntimeError(f'{command}: {result.stdout}{result.stderr}')
    return result.stdout
