# SPDX-License-Identifier: Apache-2.0
"""Which of Nova's tests are about mdevs.

A test is, when its name or its source mentions them.  ``names/<series>.txt`` has
what that came to, so that one that is gone, or new, is seen.  ``python -m
tests.peer.selection`` writes the file anew for the Nova that is installed.
"""

import collections.abc as cabc
import importlib.metadata
import inspect
import pathlib
import re
import typing as ty
import unittest

MODULES = (
    'functional.libvirt.test_reshape',
    'functional.libvirt.test_vgpu',
    'functional.regressions.test_bug_2098892',
    'unit.compute.test_compute_mgr',
    'unit.conductor.tasks.test_live_migrate',
    'unit.conf.test_devices',
    'unit.objects.test_migrate_data',
    'unit.virt.libvirt.test_config',
    'unit.virt.libvirt.test_driver',
    'unit.virt.libvirt.test_guest',
    'unit.virt.libvirt.test_host',
    'unit.virt.libvirt.test_migration',
)
# "mdev" with its case, since VPMEMDevice and vTPMDev are others.
MENTION = re.compile(r'(?i:gpu|mediated|cyborg)|(?<![a-z])mdev|Mdev|MDEV')


def names_file(series: str | None = None) -> pathlib.Path:
    """Where the names for a series of Nova are; the installed one's."""
    series = series or importlib.metadata.version('nova').partition('.')[0]
    return pathlib.Path(__file__).parent / 'names' / f'{series}.txt'


def recorded() -> list[str]:
    """The names that were selected when somebody last looked."""
    return names_file().read_text(encoding='utf-8').splitlines()


def select(loader: unittest.TestLoader) -> list[unittest.TestCase]:
    """The tests about mdevs of the Nova that is installed, in the order to run.

    Imports Nova's tests: what is to stand in for something has to be there.
    """
    found = [
        test
        for module in MODULES
        for test in _flat(loader.loadTestsFromName(f'nova.tests.{module}'))
        if _is_selected(test)
    ]
    return sorted(found, key=_order)


def _order(test: unittest.TestCase) -> tuple[bool, str]:
    # Those of the configuration expect that nobody has registered a type yet,
    # and all tests of a process have the same configuration.
    return '.unit.conf.' not in test.id(), test.id()


def _flat(suite: cabc.Iterable[ty.Any]) -> cabc.Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flat(test)
        else:
            yield test


def _is_selected(test: unittest.TestCase) -> bool:
    if MENTION.search(test.id().removeprefix('nova.tests.')):
        return True
    method = inspect.unwrap(getattr(test, test._testMethodName))
    return bool(MENTION.search(inspect.getsource(method)))


def main() -> None:
    """Write the names of what is selected now."""
    names = [test.id() for test in select(unittest.TestLoader())]
    names_file().parent.mkdir(exist_ok=True)
    names_file().write_text('\n'.join([*names, '']), encoding='utf-8')
    print(f'{names_file()}: {len(names)} names')  # noqa: T201


if __name__ == '__main__':
    main()
