# SPDX-License-Identifier: Apache-2.0
"""What unittest finds here is Nova's tests; see the package."""

import typing as ty
import unittest

from tests.peer import drivers
from tests.peer import places
from tests.peer import selection
from tests.peer import substitution

PLACED = drivers.placed()
EXPECTED = drivers.expected(PLACED)
# Before Nova's tests are imported, which bind what they mock.
substitution.substitute(PLACED, places.note)


def load_tests(
    loader: unittest.TestLoader, _tests: ty.Any, _pattern: ty.Any
) -> unittest.TestSuite:
    """What unittest asks a module for; see its documentation."""
    selected = selection.select(loader)
    return unittest.TestSuite(places.settle(test, EXPECTED) for test in selected)
