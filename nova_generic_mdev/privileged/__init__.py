# SPDX-License-Identifier: Apache-2.0
"""The only code that runs with privileges: it writes to sysfs, nothing else.

The context keeps no capability: sysfs attributes belong to root and are
writable by their owner, which needs no power beyond the user id.
"""

from __future__ import annotations

import os

from oslo_privsep import priv_context

context = priv_context.PrivContext(
    'nova_generic_mdev',
    cfg_section='generic_mdev_privileged',
    pypath=f'{__name__}.context',
    capabilities=[],
)


def start() -> None:
    """Start the privileged helper, once: root forks it, others ask sudo.

    Inside nova-compute nobody calls this; the library starts the helper as the
    service's own configuration says.
    """
    if context.channel is None:
        method = priv_context.Method
        context.start(method.FORK if os.geteuid() == 0 else method.ROOTWRAP)
