# SPDX-License-Identifier: Apache-2.0
"""libvirt's XML of node devices: parents and mdevs, read and written.

The format is libvirt's ``nodedev.rng`` (``device``).  What is not named here is
skipped, so a newer libvirt does no harm; what is needed and missing is an
:class:`~.exceptions.InvalidXml`.  Pure.
"""

from __future__ import annotations

import collections.abc as cabc

from lxml import etree

from nova_generic_mdev import domain_xml
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names

# What libvirt calls the parent of a device whose parent it does not know.
ROOT_DEVICE = 'computer'


def node_device(
    parent: str,
    mdev_type: str,
    uuid: str | None = None,
    attributes: model.Attributes = (),
) -> str:
    """The ``<device>`` that libvirt creates or defines an mdev from.

    :param parent: the parent's node-device name
    :param uuid: None lets libvirt choose one
    :param attributes: names may repeat, and their order is kept
    :raises InvalidName: a name or the uuid is none
    :raises InvalidValue: an attribute cannot be written in XML
    """
    device = etree.Element('device')
    etree.SubElement(device, 'parent').text = names.sysname(parent)
    capability = etree.SubElement(device, 'capability', type='mdev')
    etree.SubElement(capability, 'type', id=names.mdev_type(mdev_type))
    if uuid is not None:
        etree.SubElement(capability, 'uuid').text = names.uuid(uuid)
    for name, value in attributes:
        try:
            etree.SubElement(capability, 'attr', name=name, value=value)
        except ValueError as error:
            raise exceptions.InvalidValue(
                'attributes', (name, value), 'it has a control character'
            ) from error
    return domain_xml.text_of(device)


def read_mdev(xml: str) -> model.Mdev:
    """A live mdev.

    :raises InvalidXml: it is not the XML of an mdev
    """
    device, what = domain_xml.parse(xml, 'device')
    mdev = _capability(device, what, 'mdev')
    with domain_xml.names_of(what):
        return model.Mdev(
            uuid=_uuid_of(device, mdev),
            parent=_parent_of(device, mdev, what),
            mdev_type=_type_of(mdev, what),
            iommu_group=_iommu_group(device, mdev),
        )


def read_definition(xml: str, *, autostart: bool = False) -> model.Definition:
    """What is persistently defined of an mdev, live or not.

    :param autostart: what libvirt answers when asked; where the XML tells
        (``<start>``, which libvirt 11.3 does not yet print) that goes first
    :raises InvalidXml: it is not the XML of an mdev
    """
    device, what = domain_xml.parse(xml, 'device')
    mdev = _capability(device, what, 'mdev')
    start = mdev.find('start')
    with domain_xml.names_of(what):
        return model.Definition(
            uuid=_uuid_of(device, mdev),
            parent=_parent_of(device, mdev, what),
            mdev_type=_type_of(mdev, what),
            attributes=tuple(
                (attr.get('name', ''), attr.get('value', ''))
                for attr in mdev.findall('attr')
            ),
            autostart=autostart if start is None else start.get('type') == 'auto',
        )


def read_parent(xml: str) -> tuple[model.Parent, tuple[model.Fault, ...]]:
    """A parent device, and what could not be read of its types.

    A device that is no parent (any more) has no types.

    :raises InvalidXml: it is not the XML of a device of a host
    """
    device, what = domain_xml.parse(xml, 'device')
    name = _text(device, 'name', what)
    sysname = _text(device, 'path', what).rpartition('/')[2]
    types, faults = _types(device, name)
    with domain_xml.names_of(what):
        parent = model.Parent(
            name=name,
            sysname=sysname,
            subsystem=_subsystem(name, sysname, what),
            types=types,
            address=names.pci_address_of(name),
            physical_device=_physical_function(device, what),
            numa_node=_numa_node(device),
            driver=device.findtext('driver/name') or None,
        )
    return parent, faults


def _capability(device: etree._Element, what: str, kind: str) -> etree._Element:
    element = device.find(f"capability[@type='{kind}']")
    if element is None:
        raise exceptions.InvalidXml(what, f'it has no capability {kind}')
    return element


def _text(element: etree._Element, tag: str, what: str) -> str:
    text = (element.findtext(tag) or '').strip()
    if not text:
        raise exceptions.InvalidXml(what, f'it has no <{tag}>')
    return text


