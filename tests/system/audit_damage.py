# SPDX-License-Identifier: Apache-2.0
"""What hands do to a host, so that an audit finds it: each kind, at least once.

A damage says what is found of it and whether ``--fix`` mends that.  Those that do
not get in each other's way are in one scene.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from collections.abc import Mapping

from nova_generic_mdev.audit import Kind
from tests.system.audit_host import CARD
from tests.system.audit_host import MBOCHS
from tests.system.audit_host import MDPY
from tests.system.audit_host import MTTY
from tests.system.audit_host import OTHER_CARD
from tests.system.audit_host import PAIRS
from tests.system.audit_host import Host
from tests.system.audit_host import Place
from tests.system.audit_host import Server

PENDING = "UPDATE claims SET state = 'pending' WHERE uuid = ?"
MENDED, LEFT = True, False
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
    :param kinds: what is found, and whether ``--fix`` mends it
    """

    do: Callable[[Host, Server], Found]
    place: Place
    needs_server: bool
    kinds: Mapping[Kind, bool]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.do.__name__.replace('_', '-')


SCENES: dict[str, list[Damage]] = {'mdevs': [], 'providers': [], 'views': []}


def damage(
    scene: str,
    place: Place,
    kinds: Mapping[Kind, bool],
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


# Mdevs and their consumers.  A consumer that lacks something on the parent where
# another has too much would be taken for its heir: they are on different ones.


@damage('mdevs', CARD, {Kind.MISSING_MDEV: MENDED})
def missing(host: Host, server: Server) -> Found:
    host.remove(server)
    return {Kind.MISSING_MDEV: mdev(server)}


@damage('mdevs', CARD, {Kind.ORPHAN_MDEV: MENDED})
def orphan(host: Host, server: Server) -> Found:
    host.undefine(server)
    host.placement.deallocate(server.consumer)
    host.sql('DELETE FROM claims WHERE uuid = ?', server.mdev)
    return {Kind.ORPHAN_MDEV: mdev(server)}


@damage(
    'mdevs', CARD, {Kind.FOREIGN_MDEV: LEFT, Kind.INVENTORY_DIFFERS: MENDED},
    server=False,
)  # fmt: skip
def foreign(host: Host, _: Server) -> Found:
    made = host.create(CARD, 'mttypci-2')
    return {
        Kind.FOREIGN_MDEV: f'mdev {made}',
        # It took two of the ports.
        Kind.INVENTORY_DIFFERS: f'provider {host.provider(CARD)}',
    }


@damage('mdevs', MTTY, {Kind.TYPE_MISMATCH: LEFT})
def another_type(host: Host, server: Server) -> Found:
    host.remove(server)
    host.create(MTTY, 'mtty-1', server.mdev)
    return {Kind.TYPE_MISMATCH: mdev(server)}


@damage('mdevs', CARD, {Kind.DOUBLE_ASSIGNMENT: LEFT})
def two_guests(host: Host, server: Server) -> Found:
    host.define({'thief': (str(uuid.uuid4()), [server.mdev])})
    return {Kind.DOUBLE_ASSIGNMENT: mdev(server)}


@damage(
    'mdevs', MTTY,
    {Kind.GUEST_WITHOUT_CLAIM: MENDED, Kind.ALLOCATION_WITHOUT_DEVICE: MENDED},
)  # fmt: skip
def unclaimed(host: Host, server: Server) -> Found:
    host.sql('DELETE FROM claims WHERE uuid = ?', server.mdev)
    return {
        Kind.GUEST_WITHOUT_CLAIM: mdev(server),
        Kind.ALLOCATION_WITHOUT_DEVICE: consumer(server),
    }


@damage('mdevs', CARD, {Kind.GUEST_WITHOUT_CLAIM: LEFT})
def nobodys_in_a_running_guest(host: Host, server: Server) -> Found:
    host.machine.run(f'virsh -q start {server.name}', timeout=120)
    unclaimed(host, server)
    host.placement.deallocate(server.consumer)
    return {Kind.GUEST_WITHOUT_CLAIM: mdev(server)}


@damage('mdevs', CARD, {Kind.GUEST_WITHOUT_DEVICE: LEFT})
def not_in_its_guest(host: Host, server: Server) -> Found:
    host.define({server.name: (server.consumer, [])})
    return {Kind.GUEST_WITHOUT_DEVICE: mdev(server)}


@damage('mdevs', CARD, {Kind.PENDING_CLAIM: MENDED, Kind.STALE_CLAIM: MENDED})
def unfinished(host: Host, server: Server) -> Found:
    host.undefine(server)
    host.placement.deallocate(server.consumer)
    host.sql(PENDING, server.mdev)
    return {Kind.PENDING_CLAIM: mdev(server), Kind.STALE_CLAIM: consumer(server)}


@damage('mdevs', CARD, {Kind.PENDING_CLAIM: MENDED})
def unfinished_in_a_guest(host: Host, server: Server) -> Found:
    host.sql(PENDING, server.mdev)
    return {Kind.PENDING_CLAIM: mdev(server)}


@damage('mdevs', CARD, {Kind.PENDING_CLAIM: LEFT})
def unfinished_of_another_service(host: Host, server: Server) -> Found:
    host.undefine(server)
    host.placement.deallocate(server.consumer)
    host.sql(PENDING, server.mdev)
    host.sql("UPDATE claims SET owner = 'accelerator' WHERE uuid = ?", server.mdev)
    host.sql("UPDATE mdevs SET origin = 'foreign' WHERE uuid = ?", server.mdev)
    return {Kind.PENDING_CLAIM: mdev(server)}


@damage('mdevs', CARD, {Kind.STALE_RECORD: MENDED})
def forgotten_by_all(host: Host, server: Server) -> Found:
    orphan(host, server)
    host.remove(server)
    host.machine.run(f'virsh -q nodedev-undefine {server.node_device}')
    return {Kind.STALE_RECORD: mdev(server)}


@damage('mdevs', CARD, {Kind.DEFINITION_WITHOUT_DEVICE: MENDED})
def defined_only(host: Host, server: Server) -> Found:
    orphan(host, server)
    host.remove(server)
    return {Kind.DEFINITION_WITHOUT_DEVICE: mdev(server)}


@damage('mdevs', CARD, {Kind.DEFINITION_WITHOUT_DEVICE: LEFT}, server=False)
def defined_by_others(host: Host, _: Server) -> Found:
    made = str(uuid.uuid4())
    host.machine.run(f'mdevctl define -u {made} -p {CARD.sysname} -t mttypci-2')
    return {Kind.DEFINITION_WITHOUT_DEVICE: f'mdev {made}'}


@damage('mdevs', CARD, {Kind.DUPLICATE_UUID: LEFT})
def defined_twice(host: Host, server: Server) -> Found:
    host.machine.run(
        f'mdevctl define -u {server.mdev} -p {OTHER_CARD.sysname} -t mttypci-1'
    )
    return {Kind.DUPLICATE_UUID: mdev(server)}


@damage('mdevs', MTTY, {Kind.ALLOCATION_WITHOUT_DEVICE: LEFT})
def holds_more(host: Host, server: Server) -> Found:
    host.placement.deallocate(server.consumer)
    host.allocate(server.consumer, MTTY, 2)
    return {Kind.ALLOCATION_WITHOUT_DEVICE: consumer(server)}


@damage('mdevs', CARD, {Kind.DEVICE_WITHOUT_ALLOCATION: LEFT})
def holds_nothing(host: Host, server: Server) -> Found:
    host.placement.deallocate(server.consumer)
    return {Kind.DEVICE_WITHOUT_ALLOCATION: consumer(server)}


@damage('mdevs', CARD, {Kind.STALE_CLAIM: MENDED})
def gone(host: Host, server: Server) -> Found:
    host.undefine(server)
    host.placement.deallocate(server.consumer)
    return {Kind.STALE_CLAIM: consumer(server)}


@damage('mdevs', MTTY, {Kind.UNKNOWN_CONSUMER: LEFT}, server=False)
def stranger(host: Host, _: Server) -> Found:
    who = str(uuid.uuid4())
    host.allocate(who, MTTY)
    return {Kind.UNKNOWN_CONSUMER: f'consumer {who}'}


@damage('mdevs', MDPY, {Kind.CONSUMER_DIFFERS: LEFT})
def moved(host: Host, server: Server) -> Found:
    host.placement.deallocate(server.consumer)
    host.allocate(str(uuid.uuid4()), MDPY)
    return {Kind.CONSUMER_DIFFERS: consumer(server)}


# Parents and their providers.


@damage('providers', OTHER_CARD, {Kind.MISSING_PROVIDER: MENDED}, server=False)
def deleted_provider(host: Host, _: Server) -> Found:
    name = host.provider(OTHER_CARD)
    host.placement.request('DELETE', f'/resource_providers/{host.placement.uuid(name)}')
    return {Kind.MISSING_PROVIDER: f'provider {name}'}


@damage('providers', MTTY, {Kind.STALE_PROVIDER: MENDED}, server=False)
def left_provider(host: Host, _: Server) -> Found:
    name = f'{host.root}_pci_0000_81_00_0'
    host.placement.make_provider(name, host.placement.uuid(host.root))
    host.placement.add_trait(name, 'CUSTOM_MDEV_TYPE_NVIDIA_35')
    return {Kind.STALE_PROVIDER: f'provider {name}'}


@damage('providers', MBOCHS, {Kind.FOREIGN_PROVIDER: LEFT}, server=False)
def provider_without_our_mark(host: Host, _: Server) -> Found:
    host.take_traits(MBOCHS)
    return {Kind.FOREIGN_PROVIDER: f'provider {host.provider(MBOCHS)}'}


@damage('providers', MTTY, {Kind.INVENTORY_DIFFERS: MENDED}, server=False)
def other_inventory(host: Host, _: Server) -> Found:
    host.inventory(MTTY, reserved=5)
    return {Kind.INVENTORY_DIFFERS: f'provider {host.provider(MTTY)}'}


@damage('providers', CARD, {Kind.TRAITS_DIFFER: MENDED}, server=False)
def other_traits(host: Host, _: Server) -> Found:
    host.take_traits(CARD, 'CUSTOM_MDEV_API_VFIO_PCI')
    return {Kind.TRAITS_DIFFER: f'provider {host.provider(CARD)}'}


@damage(
    'providers', MDPY, {Kind.MISSING_PARENT: LEFT, Kind.INVENTORY_DIFFERS: MENDED}
)  # fmt: skip
def no_driver(host: Host, server: Server) -> Found:
    host.remove(server)
    host.machine.run('modprobe -r mdpy')
    return {
        Kind.MISSING_PARENT: f'parent {MDPY.parent}',
        Kind.INVENTORY_DIFFERS: f'provider {host.provider(MDPY)}',
    }


@damage(
    'providers', PAIRS, {Kind.DRAINING: LEFT, Kind.INVENTORY_DIFFERS: MENDED}
)  # fmt: skip
def not_given_any_more(host: Host, server: Server) -> Found:
    host.write_conf(host.conf.replace(f', {PAIRS.mdev_type}', ''))
    return {
        Kind.DRAINING: f'parent {PAIRS.parent}',
        Kind.INVENTORY_DIFFERS: f'provider {host.provider(PAIRS)}',
    }


@damage('providers', MBOCHS, {Kind.UNREADABLE: LEFT}, server=False)
def nonsense_in_sysfs(host: Host, _: Server) -> Found:
    link = f'{MBOCHS.types}/mbochs-large/available_instances'
    path = host.machine.output(f'readlink -f {link}')
    host.machine.run(f'echo -7 > /root/nonsense; mount --bind /root/nonsense {path}')
    return {Kind.UNREADABLE: f'path {path}'}


# What libvirt knows, and what it could not see: events come by way of udev.


@damage('views', CARD, {Kind.LIBVIRT_DIFFERS: MENDED, Kind.MISSING_MDEV: MENDED})
def went_unseen(host: Host, server: Server) -> Found:
    host.remove(server)
    return {Kind.LIBVIRT_DIFFERS: mdev(server), Kind.MISSING_MDEV: mdev(server)}


@damage(
    'views', CARD,
    {
        Kind.LIBVIRT_DIFFERS: LEFT,
        Kind.FOREIGN_MDEV: LEFT,
        Kind.INVENTORY_DIFFERS: MENDED,
    },
    server=False,
)  # fmt: skip
def came_unseen(host: Host, server: Server) -> Found:
    found = foreign(host, server)
    return {**found, Kind.LIBVIRT_DIFFERS: found[Kind.FOREIGN_MDEV]}
