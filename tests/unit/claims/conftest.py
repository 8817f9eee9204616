# SPDX-License-Identifier: Apache-2.0
"""A record, and somebody who is not root."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile

import pytest

from nova_generic_mdev import claims
from nova_generic_mdev import record
from tests.unit.claims import processes

NOBODY = 65534


@pytest.fixture
def state_path():
    """A path that everybody may enter, unlike those of pytest."""
    top = pathlib.Path(tempfile.mkdtemp(prefix='nova-mdev-test-'))
    top.chmod(0o755)
    yield top / 'state'
    for folder, _, _ in os.walk(top):
        # What a test took away must not keep it from being tidied up.
        for inner in pathlib.Path(folder).iterdir():
            if inner.is_dir():
                inner.chmod(0o755)
    shutil.rmtree(top)


@pytest.fixture
def store(state_path):
    made = claims.ClaimStore(str(state_path), processes.MACHINE)
    made.create(record.Claims())
    return made


@pytest.fixture
def as_nobody():
    """Run a block without root's powers; any other user has none anyway."""

    @contextlib.contextmanager
    def powerless():
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return powerless
