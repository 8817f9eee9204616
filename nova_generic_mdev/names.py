# SPDX-License-Identifier: Apache-2.0
"""Every name of the system, formatted and parsed.  Nothing else does either.

======================  ====================================================
name                    grammar, and who says so
======================  ====================================================
PCI address             ``DDDD[DDDD]:BB:SS.F`` in hexadecimal, lower case
                        (kernel, ``pci_name()``)
node-device name        ``<subsystem>_<sysname>``, every character but ASCII
                        letters and digits becoming ``_``; subsystem ``matrix``
                        is called ``ap_matrix`` (libvirt, node_device_udev.c)
mdev's node device      ``mdev_<uuid>_<parent's sysname>``, written the same way
provider name           ``<root provider>_<parent's node-device name>``, as Nova
                        has always named them; at most 200 characters
resource class          ``VGPU`` or ``CUSTOM_[A-Z0-9_]+``, at most 255
                        characters (Placement API, "Create resource class")
trait                   ``CUSTOM_[A-Z0-9_]+``, at most 255 characters
                        (Placement API, "Update trait")
mdev type               ``<driver>-<kind>``, a directory's name in sysfs
uuid                    8-4-4-4-12 hexadecimal digits, lower case (RFC 9562)
======================  ====================================================

All functions are pure and raise :class:`~.exceptions.InvalidName` for input
that cannot be named.
"""

from __future__ import annotations

import collections.abc as cabc
import functools
import hashlib
import re

import os_resource_classes
import os_traits

from nova_generic_mdev import exceptions

MAX_PROVIDER_NAME = 200
MAX_TRAIT = 255
MAX_CLASS_SUFFIX = 248
MAX_SYSFS_NAME = 255  # it is one directory entry, and this the VFS's NAME_MAX

_PCI = re.compile(
    r'([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])', re.IGNORECASE
)
_PCI_NODE = re.compile(
    r'pci_([0-9a-f]{4,8})_([0-9a-f]{2})_([0-9a-f]{2})_([0-7])', re.IGNORECASE
)
_UUID = re.compile(
    r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', re.IGNORECASE
)
_ATTRIBUTE = re.compile(r'[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}')
# The mdev core's own files, and what would take the device from its driver.
_NOT_ATTRIBUTES = frozenset({'remove', 'create', 'uevent', 'driver_override'})
_NOT_ALNUM = re.compile(r'[^A-Za-z0-9]')
_CLASS = re.compile(r'[A-Za-z0-9_]+')
_CUSTOM_TRAIT = re.compile(r'CUSTOM_[A-Z0-9_]+')
# There are many; most programs that load this module never need them.
_standard_traits = functools.cache(lambda: frozenset(os_traits.get_traits()))
_CUSTOM: str = os_resource_classes.CUSTOM_NAMESPACE
_CUSTOM_PREFIXES = re.compile(f'^(?:{_CUSTOM})+')
_PATTERN_CHARACTERS = frozenset('*?[')


def pci_address(text: str) -> str:
    """The PCI address in lower case: ``0000:84:00.0``."""
    if not is_pci_address(text):
        raise exceptions.InvalidName(
            'PCI address', text, 'expected DDDD:BB:SS.F in hexadecimal'
        )
    return text.lower()


def is_pci_address(text: str) -> bool:
    """Whether a text is a PCI address, in either case."""
    return _PCI.fullmatch(text) is not None


def is_pattern(text: str) -> bool:
    """Whether a ``device_addresses`` element is a shell pattern."""
    return not _PATTERN_CHARACTERS.isdisjoint(text)


def uuid(text: str) -> str:
    """The uuid in lower case, as the kernel prints it."""
    if not isinstance(text, str) or _UUID.fullmatch(text) is None:
        raise exceptions.InvalidName(
            'uuid', text, 'expected 8-4-4-4-12 hexadecimal digits'
        )
    return text.lower()


def mdev_type(text: str) -> str:
    """The mdev type, checked to be one directory's name and printable."""
    return _sysfs_name('mdev type', text)


def sysname(text: str) -> str:
    """A kernel device's name, checked to be one directory's name."""
    return _sysfs_name('sysfs name', text)


def attribute(text: str) -> str:
    """The name of an attribute of an mdev, checked to be a file of its driver."""
    if _ATTRIBUTE.fullmatch(text) is None or text in _NOT_ATTRIBUTES:
        raise exceptions.InvalidName(
            'attribute of an mdev', text, 'a file of its driver is expected'
        )
    return text


def _sysfs_name(kind: str, text: str) -> str:
    if not text or text in ('.', '..'):
        raise exceptions.InvalidName(kind, text, 'it does not name a directory')
    if '/' in text or not text.isprintable():
        raise exceptions.InvalidName(
            kind, text, 'it has a "/" or an unprintable character'
        )
    if len(text.encode()) > MAX_SYSFS_NAME:
        raise exceptions.InvalidName(
            kind, text, f'it is longer than {MAX_SYSFS_NAME} bytes'
        )
    return text


