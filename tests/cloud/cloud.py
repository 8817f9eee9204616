# SPDX-License-Identifier: Apache-2.0
"""A cloud as a whole: started, found, stopped."""

from __future__ import annotations

import contextlib
from typing import Any

from tests.cloud import catalogue
from tests.cloud import computes
from tests.cloud import errors
from tests.cloud import place as places
from tests.cloud import processes
from tests.cloud import services
from tests.system.machine import Machine
from tests.system.machine import packages
from tests.system.machine import progress


class Cloud:
    """A cloud that runs.

    :param hosts: its compute hosts, by their names.
    """

    def __init__(self, place: places.Place, hosts: dict[str, Machine]) -> None:
        self.place = place
        self.hosts = hosts

    @classmethod
    def start(cls, hosts: int = 1) -> Cloud:
        """Start one from nothing; nothing is left when that fails but the logs.

        :param hosts: how many compute hosts it is to have.
        :raises CloudError: a service does not work, or there is a cloud already.
        :raises MachineError: a machine does not come up.
        """
        packages.ensure(packages.TO_RUN)
        computes.image()
        _forget_what_ended()
        cloud = cls(places.Place.make(), {})
        try:
            with progress.step('starting a cloud'):
                services.start(cloud.place)
                cloud._add_hosts(hosts)
        except BaseException:
            cloud.stop(remove=False)
            raise
        return cloud

    def _add_hosts(self, count: int) -> None:
        for machine in computes.start(self.place, count):
            self.hosts[machine.name] = machine
        for machine in self.hosts.values():
            with progress.step(f'waiting for what {machine.name} offers'):
                computes.wait(self.place, machine)

    def leave(self) -> None:
        """Let it run on without this program; `find` finds it."""
        left = {name: machine.leave() for name, machine in self.hosts.items()}
        self.place.save(hosts=left)

    @classmethod
    def find(cls) -> Cloud:
        """The one that runs.

        :raises NotThere: there is none.
        """
        place = places.Place.find()
        left = place.state.get('hosts', {})
        return cls(place, {name: Machine.found(one) for name, one in left.items()})

    def stop(self, *, remove: bool = True) -> None:
        """End it.

        :param remove: forget its files, too.
        """
        for machine in self.hosts.values():
            with contextlib.suppress(errors.CloudError):
                machine.stop()
        services.stop(self.place)
        if remove:
            self.place.remove()

    def client(self, who: str) -> Any:
        """See `catalogue.connect`."""
        return catalogue.connect(self.place, who)

    def status(self) -> list[tuple[str, str, int]]:
        """Name, state and memory in MiB of each service and each host."""
        rows = []
        known = processes.known(self.place)
        for name, machine in self.hosts.items():
            known[name] = machine.identity
        for name, one in known.items():
            state = 'runs' if one.alive() else 'ended'
            rows.append((name, state, processes.memory(one)))
        return rows

    def log(self, name: str, lines: int) -> str:
        """The last lines of a service, or of a host's nova-compute."""
        if name in self.hosts:
            return computes.log(self.hosts[name], lines)
        return processes.tail(self.place, name, lines)


def _forget_what_ended() -> None:
    """Remove what a cloud left that did not start, or that is gone."""
    with contextlib.suppress(errors.NotThere):
        place = places.Place.find()
        if not any(one.alive() for one in processes.known(place).values()):
            place.remove()
