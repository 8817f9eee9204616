# SPDX-License-Identifier: Apache-2.0
"""A host's tree that the writer may write to, and nothing that needs root."""

from __future__ import annotations

import pytest

from nova_generic_mdev import fixture
from tests.unit import scenes

UUID = scenes.UUIDS[10]


@pytest.fixture
def root(tmp_path):
    """mtty with one mdev that has two attributes, one of them below a folder."""
    host = fixture.mtty()
    host.place(UUID, 'mtty_mtty', 'mtty-1')
    fixture.write_sysfs(host, tmp_path / 'sys')
    mdev = tmp_path / 'sys/devices/virtual/mtty/mtty' / UUID
    (mdev / 'vendor').mkdir()
    for attribute in ('assign_adapter', 'driver_override', 'uevent', 'vendor/memory'):
        (mdev / attribute).write_text('')
    return tmp_path / 'sys'


@pytest.fixture
def device(root):
    """The mdev's own directory."""
    return root / 'devices/virtual/mtty/mtty' / UUID
