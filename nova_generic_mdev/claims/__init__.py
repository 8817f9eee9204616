# SPDX-License-Identifier: Apache-2.0
"""The durable record: which mdevs are ours, and whose they are."""

from nova_generic_mdev.claims.store import ClaimStore
from nova_generic_mdev.claims.store import exists
from nova_generic_mdev.claims.store import machine_id

__all__ = ['ClaimStore', 'exists', 'machine_id']
