# SPDX-License-Identifier: Apache-2.0
"""Tests with other services' own code, in this process."""