def node_device(subsystem: str, name: str) -> str:
    """libvirt's name of a device, from what sysfs tells of it.

    >>> node_device('pci', '0000:84:00.0'), node_device('matrix', 'matrix')
    ('pci_0000_84_00_0', 'ap_matrix')
    """
    if subsystem == 'matrix':
        return 'ap_matrix'
    return _NOT_ALNUM.sub('_', f'{sysname(subsystem)}_{sysname(name)}')


def pci_address_of(node_device_name: str) -> str | None:
    """The PCI address in a node-device name, or None for any other device."""
    match = _PCI_NODE.fullmatch(node_device_name)
    return match and '{}:{}:{}.{}'.format(*match.groups()).lower()


def mdev_node_device(mdev_uuid: str, parent_sysname: str) -> str:
    """libvirt's (>= 7.3) name of an mdev: ``mdev_<uuid>_<parent's sysname>``."""
    return _NOT_ALNUM.sub('_', f'mdev_{uuid(mdev_uuid)}_{sysname(parent_sysname)}')


def uuid_of_node_device(name: str) -> str:
    """The uuid in an mdev's node-device name; the inverse of the above."""
    digits = name.removeprefix('mdev_').split('_')
    if not name.startswith('mdev_') or len(digits) < 5:
        raise exceptions.InvalidName(
            "mdev's node-device name", name, 'expected mdev_<uuid>_<parent>'
        )
    return uuid('-'.join(digits[:5]))


def provider(root_provider: str, parent: str) -> str:
    """The name of a parent's resource provider, at most 200 characters."""
    if not root_provider:
        raise exceptions.InvalidName(
            'root provider', root_provider, 'it is empty; name it with --root-provider'
        )
    return _cut(f'{root_provider}_{parent}', MAX_PROVIDER_NAME)


def providers(root_provider: str, parents: cabc.Iterable[str]) -> dict[str, str]:
    """The parent of each provider, by the provider's name: what undoes the cut."""
    return {provider(root_provider, parent): parent for parent in parents}


def resource_class(mdev_class: str) -> str:
    """The Placement resource class for an ``mdev_class`` option.

    ``VGPU`` in any case is the standard class; ``CUSTOM_X`` in any case is
    itself, never ``CUSTOM_CUSTOM_X``; any other name ``x`` becomes ``CUSTOM_X``
    (the specification, section "The custom resource classes").
    """
    upper = mdev_class.upper()
    suffix = _CUSTOM_PREFIXES.sub('', upper)
    if _CLASS.fullmatch(mdev_class) is None or not suffix:
        raise exceptions.InvalidName(
            'mdev_class', mdev_class, 'only letters, digits and "_" make a class'
        )
    if len(suffix) > MAX_CLASS_SUFFIX:
        raise exceptions.InvalidName(
            'mdev_class', mdev_class, f'it is longer than {MAX_CLASS_SUFFIX} characters'
        )
    if upper == os_resource_classes.VGPU:
        return upper
    return _CUSTOM + suffix


def trait(text: str) -> str:
    """A trait that Placement has, or takes from us when we make it.

    An unknown standard trait fails the sync of the whole node, so it is not a
    valid name here.
    """
    if len(text) > MAX_TRAIT:
        raise exceptions.InvalidName(
            'trait', text, f'it is longer than {MAX_TRAIT} characters'
        )
    if not is_trait(text):
        raise exceptions.InvalidName(
            'trait', text, 'neither CUSTOM_[A-Z0-9_]+ nor a standard trait of os-traits'
        )
    return text


def is_trait(text: str) -> bool:
    """Whether Placement has the trait, or takes it from us when we make it."""
    known = _CUSTOM_TRAIT.fullmatch(text) is not None or text in _standard_traits()
    return known and len(text) <= MAX_TRAIT


def suggested_trait(text: str) -> str:
    """The legal custom trait nearest to a text."""
    stem = text.upper().removeprefix(_CUSTOM)
    return _cut(str(os_traits.normalize_name(stem)), MAX_TRAIT).upper()


def type_trait(mdev_type_id: str) -> str:
    """``CUSTOM_MDEV_TYPE_<TYPE>``: the trait of an enabled mdev type."""
    return _custom_trait('MDEV_TYPE', mdev_type_id)


def name_trait(type_name: str) -> str:
    """``CUSTOM_MDEV_NAME_<NAME>``: the driver's name for the type."""
    return _custom_trait('MDEV_NAME', type_name)


def api_trait(device_api: str) -> str:
    """``CUSTOM_MDEV_API_<DEVICE_API>``, ``CUSTOM_MDEV_API_VFIO_PCI`` say."""
    return _custom_trait('MDEV_API', device_api)


@functools.lru_cache(maxsize=1024)
def _custom_trait(kind: str, value: str) -> str:
    return _cut(str(os_traits.normalize_name(f'{kind}_{value}')), MAX_TRAIT).upper()


def _cut(text: str, limit: int) -> str:
    """The text, or its head and a hash of all of it where it is too long."""
    if len(text) <= limit:
        return text
    # Not a secret: the hash only keeps two long names apart.
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f'{text[: limit - 17]}_{digest}'
