# SPDX-License-Identifier: Apache-2.0
"""Stock tempest against the cloud of ``make cloud``: our plugin's tests, and some
of tempest's own that must pass whatever driver there is.

It runs in an environment of its own, ``.venv-tempest``, as it would anywhere.
"""
