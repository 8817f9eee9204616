# SPDX-License-Identifier: Apache-2.0
"""What a command does not use is not loaded."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest
from cliff import command

from nova_generic_mdev import fixture
from nova_generic_mdev.cmd import lazily

SCRIPT = """
import sys
from nova_generic_mdev.cmd import main
try:
    status = main.main(sys.argv[1:])
except SystemExit as e:
    status = e.code
assert not status, status
print(*sorted(sys.modules), file=sys.stderr)
"""
# What speaks to services, and what it loads.
SERVICES = {'requests', 'keystoneauth1.session', 'lxml.etree', 'oslo_privsep.daemon'}
HOSTS = {'oslo_concurrency.lockutils', 'sqlite3', 'os_traits.hw', 'oslo_config.types'}


def loaded(*arguments: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', SCRIPT, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return set(ran.stderr.splitlines()[-1].split())


def test_help_loads_what_help_needs():
    assert loaded('--help') & (SERVICES | HOSTS) == set()


def test_help_does_not_look_at_all_that_is_installed(monkeypatch, call):
    monkeypatch.setattr(importlib.metadata, 'packages_distributions', pytest.fail)
    monkeypatch.setattr(command, '_get_distributions_by_modules', pytest.fail)
    told = call('--help')
    assert told.status == 0
    assert 'parent list' in told.out


def test_a_look_loads_nothing_that_speaks_to_services(tmp_path):
    fixture.write_sysfs(fixture.mtty(), tmp_path)
    found = loaded(f'--sysfs={tmp_path}', 'parent', 'list')
    assert found & SERVICES == set()
    assert 'nova_generic_mdev.host.sysfs.reader' in found


def test_afterwards_modules_are_loaded_as_ever():
    before = list(sys.meta_path)
    with pytest.raises(KeyError), lazily.imported():
        raise KeyError
    assert sys.meta_path == before