def _uuid_of(device: etree._Element, mdev: etree._Element) -> str:
    """libvirt < 7.3 has the uuid in the device's name only."""
    text = mdev.findtext('uuid')
    if text is not None:
        return names.uuid(text.strip())
    return names.uuid_of_node_device(device.findtext('name') or '')


def _parent_of(device: etree._Element, mdev: etree._Element, what: str) -> str:
    """The parent's name, also of a definition whose PCI parent is not there."""
    parent = _text(device, 'parent', what)
    address = (mdev.findtext('parent_addr') or '').strip()
    if parent == ROOT_DEVICE and names.is_pci_address(address):
        return names.node_device('pci', names.pci_address(address))
    return parent


def _iommu_group(device: etree._Element, mdev: etree._Element) -> int | None:
    """libvirt also says a group, 0 or an old one, of what is not live.

    Only a live mdev has a path.
    """
    group = mdev.find('iommuGroup')
    if group is None or device.find('path') is None:
        return None
    return _number(group.get('number'))


def _type_of(mdev: etree._Element, what: str) -> str:
    element = mdev.find('type')
    if element is None:
        raise exceptions.InvalidXml(what, 'it has no <type>')
    return names.mdev_type(element.get('id', ''))


def _subsystem(name: str, sysname: str, what: str) -> str:
    """The subsystem of a node device; the inverse of ``names.node_device``."""
    if name == names.node_device('matrix', 'matrix'):
        return 'matrix'
    suffix = names.node_device('x', sysname).removeprefix('x') if sysname else ''
    subsystem = name.removesuffix(suffix)
    if subsystem in ('', name):
        raise exceptions.InvalidXml(what, f'its name does not fit its path {sysname}')
    return subsystem


def _types(
    device: etree._Element, parent: str
) -> tuple[dict[str, model.MdevType], tuple[model.Fault, ...]]:
    """The types, wherever they are: mtty's are in a doubled ``mdev_types``."""
    types: dict[str, model.MdevType] = {}
    faults = []
    for element in device.iterfind(".//capability[@type='mdev_types']/type"):
        type_id = element.get('id', '')
        try:
            names.mdev_type(type_id)
        except exceptions.InvalidName as error:
            faults.append(model.Fault(where=parent, reason=str(error), parent=parent))
            continue
        types[type_id] = _mdev_type(type_id, element)
        faults += _type_faults(types[type_id], element, parent)
    return types, tuple(faults)


def _mdev_type(type_id: str, element: etree._Element) -> model.MdevType:
    left = _number(element.findtext('availableInstances'))
    return model.MdevType(
        id=type_id,
        available_instances=left,
        device_api=(element.findtext('deviceAPI') or '').strip() or None,
        name=(element.findtext('name') or '').strip() or None,
    )


def _type_faults(
    mdev_type: model.MdevType, element: etree._Element, parent: str
) -> cabc.Iterator[model.Fault]:
    needed = {
        'availableInstances': mdev_type.available_instances,
        'deviceAPI': mdev_type.device_api,
    }
    for tag, value in needed.items():
        if value is None:
            yield model.Fault(
                where=f'{parent}/{mdev_type.id}/{tag}',
                reason=f'cannot be {element.findtext(tag)!r:.60}',
                parent=parent,
                mdev_type=mdev_type.id,
            )


def _number(text: str | None) -> int | None:
    """A count as the kernel prints it, or None for anything else."""
    digits = (text or '').strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        return None
    number = int(digits)
    return number if number <= model.MAX_COUNT else None


def _numa_node(device: etree._Element) -> int | None:
    element = device.find('capability/numa')
    # The kernel says -1 where the device is on no node.
    return None if element is None else _number(element.get('node'))


def _physical_function(device: etree._Element, what: str) -> str:
    """The name of a virtual function's physical function, '' for the others."""
    address = device.find('capability/capability[@type="phys_function"]/address')
    if address is None:
        return ''
    fields = ('domain', 'bus', 'slot', 'function')
    try:
        numbers = [int(address.get(field, ''), 16) for field in fields]
    except ValueError as error:
        raise exceptions.InvalidXml(what, f'phys_function: {error}') from error
    text = '{:04x}:{:02x}:{:02x}.{:x}'.format(*numbers)
    return names.node_device('pci', names.pci_address(text))
