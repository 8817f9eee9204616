# SPDX-License-Identifier: Apache-2.0
"""The rules of the design that a machine can hold, and that each can fail.

``.importlinter`` has what imports tell; the checks here read the source for
what they cannot.
"""

from __future__ import annotations

import ast
import collections.abc as cabc
import configparser
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = ROOT / 'nova_generic_mdev'
SPDX = '# SPDX-License-Identifier: Apache-2.0\n'
MAX_MODULE = 250
MAX_FUNCTION = 50

# What is not the core; see the design's table.
SHELL = {
    'adapters', 'claims', 'cmd', 'engine', 'fixture', 'host', 'opts', 'privileged',
    'tempest',
}  # fmt: skip
OPENS_FILES = ('claims', 'cmd', 'fixture', 'host.sysfs', 'privileged')


def module_name(path: pathlib.Path) -> str:
    """``host.sysfs`` for nova_generic_mdev/host/sysfs.py."""
    parts = path.relative_to(PACKAGE).with_suffix('').parts
    return '.'.join(part for part in parts if part != '__init__')


MODULES = [
    pytest.param(path, id=module_name(path) or '(package)')
    for path in sorted(PACKAGE.rglob('*.py'))
]


def begins_with_its_licence(source: str, module: str) -> list[str]:
    return [] if source.startswith(SPDX) else ['line 1: no SPDX line']


def has_a_docstring(source: str, module: str) -> list[str]:
    return [] if ast.get_docstring(ast.parse(source)) else ['no docstring']


def is_short(source: str, module: str) -> list[str]:
    lines = len(source.splitlines())
    return [f'{lines} lines'] if lines > MAX_MODULE else []


def has_short_functions(source: str, module: str) -> list[str]:
    lengths = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return [f'{name}: {n} lines' for name, n in lengths.items() if n > MAX_FUNCTION]


def opens_no_file(source: str, module: str) -> list[str]:
    if any(module == name or module.startswith(f'{name}.') for name in OPENS_FILES):
        return []
    return [f'line {node.lineno}: open()' for node in calls(source, {'open'})]


def runs_no_program(source: str, module: str) -> list[str]:
    runs = calls(source, {'system', 'popen', 'Popen', 'execute', 'execv', 'execve'})
    shell = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.keyword) and node.arg == 'shell'
    ]
    return [f'line {node.lineno}: runs a program' for node in [*runs, *shell]]


def swallows_nothing(source: str, module: str) -> list[str]:
    """Who catches everything raises it again."""
    return [
        f'line {node.lineno}: catches everything'
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id.endswith('Exception'))
        )
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
    ]


# What Nova's libvirt driver calls its own, and our subclass has to.
NOVAS_WORDS = {
    '_ensure_pgpu_providers',
    '_get_supported_vgpu_types',
    '_update_provider_tree_for_vgpu',
    'pgpu_type_default',
    'pgpu_type_mapping',
    'supported_vgpu_types',
}


def calls_no_mdev_a_gpu(source: str, module: str) -> list[str]:
    """The resource class VGPU and the legacy option names, and nothing else."""
    allowed = re.compile(r'VGPU|enabled_vgpu_types|vgpu_|\[vgpu_\w*')
    words = re.findall(r'\[?\w*[vp]gpu\w*', source, re.IGNORECASE)
    novas = NOVAS_WORDS if module.startswith('adapters.nova.') else ()
    return [
        f'the word {w!r}' for w in words if not (allowed.fullmatch(w) or w in novas)
    ]


def calls(source: str, names: cabc.Container[str]) -> list[ast.Call]:
    """The calls of functions or methods of these names."""
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in names)
            or (
                isinstance(node.func, ast.Attribute)
                and node.func.attr in names - {'open', 'execute'}
            )
        )
    ]


# Each check with a source that it must object to.
CHECKS: dict[cabc.Callable[[str, str], list[str]], str] = {
    begins_with_its_licence: '"""Without."""\n',
    has_a_docstring: SPDX + 'x = 1\n',
    is_short: '\n' * 251,
    has_short_functions: 'def long():\n' + '    x = 1\n' * 50,
    opens_no_file: 'def read():\n    return open("/sys/x")\n',
    runs_no_program: 'os.system("ls")\n',
    swallows_nothing: 'try:\n    x()\nexcept Exception:\n    pass\n',
    calls_no_mdev_a_gpu: 'def vgpu_of(pgpu): ...\n',
}


