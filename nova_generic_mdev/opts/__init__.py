# SPDX-License-Identifier: Apache-2.0
"""The options of ``nova.conf``; configuration is passed, never global."""

from nova_generic_mdev.opts.definitions import BACKEND
from nova_generic_mdev.opts.definitions import list_opts
from nova_generic_mdev.opts.definitions import register
from nova_generic_mdev.opts.reading import policy_from
from nova_generic_mdev.opts.reading import state_path

__all__ = ['BACKEND', 'list_opts', 'policy_from', 'register', 'state_path']
