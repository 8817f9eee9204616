# SPDX-License-Identifier: Apache-2.0
"""What happens to mdevs and their consumers.

A consumer that lacks something on the parent where another has too much would be
taken for its heir: they are on different ones.
"""

from __future__ import annotations

import uuid

from nova_generic_mdev.audit import Kind
from tests.system.auditing.damage import FOLLOWS
from tests.system.auditing.damage import LEFT
from tests.system.auditing.damage import MENDED
from tests.system.auditing.damage import Found
from tests.system.auditing.damage import consumer
from tests.system.auditing.damage import damage
from tests.system.auditing.damage import mdev
from tests.system.auditing.host import Host
from tests.system.auditing.places import CARD
from tests.system.auditing.places import MDPY
from tests.system.auditing.places import MTTY
from tests.system.auditing.places import OTHER_CARD
from tests.system.auditing.places import Server

PENDING = "UPDATE claims SET state = 'pending' WHERE uuid = ?"


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


@damage(
    'mdevs', MTTY, {Kind.TYPE_MISMATCH: LEFT, Kind.INVENTORY_DIFFERS: MENDED}
)  # fmt: skip
def another_type(host: Host, server: Server) -> Found:
    host.remove(server)
    host.create(MTTY, 'mtty-1', server.mdev)
    return {
        Kind.TYPE_MISMATCH: mdev(server),
        # It is in the way of the one that is to come back.
        Kind.INVENTORY_DIFFERS: f'provider {host.provider(MTTY)}',
    }


@damage('mdevs', CARD, {Kind.DOUBLE_ASSIGNMENT: LEFT})
def two_guests(host: Host, server: Server) -> Found:
    host.define({'thief': (str(uuid.uuid4()), [server.mdev])})
    return {Kind.DOUBLE_ASSIGNMENT: mdev(server)}


@damage(
    'mdevs', MTTY,
    {Kind.GUEST_WITHOUT_CLAIM: MENDED, Kind.ALLOCATION_WITHOUT_DEVICE: FOLLOWS},
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


@damage('mdevs', CARD, {Kind.PENDING_CLAIM: MENDED, Kind.STALE_CLAIM: FOLLOWS})
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
