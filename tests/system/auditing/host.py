# SPDX-License-Identifier: Apache-2.0
"""A host with servers on which all witnesses agree, and what hands can do to it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from tests.functional import placement_service
from tests.system.auditing.places import Place
from tests.system.auditing.places import Server
from tests.system.auditing.places import conf
from tests.system.guest import domain
from tests.system.machine import Machine
from tests.system.program import CONF
from tests.system.program import STATE
from tests.system.program import Program
from tests.system.program import Step

_DEFINE = """
import json, libvirt, sys
connection = libvirt.open('qemu:///system')
for xml in json.load(sys.stdin):
    connection.defineXML(xml)
"""
_SQL = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
if len(sys.argv) > 2:
    connection.execute(sys.argv[2], sys.argv[3:])
    connection.commit()
print(*connection.iterdump(), sep=chr(10))
"""
_RECORD = f'{STATE}/claims.sqlite'
# All that an audit must leave as it is: devices, definitions, guests.
_LOOK = """
cd /sys/bus/mdev/devices; for mdev in *; do readlink -f $mdev/mdev_type; done
find /etc/mdevctl.d /etc/libvirt/qemu -type f | sort | xargs -r tail -n +1
ls /run/libvirt/qemu
"""


# libvirt has all node devices, and no live one more.  It may list one that is
# neither live nor defined: that is its matter.
_SETTLED = r"""
live=$(for mdev in $(ls /sys/bus/mdev/devices); do
    path=$(readlink -f /sys/bus/mdev/devices/$mdev); path=${path%/*}
    echo mdev_${mdev}_${path##*/}; done | tr -c 'A-Za-z0-9\n' _ | sort)
defined=$(cd /etc/mdevctl.d; find . -mindepth 2 -type f |
    sed 's#^./\(.*\)/\(.*\)#mdev_\2_\1#' | tr -c 'A-Za-z0-9\n' _ | sort)
active=$(virsh -q nodedev-list --cap mdev | sort)
all=$(echo "$active"; virsh -q nodedev-list --cap mdev --inactive)
[ "$live" = "$active" ] &&
    [ -z "$(comm -23 <(echo "$defined") <(echo "$all" | sort -u))" ]
"""


