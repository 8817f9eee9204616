# SPDX-License-Identifier: Apache-2.0
"""Nova's own tests about mdevs, with our driver in the place of Nova's.

They come with Nova's wheel; nothing of them is copied.  ``selection`` says which
they are, ``substitution`` puts our class where they find Nova's, ``host`` is the
host that our engine sees in them, and ``excused.toml`` names those that pin what
we do otherwise on purpose.  ``python -m tests.runner tests/peer --excused
tests/peer/excused.toml`` runs them.
"""

# First of all: it patches what everything else imports.
import tests.nova  # noqa: F401