@pytest.mark.parametrize('path', MODULES)
@pytest.mark.parametrize('check', CHECKS, ids=lambda check: check.__name__)
def test_module(check: cabc.Callable[[str, str], list[str]], path: pathlib.Path):
    assert check(path.read_text(), module_name(path)) == []


@pytest.mark.parametrize(
    ('check', 'bad'),
    [pytest.param(check, bad, id=check.__name__) for check, bad in CHECKS.items()],
)
def test_check_can_fail(check: cabc.Callable[[str, str], list[str]], bad: str):
    assert check(bad, 'policy')


@pytest.mark.parametrize(
    'bad',
    [
        pytest.param('run("ls", shell=True)', id='a shell'),
        pytest.param('os.popen("ls")', id='popen'),
        pytest.param('execute("ls")', id='processutils'),
    ],
)
def test_other_ways_to_run_a_program(bad: str):
    assert runs_no_program(bad, 'policy')


@pytest.mark.parametrize(
    'word', ['resources:VGPU=1', '[vgpu_nvidia-35]', 'enabled_vgpu_types']
)
def test_words_of_nova_and_placement_are_allowed(word: str):
    assert calls_no_mdev_a_gpu(word, 'opts') == []


def lint_imports(tree: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Hold a tree's package against our contracts."""
    command = pathlib.Path(sys.executable).with_name('lint-imports')
    return subprocess.run(
        [command, '--no-cache', '--config', str(tree / '.importlinter')],
        cwd=tree,
        env={**os.environ, 'PYTHONPATH': str(tree), 'COLUMNS': '200'},
        capture_output=True,
        text=True,
        check=False,
    )


def contracts() -> configparser.ConfigParser:
    """``.importlinter``, parsed."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / '.importlinter')
    return parser


CONTRACTS = {
    section.rpartition(':')[2]: contracts()[section]['name']
    for section in contracts().sections()
    if section.startswith('importlinter:contract:')
}

# A line for each contract that breaks it, in a package as flat as ours.
OFFENCES = {
    'layers': ('names', 'from nova_generic_mdev import model'),
    'circles': ('names', 'from nova_generic_mdev import model'),
    'core': ('policy', 'import oslo_log'),
    'files': ('opts', 'import pathlib'),
    'programs': ('cmd.main', 'import subprocess'),
    'libvirt': ('host.sysfs', 'import libvirt'),
    'privsep': ('engine', 'from oslo_privsep import priv_context'),
    'config': ('engine', 'from oslo_config import cfg'),
    'sqlite': ('engine', 'import sqlite3'),
    'locks': ('host.nodedev', 'import threading'),
    'keystone': ('cmd.main', 'from keystoneauth1 import session'),
    'services': ('opts', 'import nova.conf'),
    'vif': ('cmd.main', 'import os_vif'),
    'tempest': ('cmd.main', 'import websocket'),
    'plugin': ('tempest.config', 'from nova_generic_mdev import opts'),
    'loading': ('adapters.nova.loading', 'from nova_generic_mdev import opts'),
    'novaless': ('adapters.nova.upkeep.sweep', 'import nova.conf'),
}


def test_our_imports():
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope='module')
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a package that breaks every contract."""
    tree = tmp_path_factory.mktemp('offender')
    (tree / '.importlinter').write_text((ROOT / '.importlinter').read_text())
    for path in PACKAGE.rglob('*.py'):
        copy = tree / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text('')
    for module, line in OFFENCES.values():
        path = tree / 'nova_generic_mdev' / f'{module.replace(".", "/")}.py'
        path.parent.mkdir(exist_ok=True)
        (path.parent / '__init__.py').touch()
        with path.open('a') as file:
            file.write(f'{line}\n')
    (tree / 'nova_generic_mdev/model.py').write_text(
        'from nova_generic_mdev import names\n'
    )
    return lint_imports(tree).stdout


@pytest.mark.parametrize('contract', CONTRACTS)
def test_contract_can_fail(contract: str, verdicts: str):
    assert f'{CONTRACTS[contract]} BROKEN' in verdicts


def test_each_module_of_the_core_is_held_to_be_pure():
    core = contracts()['importlinter:contract:core']['source_modules'].split()
    tops = {path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob('*.py')}
    expected = {name.removesuffix('.py') for name in tops} - {'__init__'} - SHELL
    assert {name.rpartition('.')[2] for name in core} == expected
