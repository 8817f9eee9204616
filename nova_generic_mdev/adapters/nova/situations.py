# SPDX-License-Identifier: Apache-2.0
"""What is known of a server when Nova tells its driver to take the guest down.

States are Nova's words (``nova.compute.task_states``, ``vm_states``), as strings:
this module needs no Nova.
"""

from __future__ import annotations

import enum
import typing as ty

from nova_generic_mdev import model


class Call(enum.StrEnum):
    """Which method of its driver Nova called; ``destroy`` itself calls ``cleanup``."""

    DESTROY = 'destroy'
    CLEANUP = 'cleanup'
    CONFIRM_MIGRATION = 'confirm_migration'
    ROLLBACK_AT_DESTINATION = 'rollback_live_migration_at_destination'
    POST_AT_SOURCE = 'post_live_migration_at_source'
    CLEANUP_LINGERING = 'cleanup_lingering_instance_resources'


@model.value
class Facts:
    """What is known when Nova calls, *before* Nova's own method runs.

    Nova's method saves the instance, which reads its states again; a server that
    is deleted while its resize waits for an answer is no longer ``deleting`` then.

    :param own_host: name of this compute host, as ``init_host`` told it
    :param host: name of the compute host that the instance is on; None: on none
    :param hidden: another cell has the instance that users see
    :param operation: what of ours is under way for this instance, in this thread
    :param live_migration: Nova passed the data of a live migration
    :param by_service: nova-compute does it of its own accord, for no user
    """

    call: Call
    own_host: str
    host: str | None = None
    vm_state: str | None = None
    task_state: str | None = None
    deleted: bool = False
    hidden: bool = False
    operation: str | None = None
    live_migration: bool = False
    by_service: bool = False

    @property
    def is_at_home(self) -> bool:
        """Whether the instance belongs to this compute host."""
        return self.host == self.own_host

    @property
    def is_elsewhere(self) -> bool:
        """Whether it belongs to another; one on no host is neither."""
        return self.host is not None and not self.is_at_home


def facts_of(
    call: Call,
    instance: ty.Any,
    own_host: str,
    *,
    context: ty.Any = None,
    migrate_data: ty.Any = None,
    operation: str | None = None,
) -> Facts:
    """The facts of one call, read from Nova's objects; nothing is loaded for it.

    :param instance: a ``nova.objects.Instance``
    :param context: Nova's request context; without one, a user asks
    :param migrate_data: the ``LiveMigrateData`` that came with the call
    :param operation: see :class:`Facts`
    """
    return Facts(
        call=call,
        own_host=own_host,
        host=_text(instance, 'host'),
        vm_state=_text(instance, 'vm_state'),
        task_state=_text(instance, 'task_state'),
        deleted=_read(instance, 'deleted') is True,
        hidden=_read(instance, 'hidden') is True,
        operation=operation,
        live_migration=migrate_data is not None,
        by_service=context is not None and getattr(context, 'user_id', '') is None,
    )


def _text(instance: ty.Any, field: str) -> str | None:
    value = _read(instance, field)
    return value if isinstance(value, str) else None


def _read(instance: ty.Any, field: str) -> ty.Any:
    """A field that is there; one that is not would be loaded by reading it."""
    is_set = getattr(instance, 'obj_attr_is_set', None)
    if is_set is not None and not is_set(field):
        return None
    return getattr(instance, field, None)
