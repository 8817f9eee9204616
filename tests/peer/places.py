# SPDX-License-Identifier: Apache-2.0
"""A place of its own for each test: its records, and which drivers it made."""

import collections
import contextlib
import functools
import pathlib
import tempfile
import typing as ty
import unittest
from unittest import mock

from nova_generic_mdev import claims
from nova_generic_mdev.adapters.nova import hosts
from tests.peer import host

#: by test, the classes of the drivers that it made
made: dict[str, collections.Counter[type]] = collections.defaultdict(
    collections.Counter
)
_current = ['no test']


def note(cls: type) -> None:
    """Note that a driver is made."""
    made[_current[-1]][cls] += 1


def settle(test: unittest.TestCase, ours: type) -> unittest.TestCase:
    """Let a test run in a place of its own, and with no driver but ours."""
    method = getattr(test, test._testMethodName)

    @functools.wraps(method)
    def run_method() -> None:
        method()
        _check(test, ours)

    setattr(test, test._testMethodName, run_method)
    test.run = functools.partial(_run, test, test.run)
    return test


def _check(test: unittest.TestCase, ours: type) -> None:
    """Fail unless every driver that the test made was ours, exactly.

    Some tests have a subclass of their own, of what they find as Nova's.
    """
    drivers = made[test.id()]
    for cls in drivers:
        if cls is ours or (ours in cls.__mro__ and 'nova.tests.' in cls.__module__):
            continue
        test.fail(f'a driver was made of {cls}, not of {ours}')
    if not drivers and '.functional.' in test.id():
        test.fail(f'no driver was made, so none was tried: {ours}')


def _run(test: unittest.TestCase, run: ty.Any, result: ty.Any = None) -> ty.Any:
    # A thread of a service may outlive its test.
    kept = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with kept as state, contextlib.ExitStack() as stack:
        _current.append(test.id())
        stack.callback(_current.pop)

        def store_of(driver: ty.Any, conf: ty.Any) -> claims.ClaimStore:
            # One machine for all compute services: each has its own record.
            hostname = str(driver._host.get_hostname())  # some mock it
            return claims.ClaimStore(str(pathlib.Path(state, hostname)), hostname)

        def host_of(driver: ty.Any, conf: ty.Any) -> host.NovasHost:
            return host.NovasHost(driver)

        for replaced in (store_of, host_of):
            stack.enter_context(mock.patch.object(hosts, replaced.__name__, replaced))
        return run(result)
