# SPDX-License-Identifier: Apache-2.0
"""Guests of the fake libvirt that need their mdevs and use them."""

import contextlib
import urllib.parse

from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt


def error(code, text):
    """What libvirt raises."""
    return fakelibvirt.make_libvirtError(
        fakelibvirt.libvirtError,
        text,
        error_code=code,
        error_domain=fakelibvirt.VIR_FROM_QEMU,
        error_message=text,
    )


class Guest(fakelibvirt.Domain):
    """A domain.  ``_def`` is what is defined; what runs has its own devices."""

    def __init__(self, connection, xml):
        super().__init__(connection, xml)
        #: the XML as it was given: the fake libvirt does not keep all of it
        self.given_xml = xml
        self._devices = None
        self._saved_devices = None

    @property
    def runs(self):
        """Whether it has devices at all: a paused guest does."""
        return self._devices is not None

    def redefine(self, xml):
        """Change what is defined: a guest that runs has it at its next start."""
        self._def = self._parse_definition(xml)
        self.given_xml = xml

    def mdevs(self):
        """The uuids of the mdevs it has, or would have when it is started."""
        devices = self._devices if self.runs else self._defined()
        return [d['address_uuid'] for d in devices if d['type'] == 'mdev']

    def _defined(self):
        return self._def['devices']['hostdevs']

    def XMLDesc(self, flags):
        self._connection.reads['guest', self.UUIDString()] += 1
        with self._running_devices(flags):
            xml = super().XMLDesc(flags)
        # Nova's fake leaves out what libvirt never does.
        return xml.replace("type='mdev' model", "type='mdev' managed='no' model")

    @contextlib.contextmanager
    def _running_devices(self, flags):
        defined = self._defined()
        is_defined = flags & fakelibvirt.VIR_DOMAIN_XML_INACTIVE
        if self.runs and not is_defined:
            self._def['devices']['hostdevs'] = self._devices
        try:
            yield
        finally:
            self._def['devices']['hostdevs'] = defined

    def createWithFlags(self, flags):
        self._connection.before_start(self)
        resumed = self._has_saved_state
        devices = list(self._saved_devices if resumed else self._defined())
        for device in devices:
            self._check(device)
        self._devices = devices
        super().createWithFlags(flags)
        for uuid in self.mdevs():
            self._use(uuid)

    def _check(self, device):
        if device['type'] != 'mdev':
            return
        uuid = device['address_uuid']
        if uuid not in self._connection.look().mdevs:
            code = fakelibvirt.VIR_ERR_DEVICE_MISSING
            raise error(code, f"device not found: mediated device '{uuid}' not found")
        user = self._connection.users.get(uuid, self)
        if user is not self:
            raise error(
                fakelibvirt.VIR_ERR_OPERATION_INVALID,
                f'mediated device {uuid} is in use by driver QEMU, domain '
                f'{user.name()}',
            )

    def _use(self, uuid):
        self._connection.users[uuid] = self
        self._connection.mdevs.attach(uuid, user=self.name())

    def _leave(self, uuid):
        self._connection.users.pop(uuid, None)
        self._connection.mdevs.detach(uuid)

    def _stopped(self):
        for uuid in self.mdevs() if self.runs else ():
            self._leave(uuid)
        self._devices = None

    def destroy(self):
        super().destroy()
        self._stopped()

    def shutdown(self):
        super().shutdown()
        self._stopped()

    def attachDeviceFlags(self, xml, flags):
        uuid = _mdev_in(xml)
        if uuid is None:
            super().attachDeviceFlags(xml, flags)
            return
        device = {'type': 'mdev', 'model': 'vfio-pci', 'address_uuid': uuid}
        self._check(device)
        self._devices.append(device)
        self._use(uuid)

    def detachDeviceFlags(self, xml, flags):
        uuid = _mdev_in(xml)
        if uuid is None:
            super().detachDeviceFlags(xml, flags)
            return
        self._devices = [d for d in self._devices if d.get('address_uuid') != uuid]
        self._leave(uuid)

    def managedSave(self, flags):
        if self.mdevs():
            code = fakelibvirt.VIR_ERR_OPERATION_UNSUPPORTED
            raise error(code, 'cannot save a guest that has mediated devices')
        self._connection.before_save(self)
        self._saved_devices = self._devices
        super().managedSave(flags)
        self._state = fakelibvirt.VIR_DOMAIN_SHUTOFF
        self._stopped()

    def managedSaveRemove(self, flags=0):
        # Nova's fake cannot be called as its own undefineFlags calls it.
        super().managedSaveRemove(flags)

    def migrateToURI3(self, dconnuri, params, flags):
        """Start it there and end it here, unless a test lets it fail."""
        target = self._connection.peers[urllib.parse.urlsplit(dconnuri).hostname]
        try:
            self._connection.during_migration(self)
            target.createXML(params['destination_xml'])
        except BaseException:
            self.fail_job()
            raise
        self.destroy()
        self.undefine()
        self.complete_job()


def _mdev_in(xml):
    device = etree.fromstring(xml)
    if device.tag != 'hostdev' or device.get('type') != 'mdev':
        return None
    return device.find('source/address').get('uuid')