class Host:
    """What is done behind the back of the program, and what that says of it."""

    def __init__(self, program: Program, placement: placement_service.Service) -> None:
        self.program, self.placement = program, placement
        self.conf = conf()
        self.root = f'host-{uuid.uuid4().hex[:8]}'
        program.options = ['--root-provider', self.root]
        program.environment = {
            'OS_PLACEMENT_URL': f'http://services:{placement.port}',
            'OS_TOKEN': placement_service.TOKEN,
        }
        program.configure(self.conf)
        program.run('inventory', 'publish', '--create-root')

    @property
    def machine(self) -> Machine:
        """The machine."""
        return self.program.machine

    def provider(self, place: Place) -> str:
        """The name of a parent's provider."""
        return f'{self.root}_{place.parent}'

    def write_conf(self, text: str) -> None:
        """Change what the operator wants, and nothing else."""
        self.machine.write_text(CONF, text)

    # Servers

    def serve(self, servers: Iterable[Server]) -> None:
        """Give each server its mdev, and define its guest."""
        servers = list(servers)
        commands = []
        for server in servers:
            place = server.place
            self.allocate(server.consumer, place)
            resource = f'{place.sysname}:{place.resource_class}=1'
            words = ('device', 'allocate', '--in-placement', '--consumer',
                     server.consumer, '--resource', resource, '-f', 'json')  # fmt: skip
            commands.append(Step(words=words))
        for server, ended in zip(servers, self.program.series(commands), strict=True):
            assert ended.status == 0, ended.stderr
            (given,) = ended.rows
            server.mdev = given['uuid']
        self.define({s.name: (s.consumer, [s.mdev]) for s in servers})
        self.program.run('inventory', 'publish')
        self.settle()

    def allocate(self, consumer: str, place: Place, amount: int = 1) -> None:
        """What Nova's scheduler does."""
        self.placement.allocate(
            consumer, self.provider(place), **{place.resource_class: amount}
        )

    def define(self, guests: Mapping[str, tuple[str, Iterable[str]]]) -> None:
        """Define guests: by name the uuid and the mdevs; what was so called goes."""
        texts = []
        for name, (consumer, mdevs) in guests.items():
            xml = domain.firmware_xml(name, [domain.hostdev_xml(m) for m in mdevs])
            texts.append(xml.replace('</name>', f'</name><uuid>{consumer}</uuid>', 1))
        self.machine.run(
            ['/usr/bin/python3', '-c', _DEFINE], stdin=json.dumps(texts).encode()
        )

    def undefine(self, *servers: Server) -> None:
        """The guests go, and nobody tells us."""
        for server in servers:
            self.machine.run(f'virsh -q undefine {server.name}')

    # Mdevs

    def create(self, place: Place, mdev_type: str, mdev: str | None = None) -> str:
        """Make an mdev past everybody; its uuid."""
        mdev = mdev or str(uuid.uuid4())
        self.machine.run(f'echo {mdev} > {place.types}/{mdev_type}/create')
        return mdev

    def remove(self, server: Server) -> None:
        """Take a server's mdev past everybody."""
        self.machine.run(f'echo 1 > {server.path}/remove')

    def live(self) -> set[str]:
        """All mdevs that are there."""
        return self.program.live()

    def settle(self) -> None:
        """Wait until libvirt has seen what the kernel, and mdevctl, did."""
        self.machine.wait_for('libvirt has seen it', _SETTLED, timeout=240, pause=1)

    # The record, Placement

    def sql(self, *statement: str) -> str:
        """Change our record behind our back: a statement, and its values.

        :returns: all that is in it
        """
        words = ['/usr/bin/python3', '-c', _SQL, _RECORD, *statement]
        return self.machine.output(words)

    def inventory(self, place: Place, **fields: int) -> None:
        """Change what Placement has of a parent."""
        uuid = self.placement.uuid(self.provider(place))
        path = f'/resource_providers/{uuid}/inventories'
        told = self.placement.request('GET', path)
        told['inventories'][place.resource_class].update(fields)
        self.placement.request('PUT', path, told)

    def take_traits(self, place: Place, *traits: str) -> None:
        """Take traits from a parent's provider; none named: all."""
        uuid = self.placement.uuid(self.provider(place))
        path = f'/resource_providers/{uuid}/traits'
        told = self.placement.request('GET', path)
        kept = [one for one in told['traits'] if traits and one not in traits]
        self.placement.request('PUT', path, {**told, 'traits': kept})

    def heal(self) -> None:
        """What is more than a guest, or an mdev, is as it was."""
        self.machine.run(
            'modprobe mdpy; umount -q $(findmnt -rn -o TARGET | grep ^/sys/devices) '
            '|| true'
        )

    # What the audit says

    def audit(self, *more: str) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
        """The exit status, and the rows by kind and subject."""
        result = self.program.run('audit', '-f', 'json', *more, check=False)
        assert result.status in (0, 1), result.stderr
        rows = json.loads(result.stdout)
        return result.status, {(row['kind'], row['subject']): row for row in rows}

    def everything(self) -> tuple[str, ...]:
        """All that a look must not change, whatever it finds."""
        return (
            self.machine.output(_LOOK),
            self.sql(),
            json.dumps(self._in_placement(), sort_keys=True),
        )

    def _in_placement(self) -> Any:
        ask = self.placement.request
        providers = ask('GET', f'/resource_providers?in_tree={self._root_uuid}')
        paths = (
            f'/resource_providers/{one["uuid"]}/{what}'
            for one in providers['resource_providers']
            for what in ('inventories', 'traits', 'allocations')
        )
        return [providers, *(ask('GET', path) for path in paths)]

    @property
    def _root_uuid(self) -> str:
        return self.placement.uuid(self.root)
