# SPDX-License-Identifier: Apache-2.0
"""One line for each decision about an mdev: whose, which, and why."""

from __future__ import annotations

from oslo_log import log as logging

from nova_generic_mdev import record

LOG = logging.getLogger(__name__)


def decided(what: str, mdev: record.MdevRecord, consumer: str | None, why: str) -> None:
    """Log it: ``mdev U (TYPE on PARENT) of consumer C: created, since ...``.

    :param what: the outcome, one or two words; ``why`` may be empty
    :param consumer: None where it is nobody's
    """
    whose = f'of consumer {consumer}' if consumer else "nobody's"
    told = f'{what}: {why}' if why else what
    LOG.info(
        'mdev %s (%s on %s), %s, %s',
        mdev.uuid,
        mdev.mdev_type,
        mdev.parent,
        whose,
        told,
    )
