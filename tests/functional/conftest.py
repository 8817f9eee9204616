# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import collections.abc as cabc
import warnings

import pytest

with warnings.catch_warnings():
    # Those of Placement, and of the libraries that it stands on.
    warnings.simplefilter('ignore')
    from tests.functional import placement_service


@pytest.fixture(scope='session')
def service(
    tmp_path_factory: pytest.TempPathFactory,
) -> cabc.Iterator[placement_service.Service]:
    """One Placement for all: each test has a root of its own in it."""
    state = tmp_path_factory.mktemp('placement')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        service = placement_service.Service(state)
    with service.running():
        yield service


@pytest.fixture
def placement(
    service: placement_service.Service,
) -> placement_service.Service:
    """The service, with nothing noted yet."""
    service.log.clear()
    return service
