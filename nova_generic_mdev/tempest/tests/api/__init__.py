# SPDX-License-Identifier: Apache-2.0
"""What the APIs say: inventories, traits and allocations."""
