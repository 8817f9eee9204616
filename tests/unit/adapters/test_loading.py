# SPDX-License-Identifier: Apache-2.0
"""The os_vif plugin and its alias: each row is a program in a fresh interpreter.

``nova`` is a package of a few lines, and our driver a module of one.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).parents[3]

# As Nova does; oslo.utils' import_class is what finds the class.
START = """
import os_vif
os_vif.initialize()
"""
LOAD = """
from oslo_utils import importutils
driver = importutils.import_object('nova.virt.' + compute_driver, 'virtapi')
"""
DRIVER = """
import sys, types
class GenericMdevDriver:
    def __init__(self, virtapi):
        self.virtapi = virtapi
target = types.ModuleType('nova_generic_mdev.adapters.nova.driver')
target.GenericMdevDriver = GenericMdevDriver
sys.modules[target.__name__] = target
compute_driver = 'generic_mdev.GenericMdevDriver'
"""


@pytest.fixture
def site(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory of packages: a small ``nova``, and our entry point."""
    furnish(tmp_path)
    return tmp_path


def furnish(site: pathlib.Path) -> None:
    """Put in what the rows need; what is installed may be older than the tree."""
    virt = site / 'nova/virt'
    virt.mkdir(parents=True)
    (site / 'nova/__init__.py').touch()
    (virt / '__init__.py').touch()
    (virt / 'fake.py').write_text('class FakeDriver:\n    __init__ = print\n')
    info = site / 'nova_generic_mdev-9.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Name: nova-generic-mdev\nVersion: 9\n')
    (info / 'entry_points.txt').write_text(
        '[os_vif]\ngeneric_mdev = nova_generic_mdev.adapters.nova.loading:Plugin\n'
    )


def run(site: pathlib.Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, '-c', program],
        cwd=site,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join((str(site), str(ROOT)))},
        capture_output=True,
        text=True,
        check=False,
    )


def said(site: pathlib.Path, program: str) -> str:
    """What a program prints that does not fail."""
    result = run(site, program)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


# The name


def test_nova_finds_our_driver_by_its_own_name(site: pathlib.Path):
    show = 'print(type(driver) is GenericMdevDriver, driver.virtapi)'
    assert said(site, START + DRIVER + LOAD + show) == 'True virtapi'


def test_without_the_plugin_there_is_no_such_name(site: pathlib.Path):
    result = run(site, DRIVER + LOAD)
    assert "No module named 'nova.virt.generic_mdev'" in result.stderr


@pytest.mark.parametrize(
    'statement',
    [
        pytest.param('import nova.virt.generic_mdev as found', id='import as'),
        pytest.param('from nova.virt import generic_mdev as found', id='from'),
        pytest.param(
            'from importlib import import_module\n'
            'found = import_module("nova.virt.generic_mdev")',
            id='import_module',
        ),
    ],
)
def test_any_import_finds_it(statement: str, site: pathlib.Path):
    show = '\nprint(found.__name__, found.GenericMdevDriver is GenericMdevDriver)'
    program = START + DRIVER + statement + show
    assert said(site, program) == 'nova.virt.generic_mdev True'


def test_specs_are_each_modules_own(site: pathlib.Path):
    (site / 'real.py').write_text('class GenericMdevDriver:\n    pass\n')
    program = f"""{START}
import sys
from nova_generic_mdev.adapters.nova import loading
loading.TARGET = 'real'
import nova.virt.generic_mdev as alias, real
for module in (alias, real):
    print(module.__spec__.name, sys.modules[module.__spec__.name] is module)
"""
    assert said(site, program) == 'nova.virt.generic_mdev True\nreal True'


def test_looking_for_the_name_imports_nothing(site: pathlib.Path):
    program = f"""{START}
import importlib.util, sys
spec = importlib.util.find_spec('nova.virt.generic_mdev')
print(spec.origin, 'nova_generic_mdev.adapters.nova.driver' in sys.modules)
"""
    assert said(site, program) == 'nova_generic_mdev.adapters.nova.driver False'


def test_a_module_of_nova_of_that_name_is_novas(site: pathlib.Path):
    (site / 'nova/virt/generic_mdev.py').write_text('whose = "of Nova"\n')
    program = f'{START}{DRIVER}import nova.virt.generic_mdev as m; print(m.whose)'
    assert said(site, program) == 'of Nova'


