# SPDX-License-Identifier: Apache-2.0
"""What happens to parents and their providers, and what libvirt does not see."""

from __future__ import annotations

from nova_generic_mdev.audit import Kind
from tests.system.auditing.damage import FOLLOWS
from tests.system.auditing.damage import LEFT
from tests.system.auditing.damage import MENDED
from tests.system.auditing.damage import Found
from tests.system.auditing.damage import damage
from tests.system.auditing.damage import mdev
from tests.system.auditing.host import Host
from tests.system.auditing.of_mdevs import foreign
from tests.system.auditing.places import CARD
from tests.system.auditing.places import MBOCHS
from tests.system.auditing.places import MDPY
from tests.system.auditing.places import MTTY
from tests.system.auditing.places import OTHER_CARD
from tests.system.auditing.places import PAIRS
from tests.system.auditing.places import Server


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
    'providers', MDPY,
    {
        Kind.MISSING_PARENT: LEFT,
        Kind.INVENTORY_DIFFERS: MENDED,
        Kind.TRAITS_DIFFER: MENDED,
    },
)  # fmt: skip
def no_driver(host: Host, server: Server) -> Found:
    host.remove(server)
    host.machine.run('modprobe -r mdpy')
    return {
        Kind.MISSING_PARENT: f'parent {MDPY.parent}',
        Kind.INVENTORY_DIFFERS: f'provider {host.provider(MDPY)}',
        # What its driver told of the type is known no more.
        Kind.TRAITS_DIFFER: f'provider {host.provider(MDPY)}',
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


@damage('views', CARD, {Kind.LIBVIRT_DIFFERS: FOLLOWS, Kind.MISSING_MDEV: MENDED})
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
