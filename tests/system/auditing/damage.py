# SPDX-License-Identifier: Apache-2.0
"""What hands do to a host, so that an audit finds it: each kind, at least once.

A damage says what is found of it and whether ``--fix`` mends that.  Those that do
not get in each other's way are in one scene.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from collections.abc import Mapping

from nova_generic_mdev.audit import Kind
from tests.system.auditing.host import Host
from tests.system.auditing.places import Place
from tests.system.auditing.places import Server


class End(enum.Enum):
    """What ``--fix`` does about one finding."""

    MENDED = 'it is mended'
    FOLLOWS = 'it is gone when another one is mended'
    LEFT = 'it is left to somebody else'


MENDED, FOLLOWS, LEFT = End
#: kinds that hands cannot make on a real host, and why; on fakes all are made
NOT_BY_HAND: Mapping[Kind, str] = {
    Kind.UNREADABLE_GUEST: 'libvirt prints the XML of what it has read itself, and '
    'root may ask for each; a domain whose file it cannot read it does not list',
}
#: what a damage is found as: of which kind, and of what
Found = Mapping[Kind, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Damage:
    """One thing that is done.

    :param do: does it; returns what is found
    :param place: where its server has its mdev, if it needs one
    :param kinds: what is found, and what becomes of it
    """

    do: Callable[[Host, Server], Found]
    place: Place
    needs_server: bool
    kinds: Mapping[Kind, End]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.do.__name__.replace('_', '-')


SCENES: dict[str, list[Damage]] = {'mdevs': [], 'providers': [], 'views': []}


def damage(
    scene: str,
    place: Place,
    kinds: Mapping[Kind, End],
    *,
    server: bool = True,
) -> Callable[[Callable[[Host, Server], Found]], Callable[[Host, Server], Found]]:
    """Add what the function does to a scene."""

    def add(do: Callable[[Host, Server], Found]) -> Callable[[Host, Server], Found]:
        SCENES[scene].append(
            Damage(do=do, place=place, needs_server=server, kinds=kinds)
        )
        return do

    return add


def mdev(server: Server) -> str:
    return f'mdev {server.mdev}'


def consumer(server: Server) -> str:
    return f'consumer {server.consumer}'