def test_a_second_initialize_changes_nothing(site: pathlib.Path):
    program = f"""{START}
import sys
before = list(sys.meta_path)
os_vif.initialize(reset=True)
print(sys.meta_path == before)
"""
    assert said(site, program) == 'True'


# Where the driver is another one


def test_nothing_of_nova_or_of_our_engine_is_imported(site: pathlib.Path):
    program = f"""{START}
import sys
print(*sorted(m for m in sys.modules if m.startswith(('nova', 'libvirt'))))
"""
    assert said(site, program).split() == [
        'nova_generic_mdev',
        'nova_generic_mdev.adapters',
        'nova_generic_mdev.adapters.nova',
        'nova_generic_mdev.adapters.nova.loading',
    ]


def test_another_driver_is_loaded_as_ever(site: pathlib.Path):
    program = f"""{START}
compute_driver = 'fake.FakeDriver'
{LOAD}
import sys
print(type(driver).__module__, 'nova_generic_mdev.opts' in sys.modules)
"""
    assert said(site, program).splitlines()[-1] == 'nova.virt.fake False'


# os_vif's plugin


def test_os_vif_describes_it_as_one_that_has_no_vif(site: pathlib.Path):
    program = f"""{START}
for permitted in (None, ['VIFBridge']):
    for info in os_vif.host_info(permitted).plugin_info:
        print(info.plugin_name, len(info.vif_info), info.obj_to_primitive() != {{}})
"""
    # os_vif itself leaves out a plugin that has none of the permitted.
    assert 'generic_mdev 0 True' in said(site, program).splitlines()


def test_it_is_one_of_os_vifs_plugins(site: pathlib.Path):
    program = f"""{START}
from os_vif import plugin
extension = os_vif._EXT_MANAGER['generic_mdev']
print(issubclass(extension.plugin, plugin.PluginBase), extension.obj.CONFIG_OPTS)
"""
    assert said(site, program) == 'True []'


def test_os_vif_can_list_its_options(site: pathlib.Path):
    program = 'from os_vif import opts; print(dict(opts.list_plugins_opts()))'
    assert "'os_vif_generic_mdev': []" in said(site, program)


@pytest.mark.parametrize(
    ('method', 'error'),
    [
        pytest.param('plug', 'PlugException', id='plug'),
        pytest.param('unplug', 'UnplugException', id='unplug'),
    ],
)
def test_it_refuses_a_vif(method: str, error: str, site: pathlib.Path):
    program = f"""{START}
from os_vif import objects, exception
vif = objects.vif.VIFGeneric(plugin='generic_mdev')
try:
    os_vif.{method}(vif, objects.instance_info.InstanceInfo())
except exception.{error} as e:
    print(e)
"""
    assert 'plugs no VIFs' in said(site, program)


# What may be the matter, and whether our driver is still found.  os_vif's own
# plugins are left out: some of it would be too much for them.
ONLY_OURS = """
from stevedore import extension
names = extension.ExtensionManager.list_entry_points
extension.ExtensionManager.list_entry_points = lambda self: [
    e for e in names(self) if e.name == 'generic_mdev']
"""
ODD = {
    'all is well': ('', True),
    'our package is not there': (
        """
import pathlib, sys
sys.path = [p for p in sys.path if not pathlib.Path(p, 'nova_generic_mdev').is_dir()]
sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f)]
""",
        False,
    ),
    'our package is half there': (
        """
import sys
sys.modules['nova_generic_mdev.adapters.nova'] = None
""",
        False,
    ),
    'os_vif has no plugin base': (
        """
import os_vif.plugin
del os_vif.plugin.PluginBase
""",
        False,
    ),
    'the plugin base is no abstract class': (
        """
import os_vif.plugin
os_vif.plugin.PluginBase = type('PluginBase', (), {})
""",
        False,
    ),
    'the plugin base demands one method more': (
        """
import abc, os_vif.plugin
class More(os_vif.plugin.PluginBase):
    @abc.abstractmethod
    def more(self): ...
os_vif.plugin.PluginBase = More
""",
        True,
    ),
    "the plugin base's constructor wants more": (
        """
import os_vif.plugin
os_vif.plugin.PluginBase.__init__ = lambda self, config, more: None
""",
        True,
    ),
    'sys.meta_path is a tuple': (
        """
import os_vif, sys
sys.meta_path = tuple(sys.meta_path)
""",
        False,
    ),
    'sys.meta_path has something in it that cannot be compared': (
        """
import os_vif, sys
class Odd:
    def find_spec(self, *args): return None
    def __eq__(self, other): raise ValueError('odd')
sys.meta_path.append(Odd())
""",
        True,
    ),
}


