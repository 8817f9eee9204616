# SPDX-License-Identifier: Apache-2.0
"""The only code that runs with privileges: it writes to sysfs, nothing else.

The context keeps no capability: sysfs attributes belong to root and are
writable by their owner, which needs no power beyond the user id.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import os
import signal
import typing as ty

from oslo_config import cfg
from oslo_privsep import comm
from oslo_privsep import daemon
from oslo_privsep import priv_context

from nova_generic_mdev import exceptions

#: the group of oslo.privsep's options for our helper
GROUP = 'generic_mdev_privileged'
# What the library raises where the helper cannot be started, is of another
# release, or does not answer.  What the kernel refuses never comes this way.
_FAILURES = (
    OSError,
    ImportError,
    NameError,
    daemon.FailedToDropPrivileges,
    daemon.ProtocolError,
    comm.PrivsepTimeout,
)
# A command must not stop at a prompt for a password that nobody sees.
_SUDO = ['sudo', '-n']

context = priv_context.PrivContext(
    'nova_generic_mdev',
    cfg_section=GROUP,
    pypath=f'{__name__}.context',
    capabilities=[],
)


def list_opts() -> list[cfg.Opt]:
    """The options of oslo.privsep that matter for our helper, in our words.

    The library registers these, and the rest of its own, in our group.
    """
    return [
        cfg.StrOpt(
            'helper_command',
            help="""
The command that starts the privileged helper, with sudo and what else it needs:
``sudo nova-rootwrap /etc/nova/rootwrap.conf privsep-helper --config-file
/etc/nova/nova.conf`` for example. By default it is ``sudo privsep-helper``, or
what nova-compute uses for its own helpers. ``nova-mdev`` run by root needs none.
""",
        ),
        cfg.StrOpt(
            'user',
            help='The user that the helper becomes; one that may write to sysfs.',
        ),
        cfg.StrOpt('group', help='The group that the helper becomes.'),
    ]


def configure(arguments: cabc.Sequence[str]) -> None:
    """Read the helper's options from the files that these arguments name.

    For a program of ours: oslo.privsep knows the global configuration only,
    and names its files to the helper.  nova-compute has read it already.

    :raises oslo_config.cfg.Error: a file cannot be read
    """
    cfg.CONF(arguments, project='nova', prog='nova-compute')


def start() -> None:
    """Start the privileged helper, once: root forks it, others ask sudo.

    The command line calls this before it does anything else.  Inside
    nova-compute nobody does: the library starts the helper as the service's
    own configuration says.

    :raises HostError: it cannot be started
    """
    if context.channel is not None or not context.client_mode:
        return
    with reported():
        if os.geteuid() == 0:
            _fork()
        else:
            priv_context.init(_SUDO)
            context.start(priv_context.Method.ROOTWRAP)


@contextlib.contextmanager
def reported() -> cabc.Iterator[None]:
    """What goes wrong with the helper itself becomes a HostError."""
    try:
        yield
    except comm.PrivsepTimeout as e:
        raise exceptions.HostError(
            'privileged helper',
            'it did not answer in time; the kernel still works on it, see "dmesg"',
        ) from e
    except _FAILURES as e:
        raise exceptions.HostError(
            'privileged helper',
            f'{_text(e)}; run as root, or let sudo or rootwrap start privsep-helper '
            f'for this user ([{GROUP}] helper_command)',
        ) from e


def _text(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        named = f': {error.filename}' if error.filename else ''
        return f'{error.strerror}{named}'
    return str(error)


def _fork() -> None:
    caller = os.getpid()
    try:
        with _no_interrupt():
            context.start(priv_context.Method.FORK)
    finally:
        # The helper's loop runs inside this call, in the child.  Whatever ends
        # it, a socket closed under a log message say, the child must not go on
        # in its caller's code as a second, privileged copy of the program.
        if os.getpid() != caller:
            os._exit(1)


@contextlib.contextmanager
def _no_interrupt() -> cabc.Iterator[None]:
    """A terminal's Ctrl-C is for the caller, who still has to undo with our help."""
    before: ty.Any = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
