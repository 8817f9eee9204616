# SPDX-License-Identifier: Apache-2.0
"""What is measured, and of whom: the words by which results are found."""

from __future__ import annotations

UPDATE, CHANGED, ALLOCATION = 'update', 'update after a change', 'allocation'
STORM, RELEASES, RECOVERY = 'storm', 'releases of the storm', 'recovery'
COMMAND = 'command'
#: an update, and the most that it had in memory beside what was there
MEMORY = f'{UPDATE}, memory'

#: the drivers: Nova's own, and this one with its record and its looks elsewhere
KINDS = IN_TREE, OURS, ON_DISK, LIBVIRT = (
    'in-tree',
    'ours',
    'ours, on disk',
    'ours, libvirt',
)
#: those that are compared on every size of host
COMPARED = IN_TREE, OURS
#: what bare reads are written in
PYTHON, C = 'Python', 'C'


def bare(what: str) -> str:
    """The reads that no driver can avoid in an update."""
    return f'bare reads of an {what}'
