# SPDX-License-Identifier: Apache-2.0
"""libvirt's XML of guests, as far as mediated devices are concerned.

The format is libvirt's ``domaincommon.rng`` (``hostdev``).  What is not named
here is skipped, so a newer libvirt does no harm.  Pure; no entity is expanded
and nothing is fetched, whoever wrote the document.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib

from lxml import etree

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names

# QEMU has one device per API, and libvirt calls it by the API's name.
MODELS = (model.VFIO_PCI, 'vfio-ccw', 'vfio-ap')


def hostdev(
    uuid: str,
    device_api: str | None,
    *,
    display: bool | None = None,
    ramfb: bool | None = None,
) -> str:
    """The ``<hostdev>`` element that gives an mdev to a guest.

    :param device_api: what the mdev's type says; it decides the ``model``
    :param display: whether the mdev is a display; None leaves it to libvirt
    :param ramfb: whether it is the boot display too; it needs ``display``
    :raises InvalidName: the uuid is none
    :raises InvalidValue: no guest can be given such a device
    """
    if device_api not in MODELS:
        raise exceptions.InvalidValue(
            'device_api', device_api, f'libvirt knows {", ".join(MODELS)}'
        )
    flags = {'display': display, 'ramfb': ramfb}
    element = etree.Element(
        'hostdev',
        {
            'mode': 'subsystem',
            'type': 'mdev',
            # libvirt never makes or removes an mdev for a guest.
            'managed': 'no',
            'model': device_api,
            **dict(_display(device_api, flags)),
        },
    )
    source = etree.SubElement(element, 'source')
    etree.SubElement(source, 'address', uuid=names.uuid(uuid))
    return text_of(element)


def _display(
    device_api: str, flags: cabc.Mapping[str, bool | None]
) -> cabc.Iterator[tuple[str, str]]:
    for name, wanted in flags.items():
        if wanted is not None:
            if device_api != model.VFIO_PCI:
                raise exceptions.InvalidValue(
                    name, wanted, f'only {model.VFIO_PCI} has it, this is {device_api}'
                )
            yield name, 'on' if wanted else 'off'
    if flags['ramfb'] and not flags['display']:
        raise exceptions.InvalidValue('ramfb', True, 'it needs the display as well')  # noqa: FBT003


def mdev_uuids(xml: str) -> tuple[str, ...]:
    """The uuids of the mdevs that a guest's XML names, each once, in its order.

    :raises InvalidXml: it is not the XML of a guest
    """
    domain, what = parse(xml, 'domain')
    addresses = domain.findall("devices/hostdev[@type='mdev']/source/address")
    with names_of(what):
        found = [names.uuid(address.get('uuid', '')) for address in addresses]
    return tuple(dict.fromkeys(found))


def parse(xml: str, tag: str) -> tuple[etree._Element, str]:
    """The root of a document that must be a ``tag``, and its name for errors.

    :raises InvalidXml: it is broken, or something else
    """
    parser = etree.XMLParser(
        encoding='utf-8', resolve_entities=False, no_network=True, load_dtd=False
    )
    try:
        root = etree.fromstring(xml.encode(), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        raise exceptions.InvalidXml(f'a {tag}', str(error)) from error
    what = f'{tag} {root.findtext("name") or "without a name":.100}'
    if root.tag != tag:
        raise exceptions.InvalidXml(what, f'its root is <{root.tag}>')
    if root.getroottree().docinfo.internalDTD is not None:
        # Only a document type can define entities; libvirt never writes one.
        raise exceptions.InvalidXml(what, 'it has a document type')
    return root, what


@contextlib.contextmanager
def names_of(what: str) -> cabc.Iterator[None]:
    """In here a name that is none makes the document unreadable.

    :raises InvalidXml: instead of InvalidName
    """
    try:
        yield
    except exceptions.InvalidName as error:
        raise exceptions.InvalidXml(what, str(error)) from error


def text_of(element: etree._Element) -> str:
    """The element as indented text, without an XML declaration."""
    etree.indent(element)
    return etree.tostring(element, encoding='unicode')
