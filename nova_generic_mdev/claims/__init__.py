# SPDX-License-Identifier: Apache-2.0
"""The durable record: which mdevs are ours, and whose they are."""

from nova_generic_mdev.claims.files import machine_id
from nova_generic_mdev.claims.session import Session
from nova_generic_mdev.claims.store import ClaimStore
from nova_generic_mdev.claims.store import exists

__all__ = ['ClaimStore', 'Session', 'exists', 'machine_id']
