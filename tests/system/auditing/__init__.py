# SPDX-License-Identifier: Apache-2.0
"""Damages that an audit has to find, on a real host; each scene is some of them."""

from tests.system.auditing import of_mdevs
from tests.system.auditing import of_providers
from tests.system.auditing.damage import NOT_BY_HAND
from tests.system.auditing.damage import SCENES

__all__ = ['NOT_BY_HAND', 'SCENES', 'of_mdevs', 'of_providers']
