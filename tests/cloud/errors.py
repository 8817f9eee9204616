# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with the cloud."""

from __future__ import annotations


class CloudError(Exception):
    """Anything that keeps a cloud from being started or used."""


class NotThere(CloudError):
    """There is no cloud, or there is one already."""


class ServiceFailed(CloudError):
    """A service does not do what it was started for.

    :param name: the service.
    :param reason: what was waited for, or how it ended.
    :param lines: the last lines of its log.
    """

    def __init__(self, name: str, reason: str, lines: str) -> None:
        self.name = name
        self.reason = reason
        self.lines = lines
        super().__init__(
            f'{name}: {reason}\n--- its last lines:\n{lines or "(nothing)"}'
        )
