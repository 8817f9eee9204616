# SPDX-License-Identifier: Apache-2.0
"""Makes the trees in this directory again: ``python tests/hosts/regenerate.py``.

Each tree is a host of ``nova_generic_mdev.fixture`` in the state that its
function here says, as a checkout can hold it: git keeps no empty directory.
"""

from __future__ import annotations

import collections.abc as cabc
import pathlib
import shutil
import sys

from nova_generic_mdev import fixture

HERE = pathlib.Path(__file__).parent
UUIDS = [f'11111111-2222-4333-8444-{n:012d}' for n in range(1, 17)]
A, B, C, D = UUIDS[:4]
PCI = 'pci_0000_{}_00_0'.format
VF = 'pci_0000_41_00_{}'.format


def samples() -> fixture.FakeHost:
    """The kernel's mtty, mdpy and mbochs drivers with one or two mdevs each.

    Names, values, links and counts as on a Debian 13 machine with kernel 6.12
    (``kernel-6.12.txt`` beside this directory); ``power``, ``uevent``, ``module``
    and ``vfio-dev`` are left out.
    """
    host = fixture.together(fixture.mtty(), fixture.mdpy(), fixture.mbochs())
    host.create(A, 'mtty_mtty', 'mtty-2')
    host.create(B, 'mtty_mtty', 'mtty-1')
    host.create(C, 'mdpy_mdpy', 'mdpy-vga')
    host.create(D, 'mbochs_mbochs', 'mbochs-medium')
    return host


def gpus() -> fixture.FakeHost:
    """Three GPUs of one type at a time; one has mdevs, one is full.

    Types and descriptions as published for the Tesla M60; no such machine was at
    hand.
    """
    host = fixture.pci_gpus(3)
    host.create(A, PCI('84'), 'nvidia-18')
    host.create(B, PCI('84'), 'nvidia-18')
    host.create(C, PCI('86'), 'nvidia-22')
    return host


def sriov() -> fixture.FakeHost:
    """A card with eight virtual functions and room for four mdevs, two of them used.

    Types and behaviour as published for NVIDIA's A40, in equal-size mode; links
    from the kernel's sysfs-bus-pci; no such machine was at hand.
    """
    host = fixture.sriov_card(vfs=8, capacity=4)
    host.create(A, VF(4), 'nvidia-558')
    host.create(B, VF(6), 'nvidia-558')
    return host


def sriov_full() -> fixture.FakeHost:
    """The card of ``sriov`` when it is full: its functions give nothing more.

    From the same sources.
    """
    host = sriov()
    host.create(C, VF(5), 'nvidia-558')
    host.create(D, VF(7), 'nvidia-558')
    return host


def gvt() -> fixture.FakeHost:
    """An Intel GPU whose types share its aperture; one mdev takes an eighth.

    Names, sizes and the description's form are those of the kernel's
    drivers/gpu/drm/i915/gvt; no such machine was at hand.
    """
    host = fixture.gvt()
    host.create(A, 'pci_0000_00_02_0', 'i915-GVTg_V5_8')
    return host


def s390() -> fixture.FakeHost:
    """An I/O subchannel in use, a free one, and the matrix of crypto adapters.

    From the kernel's documents Documentation/arch/s390/vfio-ccw.rst and
    vfio-ap.rst, names and limits from the drivers' source; no such machine was at
    hand.
    """
    host = fixture.s390()
    host.create(A, 'css_0_0_0023', 'vfio_ccw-io')
    host.create(B, 'ap_matrix', 'vfio_ap-passthrough')
    return host


def broken() -> fixture.FakeHost:
    """Everything wrong that git can hold, beside a healthy mtty.

    Nobody's machine: each fault is one that the reader's tests name.
    """
    host = fixture.together(
        samples(), fixture.pci_gpus(1), fixture.sriov_card(vfs=1), fixture.s390(1)
    )
    host.create(A, 'mtty_mtty', 'mtty-2')
    host.create(B, 'mbochs_mbochs', 'mbochs-large')
    return host


