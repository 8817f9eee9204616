# SPDX-License-Identifier: Apache-2.0
"""The only code that runs with privileges: it writes to sysfs, nothing else.

The context keeps no capability: sysfs attributes belong to root and are
writable by their owner, which needs no power beyond the user id.
"""

from __future__ import annotations

import os

from oslo_privsep import daemon
from oslo_privsep import priv_context

from nova_generic_mdev import exceptions

#: what a call raises whose helper could not be started: not allowed, or not there
HelperFailed = daemon.FailedToDropPrivileges

context = priv_context.PrivContext(
    'nova_generic_mdev',
    cfg_section='generic_mdev_privileged',
    pypath=f'{__name__}.context',
    capabilities=[],
)


def start() -> None:
    """Start the privileged helper, once: root forks it, others ask sudo.

    The command line calls this before it does anything else.  Inside
    nova-compute nobody does: the library starts the helper as the service's
    own configuration says.

    :raises HostError: it cannot be started
    """
    if context.channel is not None or not context.client_mode:
        return
    if os.geteuid() == 0:
        _fork()
        return
    try:
        context.start(priv_context.Method.ROOTWRAP)
    except (HelperFailed, OSError) as e:
        raise not_started(e) from e


def not_started(error: Exception) -> exceptions.HostError:
    """The helper's refusal, in words that say what to do."""
    return exceptions.HostError(
        'privileged helper',
        f'{error}; run as root, or let sudo start privsep-helper for this user '
        f'([{context.cfg_section}] helper_command)',
    )


def _fork() -> None:
    caller = os.getpid()
    try:
        context.start(priv_context.Method.FORK)
    finally:
        # The helper's loop runs inside this call, in the child.  Whatever ends
        # it, a socket closed under a log message say, the child must not go on
        # in its caller's code as a second, privileged copy of the program.
        if os.getpid() != caller:
            os._exit(1)