@pytest.mark.parametrize('odd', ODD)
def test_it_never_ends_nova_compute(odd: str, site: pathlib.Path):
    source, is_found = ODD[odd]
    program = f"""{ONLY_OURS}{source}{START}
compute_driver = 'fake.FakeDriver'
{LOAD}
print('another driver is loaded')
{DRIVER}
try:
{textwrap.indent(LOAD, '    ')}
    print(True)
except ImportError:
    print(False)
"""
    told = said(site, program).splitlines()
    assert told[-2:] == ['another driver is loaded', str(is_found)]


def test_a_meta_path_that_takes_nothing_is_told(site: pathlib.Path):
    program = f"""
import logging, sys
logging.basicConfig()
sys.meta_path = tuple(sys.meta_path)
{START}
"""
    told = run(site, program).stderr
    assert 'compute_driver = generic_mdev.GenericMdevDriver will not be found' in told


# The failure says what to do


def test_a_wrong_name_is_told_the_right_one(site: pathlib.Path):
    result = run(site, f'{START}{DRIVER}compute_driver = "generic_mdev.Wrong"\n{LOAD}')
    last = result.stderr.splitlines()[-1]
    assert last.startswith('ImportError: Class Wrong cannot be found')
    assert (
        'compute_driver = generic_mdev.Wrong: there is no such driver, write '
        'compute_driver = generic_mdev.GenericMdevDriver'
    ) in last


BROKEN = {
    'Nova lacks a module': (
        'import nova.virt.libvirt',
        'and Nova of an unknown version do not go together; Nova must be 31',
    ),
    'Nova lacks a name': (
        'from nova.virt import nothing',
        'and Nova of an unknown version do not go together; Nova must be 31',
    ),
    'Nova lacks an attribute': (
        'import nova.virt; nova.virt.nothing',
        'and Nova of an unknown version do not go together; Nova must be 31',
    ),
    'a base class is another': (
        'class GenericMdevDriver(1): pass',
        'and Nova of an unknown version do not go together; Nova must be 31',
    ),
    'a library is not installed': (
        'import no_such_library',
        'install no_such_library where nova-compute runs, in ',
    ),
    'a module of ours is not installed': (
        'import nova_generic_mdev.no_such_module',
        'install nova-generic-mdev where nova-compute runs, in ',
    ),
    'the class is not there': (
        'x = 1',
        'nova-generic-mdev 9 and Nova of an unknown version do not go together',
    ),
}


@pytest.fixture(scope='module')
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What Nova catches and logs, by what is broken."""
    site = tmp_path_factory.mktemp('site')
    furnish(site)
    for number, (source, _remedy) in enumerate(BROKEN.values()):
        (site / f'broken_{number}.py').write_text(f'{source}\n')
    program = f"""{START}
import json
from oslo_utils import importutils
from nova_generic_mdev.adapters.nova import loading
told = []
for number in range({len(BROKEN)}):
    loading.TARGET = f'broken_{{number}}'
    try:
        importutils.import_class('nova.virt.generic_mdev.GenericMdevDriver')
    except ImportError as e:
        told.append(str(e))
print(json.dumps(told))
"""
    return dict(zip(BROKEN, json.loads(said(site, program)), strict=True))


@pytest.mark.parametrize('what', BROKEN)
def test_a_driver_that_cannot_be_imported(what: str, failures: dict[str, str]):
    told = failures[what]
    assert told.startswith(
        'compute_driver = generic_mdev.GenericMdevDriver cannot be loaded'
    )
    assert BROKEN[what][1] in told