def break_it(top: pathlib.Path) -> None:
    """Spoil the tree of ``broken``; mtty is left as it is."""
    mdpy = top / 'devices/virtual/mdpy/mdpy'
    types = mdpy / 'mdev_supported_types'
    (types / 'mdpy-vga/available_instances').write_text('-1\n')
    (types / 'mdpy-xga/available_instances').write_text('abc\n')
    (types / 'mdpy-hd/available_instances').write_text(f'1{"0" * 23}\n')
    (types / 'mdpy-hd/device_api').unlink()
    (types / 'mdpy-hd/name').write_bytes(b'\xff\x00\n')
    for name in ('mdpy with spaces', 'mdpy-größe', f'mdpy-{"x" * 120}'):
        shutil.copytree(types / 'mdpy-vga', types / name)
        (types / name / 'available_instances').write_text('1\n')
    (types / 'not-a-directory').write_text('1\n')
    (types / 'mdpy-nothing').symlink_to('mdpy-nowhere')
    _break_mdevs(top)
    _break_parents(top)


def _break_mdevs(top: pathlib.Path) -> None:
    for number, uuid in enumerate(UUIDS[4:7]):
        mdev = top / 'devices/virtual/mbochs/mbochs' / uuid
        mdev.mkdir()
        (mdev / 'remove').touch()
        (mdev / 'iommu_group').symlink_to(
            f'../../../../../kernel/iommu_groups/{number}'
        )
    without, dangling, group = UUIDS[4:7]
    mbochs = top / 'devices/virtual/mbochs/mbochs'
    (mbochs / dangling / 'mdev_type').symlink_to('../mdev_supported_types/mbochs-gone')
    (mbochs / group / 'mdev_type').symlink_to('../mdev_supported_types/mbochs-small')
    (mbochs / group / 'iommu_group').unlink()
    (mbochs / group / 'iommu_group').symlink_to('../../../../../kernel/iommu_groups/x')
    bus = top / 'bus/mdev/devices'
    (bus / 'junk').symlink_to(f'../../../devices/virtual/mbochs/mbochs/{without}')
    (bus / UUIDS[7]).symlink_to('../../../devices/virtual/mbochs/mbochs/gone')


def _break_parents(top: pathlib.Path) -> None:
    parents = top / 'class/mdev_bus'
    (parents / 'gone').symlink_to('../../devices/virtual/gone/gone')
    # It is there, and it is another host's.
    (parents / 'outside').symlink_to('../../../samples/devices/virtual/mtty/mtty')
    (top / 'devices/css0/0.0.0023/subsystem').unlink()
    shutil.rmtree(top / 'devices/vfio_ap/matrix/mdev_supported_types')
    gpu = top / 'devices/pci0000:84/0000:84:00.0'
    (gpu / 'numa_node').write_text('abc\n')
    count = gpu / 'mdev_supported_types/nvidia-11/available_instances'
    count.unlink()
    count.mkdir()
    (count / 'keep').touch()
    (gpu / 'mdev_supported_types/nvidia-18/available_instances').write_text('')
    function = top / 'devices/pci0000:41/0000:41:00.4'
    (function / 'physfn').unlink()
    (function / 'physfn').symlink_to('../card0')
    # Two sysnames and one node-device name.
    for name in ('mt-ty', 'mt_ty'):
        twin = top / 'devices/virtual/mtty' / name
        shutil.copytree(
            top / 'devices/virtual/mtty/mtty/mdev_supported_types/mtty-1',
            twin / 'mdev_supported_types/mtty-1',
            ignore=shutil.ignore_patterns('devices'),
        )
        (twin / 'subsystem').symlink_to('../../../../class/mtty')
        (parents / name).symlink_to(f'../../devices/virtual/mtty/{name}')


HOSTS: dict[str, cabc.Callable[[], fixture.FakeHost]] = {
    'samples': samples,
    'gpus': gpus,
    'sriov': sriov,
    'sriov-full': sriov_full,
    'gvt': gvt,
    's390': s390,
    'broken': broken,
}


def write(name: str, top: pathlib.Path) -> None:
    """Write one of the hosts as git can hold it."""
    fixture.write_sysfs(HOSTS[name](), top)
    if name == 'broken':
        break_it(top)
    (top / 'README.rst').write_text(_readme(name), encoding='utf-8')
    for path in sorted(top.rglob('*'), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()


def _readme(name: str) -> str:
    lines = (HOSTS[name].__doc__ or '').strip().splitlines()
    text = '\n'.join(line.strip() for line in lines)
    return f'{name}\n{"=" * len(name)}\n\n{text}\n'


def main() -> None:
    for name in sys.argv[1:] or HOSTS:
        top = HERE / name
        if top.exists():
            shutil.rmtree(top)
        write(name, top)


if __name__ == '__main__':
    main()
