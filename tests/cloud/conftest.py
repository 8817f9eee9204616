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
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """A cloud with the hosts that the tests need, if none was there before."""
    marked = (item.get_closest_marker('two_hosts') for item in request.session.items)
    hosts = 2 if any(marked) else 1
    try:
        found = Cloud.find()
    except errors.NotThere:
        yield from _started(hosts)
        return
    if len(found.hosts) < hosts:
        pytest.skip('the cloud that runs has one host; stop it, and try again')
    yield found
    found.leave()


def _started(hosts: int) -> Iterator[Cloud]:
    try:
        cloud = Cloud.start(hosts)
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
