# SPDX-License-Identifier: Apache-2.0
"""Placement, asked and told over its API (Placement API reference).

:class:`Client` speaks the API; :class:`Publisher` brings a host's part of
Placement to what it should be.  Nothing else imports keystoneauth1.
"""

from nova_generic_mdev.adapters.placement.asking import MICROVERSION
from nova_generic_mdev.adapters.placement.asking import Unreachable
from nova_generic_mdev.adapters.placement.client import Client
from nova_generic_mdev.adapters.placement.client import Listed
from nova_generic_mdev.adapters.placement.planning import Host
from nova_generic_mdev.adapters.placement.planning import Plan
from nova_generic_mdev.adapters.placement.publishing import Published
from nova_generic_mdev.adapters.placement.publishing import Publisher
from nova_generic_mdev.adapters.placement.session import client_from
from nova_generic_mdev.adapters.placement.session import client_from_conf
from nova_generic_mdev.adapters.placement.session import register_arguments
from nova_generic_mdev.adapters.placement.telling import Row

__all__ = [
    'MICROVERSION',
    'Client',
    'Host',
    'Listed',
    'Plan',
    'Published',
    'Publisher',
    'Row',
    'Unreachable',
    'client_from',
    'client_from_conf',
    'register_arguments',
]
