# SPDX-License-Identifier: Apache-2.0
"""Our package beside Nova, in every way that the two can be installed.

Each way is a fresh virtual environment.  They need an environment with Nova
(tools/nova-venv), and pip, which asks for what builds our package.
"""

# First of all: it patches what everything else imports.
import tests.nova  # noqa: F401
