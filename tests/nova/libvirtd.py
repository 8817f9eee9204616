# SPDX-License-Identifier: Apache-2.0
"""Nova's fake libvirt, on a host whose mdevs behave as hardware does.

A guest starts only if its mdevs are live and no other guest has them, and uses
them until it stops.  Detaching from a running guest leaves what is defined of
it alone.  A guest that has an mdev cannot be saved.
"""

import collections

from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_generic_mdev import host as hostlib
from tests.nova import guests
from tests.nova import nodedevs

# The first that migrate mdevs live are 8.6.0 and 8.1.0.
_LIBVIRT = 10_000_000
_QEMU = 9_000_000


def nothing(*args):
    """What happens at a hook that no test has set."""


class Libvirtd(fakelibvirt.Connection):
    """A connection to the libvirt of one compute host.

    :param host: a FakeHost
    """

    def __init__(self, host, hostname):
        info = fakelibvirt.HostInfo(
            cpu_nodes=2, cpu_sockets=1, cpu_cores=4, cpu_threads=2
        )
        super().__init__(
            'qemu:///system', version=_LIBVIRT, hv_version=_QEMU,
            hostname=hostname, host_info=info,
        )  # fmt: skip
        self.mdevs = host
        #: how often each device's facts and each guest's XML were read, by anyone
        self.reads = collections.Counter()
        #: which guest uses which mdev
        self.users = {}
        #: every libvirt by its host's name: where a guest can be migrated to
        self.peers = {}
        #: called with the guest just before it happens; a test may set them
        self.before_define = self.before_start = self.before_save = nothing
        self.during_migration = nothing
        self.before_lookup = nothing
        parents = [p for device in host.devices for p in device.parents]
        self.sysnames = {parent.name: parent.sysname for parent in parents}

    def look(self):
        """The host now, which does not count as read."""
        return self.mdevs.snapshot()

    # Node devices

    def nodeDeviceLookupByName(self, name):
        self.before_lookup(name)
        if name in self.look().parents:
            return nodedevs.ParentDevice(self, name)
        for device in self._all_mdevs():
            if device.name() == name:
                return device
        if name.startswith('mdev_') or name in self.sysnames:
            code = fakelibvirt.VIR_ERR_NO_NODE_DEVICE
            raise nodedevs.error(code, f"no node device with matching name '{name}'")
        return super().nodeDeviceLookupByName(name)

    def listDevices(self, cap, flags=0):
        if cap == 'mdev_types':
            return list(self.look().parents)
        if cap == 'mdev':
            return [device.name() for device in self._live()]
        return super().listDevices(cap, flags)

    def listAllDevices(self, flags=0):
        if not flags & fakelibvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV:
            return super().listAllDevices(flags)
        if flags & fakelibvirt.VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE:
            return [device for device in self._all_mdevs() if not device.isActive()]
        return self._live()

    def nodeDeviceCreateXML(self, xml, flags=0):
        device = nodedevs.MdevDevice(self, nodedevs.described(xml))
        device.create()
        return device

    def nodeDeviceDefineXML(self, xml, flags=0):
        device = nodedevs.MdevDevice(self, nodedevs.described(xml))
        device.define()
        return device

    def _live(self):
        mdevs = self.look().mdevs
        return [nodedevs.MdevDevice(self, mdev) for mdev in mdevs.values()]

    def _all_mdevs(self):
        known = {**self.mdevs.definitions, **self.look().mdevs}
        return [nodedevs.MdevDevice(self, mdev) for mdev in known.values()]

    # Guests

    def defineXML(self, xml):
        """Define a guest; one that is there keeps its state and saved memory."""
        self.before_define(xml)
        name = etree.fromstring(xml).findtext('name')
        if name in self._vms:
            self._vms[name].redefine(xml)
        else:
            self._vms[name] = guests.Guest(self, xml)
        return self._vms[name]

    def createXML(self, xml, flags=0):
        guest = self.defineXML(xml)
        guest.create()
        return guest

    def power_cycle(self, *, autostart=True):
        """The machine is switched off and on: guests are defined, mdevs are gone.

        :param autostart: whether libvirt starts those that are defined so
        """
        for guest in self._vms.values():
            if guest.runs:
                guest.destroy()
        for uuid in self.look().mdevs:
            self.mdevs.lose_mdev(uuid)
        for definition in list(self.mdevs.definitions.values()):
            if autostart and definition.autostart:
                self.mdevs.place(
                    definition.uuid, definition.parent, definition.mdev_type
                )

    def lose_guest(self, uuid):
        """The guest is gone, with what was defined of it."""
        guest = self.lookupByUUIDString(uuid)
        if guest.runs:
            guest.destroy()
        guest.undefine()


class Watched(hostlib.Host):
    """A host for the engine; what it reads is counted as libvirt's reads are."""

    def __init__(self, connection):
        self._connection = connection
        self._host = connection.mdevs

    def snapshot(self, parents=None):
        look = self._host.snapshot(parents)
        for name in look.parents:
            self._connection.reads['parent', name] += 1
        for uuid in look.mdevs:
            self._connection.reads['mdev', uuid] += 1
        return look

    def create(self, uuid, parent, mdev_type, attributes=()):
        return self._host.create(uuid, parent, mdev_type, attributes)

    def remove(self, uuid, backend=None, parent=None):
        self._host.remove(uuid, backend, parent)
