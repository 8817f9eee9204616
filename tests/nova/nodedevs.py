# SPDX-License-Identifier: Apache-2.0
"""libvirt's node devices, as views on a FakeHost.

Nothing is kept here: a parent's XML tells what its pool can give now, and an
mdev is there while it is live or defined.  The XML is what libvirt 11.3 shows
(tests/golden/nodedev), of which Nova reads a part.
"""

from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import node_xml


def error(code: int, text: str) -> fakelibvirt.libvirtError:
    """What libvirt raises."""
    return fakelibvirt.make_libvirtError(
        fakelibvirt.libvirtError,
        text,
        error_code=code,
        error_domain=fakelibvirt.VIR_FROM_NODEDEV,
        error_message=text,
    )


class NodeDevice:
    """What parents and mdevs have in common.

    :param connection: the fake connection, which has the host
    """

    capability = ''

    def __init__(self, connection, name):
        self._connection = connection
        self._host = connection.mdevs
        self._name = name

    def name(self):
        return self._name

    def listCaps(self):
        return [self.capability]

    def _gone(self):
        return error(
            fakelibvirt.VIR_ERR_NO_NODE_DEVICE,
            f"no node device with matching name '{self._name}'",
        )


class ParentDevice(NodeDevice):
    """A parent device; it may be gone by the time that it is asked."""

    capability = 'mdev_types'

    def XMLDesc(self, flags):
        parent = self._connection.look().parents.get(self._name)
        if parent is None:
            raise self._gone()
        self._connection.reads['parent', self._name] += 1
        return etree.tostring(parent_xml(parent), encoding='unicode')


class MdevDevice(NodeDevice):
    """An mdev that is live, defined, or both.

    :param mdev: it, or its definition
    """

    capability = 'mdev'

    def __init__(self, connection, mdev):
        parent = connection.sysnames[mdev.parent]
        super().__init__(connection, names.mdev_node_device(mdev.uuid, parent))
        self._mdev = mdev

    @property
    def uuid(self):
        return self._mdev.uuid

    def XMLDesc(self, flags):
        if not (self.isActive() or self.isPersistent()):
            raise self._gone()
        self._connection.reads['mdev', self.uuid] += 1
        return etree.tostring(self._xml(), encoding='unicode')

    def _xml(self):
        device = etree.Element('device')
        etree.SubElement(device, 'name').text = self._name
        if self.isActive():
            etree.SubElement(device, 'path').text = f'/sys/devices/{self.uuid}'
        etree.SubElement(device, 'parent').text = self._mdev.parent
        capability = etree.SubElement(device, 'capability', type='mdev')
        etree.SubElement(capability, 'type', id=self._mdev.mdev_type)
        etree.SubElement(capability, 'uuid').text = self.uuid
        group = getattr(self._mdev, 'iommu_group', None) or 0
        etree.SubElement(capability, 'iommuGroup', number=str(group))
        return device

    def isActive(self):
        return int(self.uuid in self._connection.look().mdevs)

    def isPersistent(self):
        return int(self.uuid in self._host.definitions)

    def autostart(self):
        return int(self._host.definitions[self.uuid].autostart)

    def setAutostart(self, autostart):
        self._define(autostart=bool(autostart))

    def create(self, flags=0):
        """Start what is defined; 0, or libvirt's error."""
        start(self._host, self._mdev)
        return 0

    def destroy(self):
        try:
            self._host.remove(self.uuid)
        except exceptions.InUse as e:
            code = fakelibvirt.VIR_ERR_OPERATION_INVALID
            raise error(code, f'mdevctl stop: {e}') from e

    def undefine(self, flags=0):
        if self._host.definitions.pop(self.uuid, None) is None:
            raise self._gone()

    def define(self):
        """Keep a definition, as nodeDeviceDefineXML does."""
        self._define(autostart=False)

    def _define(self, *, autostart):
        self._host.definitions[self.uuid] = model.Definition(
            uuid=self.uuid,
            parent=self._mdev.parent,
            mdev_type=self._mdev.mdev_type,
            autostart=autostart,
        )


def start(host, mdev):
    """Make an mdev live, or raise what libvirt raises for all that can go wrong."""
    try:
        host.create(mdev.uuid, mdev.parent, mdev.mdev_type)
    except exceptions.NotFound as e:
        raise error(fakelibvirt.VIR_ERR_NO_NODE_DEVICE, str(e)) from e
    except exceptions.MdevError as e:
        code = fakelibvirt.VIR_ERR_INTERNAL_ERROR
        raise error(code, f'Unable to start mediated device: {e}') from e


def described(xml):
    """The mdev that some XML asks libvirt to make."""
    device = etree.fromstring(xml)
    etree.SubElement(device, 'name').text = 'new device'
    return node_xml.read_mdev(etree.tostring(device, encoding='unicode'))


def parent_xml(parent):
    device = etree.Element('device')
    etree.SubElement(device, 'name').text = parent.name
    path = f'/sys/devices/{parent.subsystem}/{parent.sysname}'
    etree.SubElement(device, 'path').text = path
    etree.SubElement(device, 'parent').text = node_xml.ROOT_DEVICE
    kind = {'pci': 'pci', 'css': 'css', 'matrix': 'ap_matrix'}.get(
        parent.subsystem, 'mdev_types'
    )
    capability = etree.SubElement(device, 'capability', type=kind)
    if parent.address:
        _pci(capability, parent)
    types = etree.SubElement(capability, 'capability', type='mdev_types')
    for mdev_type in parent.types.values():
        element = etree.SubElement(types, 'type', id=mdev_type.id)
        etree.SubElement(element, 'name').text = mdev_type.name
        etree.SubElement(element, 'deviceAPI').text = mdev_type.device_api
        left = str(mdev_type.available_instances)
        etree.SubElement(element, 'availableInstances').text = left
    return device


def _pci(capability, parent):
    domain, bus, rest = parent.address.split(':')
    numbers = (domain, bus, *rest.split('.'))
    for tag, number in zip(('domain', 'bus', 'slot', 'function'), numbers, strict=True):
        etree.SubElement(capability, tag).text = str(int(number, 16))
    etree.SubElement(capability, 'product', id='0x2236').text = 'A card'
    etree.SubElement(capability, 'vendor', id='0x10de').text = 'A vendor'
    if parent.numa_node is not None:
        etree.SubElement(capability, 'numa', node=str(parent.numa_node))
