# SPDX-License-Identifier: Apache-2.0
"""Runs tests that need nova.tests: by stestr, as many at once as processors.

pytest does not run Nova's tests (they lose their methods there); stestr does,
but knows no failures that are expected and no JUnit.  ``python -m tests.runner
--help`` says how it is called.
"""
