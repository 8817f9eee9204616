# SPDX-License-Identifier: Apache-2.0
"""One cloud for all tests: the one that ``make cloud`` started, or one of theirs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud import errors
from tests.cloud.cloud import Cloud
from tests.cloud.hands import Hands
from tests.system.machine import NeedsMissing


@pytest.fixture(scope='session')
def cloud() -> Iterator[Cloud]:
    """A cloud with two hosts; it outlives the tests if it was there before."""
    try:
        found = Cloud.find()
    except errors.NotThere:
        yield from _started()
        return
    yield found
    found.leave()


def _started() -> Iterator[Cloud]:
    try:
        cloud = Cloud.start(hosts=2)
    except NeedsMissing as error:
        pytest.skip(f'no cloud on this computer: {error}')
    try:
        yield cloud
    finally:
        cloud.stop()


@pytest.fixture(scope='session')
def hands(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Hands:
    """Its operator, with a guest's image and flavors."""
    ours = Hands(cloud)
    ours.upload(tmp_path_factory.mktemp('image'))
    return ours
