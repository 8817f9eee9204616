# SPDX-License-Identifier: Apache-2.0
"""libvirt's domain XML for the guests.

The host devices come as XML, as ``nova-mdev device xml`` prints it, so that
it is that text which is tried.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from tests.system.guest import build
from tests.system.machine import image

EMULATOR = '/usr/bin/qemu-system-x86_64'
_KERNEL_LINE = (
    'console=ttyS0 quiet mitigations=off nokaslr no_timer_check tsc=reliable '
    'random.trust_cpu=on audit=0 apparmor=0'
)


def console_path(name: str) -> str:
    """The file in the machine that has what a guest printed."""
    return f'/var/log/libvirt/qemu/{name}.console'


def firmware_xml(name: str, hostdevs: Sequence[str] = (), memory: int = 16) -> str:
    """A domain that is the firmware guest.

    :param hostdevs: ``<hostdev>`` elements.
    :param memory: in MiB.
    """
    domain = _domain(name, memory, 'pc')
    os = domain.find('os')
    assert os is not None
    loader = ET.SubElement(os, 'loader', readonly='yes', type='rom')
    loader.text = f'{image.GUESTS}/{build.ROM}'
    return _with_devices(domain, hostdevs)


def linux_xml(name: str, hostdevs: Sequence[str] = (), memory: int = 128) -> str:
    """A domain that is the small Linux guest; else as `firmware_xml`."""
    domain = _domain(name, memory, 'pc')
    os = domain.find('os')
    assert os is not None
    ET.SubElement(os, 'kernel').text = f'{image.GUESTS}/{image.KERNEL}'
    ET.SubElement(os, 'initrd').text = f'{image.GUESTS}/{image.INITRAMFS}'
    ET.SubElement(os, 'cmdline').text = _KERNEL_LINE
    return _with_devices(domain, hostdevs)


def hostdev_xml(uuid: str) -> str:
    """The element for one mdev, written by hand: not by what is tested."""
    return (
        "<hostdev mode='subsystem' type='mdev' model='vfio-pci'>"
        f"<source><address uuid='{uuid}'/></source></hostdev>"
    )


def _domain(name: str, memory: int, board: str) -> ET.Element:
    domain = ET.Element('domain', type='qemu')
    ET.SubElement(domain, 'name').text = name
    ET.SubElement(domain, 'memory', unit='MiB').text = str(memory)
    ET.SubElement(domain, 'vcpu').text = '1'
    os = ET.SubElement(domain, 'os')
    ET.SubElement(os, 'type', arch='x86_64', machine=board).text = 'hvm'
    # Without it nothing can be attached while the guest runs.
    ET.SubElement(ET.SubElement(domain, 'features'), 'acpi')
    for event in ('on_poweroff', 'on_reboot', 'on_crash'):
        ET.SubElement(domain, event).text = 'destroy'
    return domain


def _with_devices(domain: ET.Element, hostdevs: Sequence[str]) -> str:
    devices = ET.SubElement(domain, 'devices')
    ET.SubElement(devices, 'emulator').text = EMULATOR
    ET.SubElement(devices, 'controller', type='usb', model='none')
    ET.SubElement(devices, 'memballoon', model='none')
    serial = ET.SubElement(devices, 'serial', type='file')
    ET.SubElement(serial, 'source', path=console_path(domain.findtext('name', '')))
    ET.SubElement(serial, 'target', port='0')
    devices.extend(ET.fromstring(hostdev) for hostdev in hostdevs)  # noqa: S314
    ET.indent(domain)
    return ET.tostring(domain, encoding='unicode') + '\n'
