# SPDX-License-Identifier: Apache-2.0
"""Kernel modules, compiled from the distribution's own source.

Three sample drivers as they are, ``mttypci`` made from one of them, and
``vfio`` such that a device can be migrated (``kernel/Makefile`` says why).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.system.machine import errors
from tests.system.machine import host
from tests.system.machine import roots

HERE = Path(__file__).parent / 'kernel'
VERSION = 'kernel-version'

_SOURCES = (
    'samples/vfio-mdev/*.[ch]',
    'drivers/vfio/*.[ch]',
    'drivers/iommu/iommufd/iova_bitmap.c',
)
# In mtty.c, the functions that use its one global pool, and how each names
# the type, hence the parent, hence the pool.
_POOL_USERS = {
    'mtty_init_dev': 'mdev->type',
    'mtty_release_dev': 'mdev_state->mdev->type',
    'mtty_get_available': 'mtype',
}
_POOL = re.compile(r'static atomic_t mdev_avail_ports = [^;]+;')
_DRIVER_NAME = re.compile(r'(static struct mdev_driver .*?\.name = )"mtty"', re.S)
_REGISTRATION = re.compile(r'static void mtty_device_release\(.*', re.S)


def build_modules(work: Path, needs: Mapping[str, Path]) -> None:
    """Fill a directory with the modules and their kernel's version."""
    tree = work / 'tree'
    roots.unpack(needs['toolchain'] / 'toolchain.tar', tree)
    try:
        version = _compile(work, tree)
    finally:
        host.remove_tree(tree)
    (work / VERSION).write_text(version)


def _compile(work: Path, tree: Path) -> str:
    version = roots.kernel_version(tree)
    source = work / 'source'
    _lay_out(tree / roots.SOURCE, source)
    host.run(['cp', '-r', source, tree / 'modules'], root=True)
    make = ['make', '-s', '-j2', '-C', f'/lib/modules/{version}/build', 'M=/modules']
    host.run(['chroot', tree, *make, 'modules'], root=True)
    shutil.rmtree(source)
    for module in (tree / 'modules').glob('*.ko'):
        shutil.copyfile(module, work / module.name)
    return version


def _lay_out(kernel: Path, source: Path) -> None:
    source.mkdir()
    for pattern in _SOURCES:
        for path in kernel.glob(pattern):
            shutil.copyfile(path, source / path.name)
    shutil.copyfile(HERE / 'Makefile', source / 'Makefile')
    mtty = (source / 'mtty.c').read_text()
    registration = (HERE / 'mtty_pci.c').read_text()
    (source / 'mttypci.c').write_text(with_pci_parents(mtty, registration))


def with_pci_parents(mtty: str, registration: str) -> str:
    """The source of mttypci, from that of mtty and the text for its end.

    :raises RecipeOutdated: mtty.c no longer has a place that we change.
    """
    text = _once(_POOL, 'static atomic_t *pool_of(struct mdev_type *type);', mtty)
    for function, owner in _POOL_USERS.items():
        body = re.compile(rf'^(static [\w ]+\b{function}\(.*?\n}}\n)', re.S | re.M)
        match = body.search(text)
        if match is None or '&mdev_avail_ports' not in match[1]:
            raise errors.RecipeOutdated(f'mtty.c: {function} has no pool')
        changed = match[1].replace('&mdev_avail_ports', f'pool_of({owner})')
        text = text.replace(match[1], changed)
    # Two drivers on the mdev bus cannot have one name.
    text = _once(_DRIVER_NAME, '"mttypci-mdev"', text)
    text = _once(_REGISTRATION, registration, text)
    if 'mdev_avail_ports' in text:
        raise errors.RecipeOutdated('mtty.c: its pool is used elsewhere too')
    return text


def _once(pattern: re.Pattern[str], replacement: str, text: str) -> str:
    """Replace what a pattern matches; group 1 of it stays in front."""

    def kept(match: re.Match[str]) -> str:
        return (match[1] if pattern.groups else '') + replacement

    result, count = pattern.subn(kept, text)
    if count != 1:
        raise errors.RecipeOutdated(f'mtty.c: {count} times {pattern.pattern}')
    return result
