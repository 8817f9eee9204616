# SPDX-License-Identifier: Apache-2.0
"""How properties are tried, here and on a busy machine of many others."""

from __future__ import annotations

import hypothesis

# No stopwatch in a test: how long one example takes says how busy the machine is.
hypothesis.settings.register_profile('project', deadline=None)
hypothesis.settings.load_profile('project')
