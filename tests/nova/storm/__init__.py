# SPDX-License-Identifier: Apache-2.0
"""Many boots and deletes at once, at the driver's ``spawn`` and ``destroy``."""
