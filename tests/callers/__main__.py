# SPDX-License-Identifier: Apache-2.0
"""Print the table for the documentation."""

import sys

from tests.callers import table

sys.stdout.write(table.rst())
