# SPDX-License-Identifier: Apache-2.0
"""The machine's disk, kernel and initramfs, put together from the layers.

Everything of ours is first laid out in a directory that the user owns, then
copied over the unpacked root file system in one step as root.
"""

from __future__ import annotations

import lzma
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.system.guest import build as guest_build
from tests.system.machine import errors
from tests.system.machine import host
from tests.system.machine import modules
from tests.system.machine import roots
from tests.system.machine import wheels

HERE = Path(__file__).parent
OVERLAY = HERE / 'overlay'
INIT = HERE / 'initramfs-init'

DISK, KERNEL, INITRAMFS = 'disk.qcow2', 'vmlinuz', 'initramfs.gz'
VENV = '/opt/nova-generic-mdev'
GUESTS = '/usr/share/nova-generic-mdev/guests'
DISK_SIZE = '4G'

# Loaded in this order, then the disk can be mounted.
_EARLY_MODULES = (
    'drivers/block/virtio_blk',
    'crypto/crc32c_generic',
    'lib/crc16',
    'fs/mbcache',
    'fs/jbd2/jbd2',
    'fs/ext4/ext4',
)
_ENABLED = (
    'sysinit.target.wants/machine-setup.service',
    'sysinit.target.wants/machine-agent.service',
    'sockets.target.wants/libvirtd-tcp.socket',
)
# Nothing needs these here, and each takes time under emulation.
_MASKED = (
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'dpkg-db-backup.timer',
    'fstrim.timer',
    'e2scrub_all.timer',
    'e2scrub_reap.service',
    'logrotate.timer',
    'getty@tty1.service',
    'serial-getty@ttyS0.service',
    'console-getty.service',
    'qemu-guest-agent.service',
    'systemd-pstore.service',
    'systemd-journal-flush.service',
    'systemd-update-utmp.service',
    'systemd-random-seed.service',
    'systemd-timesyncd.service',
    'systemd-logind.service',
    'systemd-user-sessions.service',
    'systemd-hwdb-update.service',
    'systemd-journal-catalog-update.service',
    'systemd-update-done.service',
    'systemd-machine-id-commit.service',
    'remote-fs.target',
    'machines.target',
    'virtlockd.socket',
    'virtlockd-admin.socket',
    'proc-sys-fs-binfmt_misc.automount',
    'systemd-binfmt.service',
)


def build_image(work: Path, needs: Mapping[str, Path]) -> None:
    """Fill a directory with the disk, the kernel and the initramfs."""
    tree, overlay = work / 'tree', work / 'overlay'
    # Other kinds of machine have other names for these two.
    of = {name.rpartition('-')[2]: path for name, path in needs.items()}
    roots.unpack(of['root'] / 'root.tar', tree)
    try:
        _check_versions(tree, of['modules'])
        shutil.copytree(OVERLAY, overlay, symlinks=True)
        _add_units(overlay)
        _add_modules(overlay, of['modules'], roots.kernel_version(tree))
        _add_guests(overlay, work, tree)
        shutil.copytree(of['wheels'], overlay / 'wheels')
        _apply(overlay, tree)
        _make_initramfs(work, tree)
        _make_disk(work, tree)
    finally:
        host.remove_tree(tree)
        host.remove_tree(overlay)


def _check_versions(tree: Path, built: Path) -> None:
    ours = roots.kernel_version(tree)
    theirs = (built / modules.VERSION).read_text()
    if ours != theirs:
        raise errors.KernelMismatch(f'the kernel is {ours}, the modules {theirs}')


def _add_units(overlay: Path) -> None:
    units = overlay / 'etc/systemd/system'
    for name in _ENABLED:
        link = units / name
        link.parent.mkdir(exist_ok=True)
        ours = (units / link.name).exists()
        link.symlink_to(
            f'../{link.name}' if ours else f'/lib/systemd/system/{link.name}'
        )
    for name in _MASKED:
        (units / name).symlink_to('/dev/null')
    # mdevctl's udev rule runs it from where Debian does not install it, so
    # that no device defined to start by itself ever would.
    sbin = overlay / 'usr/sbin'
    sbin.mkdir(exist_ok=True)
    (sbin / 'mdevctl').symlink_to('../bin/mdevctl')
    (overlay / 'usr/local/bin').mkdir(exist_ok=True)
    (overlay / 'usr/local/bin/nova-mdev').symlink_to(f'{VENV}/bin/nova-mdev')


def _add_modules(overlay: Path, built: Path, version: str) -> None:
    """Modules in ``updates`` go before the kernel's own of the same name."""
    updates = overlay / f'usr/lib/modules/{version}/updates'
    updates.mkdir(parents=True)
    for module in built.glob('*.ko'):
        shutil.copyfile(module, updates / module.name)


def _add_guests(overlay: Path, work: Path, tree: Path) -> None:
    guests = overlay / GUESTS.lstrip('/')
    guests.mkdir(parents=True)
    guest_build.build_firmware(guests)
    shutil.copyfile(_kernel(tree), guests / KERNEL)
    content = work / 'guest-initramfs'
    content.mkdir()
    guest_build.lay_out_linux(tree / 'usr/bin/busybox', content)
    _pack(content, guests / INITRAMFS)


def _apply(overlay: Path, tree: Path) -> None:
    """Copy our files into the tree, and run there what has to be run."""
    copy = ['cp', '-r', '--preserve=mode,links', '--no-dereference']
    host.run([*copy, f'{overlay}/.', tree], root=True)
    pip = f'{VENV}/bin/pip --no-cache-dir --disable-pip-version-check install -q'
    script = f"""
        set -e
        depmod -a {roots.kernel_version(tree)}
        python3 -m venv --system-site-packages {VENV}
        {pip} --no-index --find-links /wheels -r /wheels/{wheels.LIST}
        rm -rf /wheels /etc/libvirt/qemu/networks/autostart/default.xml
        touch /etc/.updated /var/.updated
    """
    host.run(['chroot', tree, 'sh', '-c', script], root=True)


def _make_initramfs(work: Path, tree: Path) -> None:
    content = work / 'initramfs'
    for name in ('bin', 'dev', 'proc', 'sys', 'mnt', 'modules'):
        (content / name).mkdir(parents=True)
    shutil.copy(tree / 'usr/bin/busybox', content / 'bin/busybox')
    shutil.copy(INIT, content / 'init')
    (content / 'init').chmod(0o755)
    kernel = tree / f'usr/lib/modules/{roots.kernel_version(tree)}/kernel'
    names = []
    for module in _EARLY_MODULES:
        packed = kernel / f'{module}.ko.xz'
        if not packed.exists():
            raise errors.RecipeOutdated(f'the kernel has no {module}.ko.xz')
        names.append(Path(module).name)
        target = content / f'modules/{names[-1]}.ko'
        target.write_bytes(lzma.decompress(packed.read_bytes()))
    (content / 'modules/order').write_text(''.join(f'{n}\n' for n in names))
    _pack(content, work / INITRAMFS)


def _pack(content: Path, archive: Path) -> None:
    """Pack a directory as an initramfs, and remove it."""
    line = 'cd "$1" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1 > "$2"'
    host.run(['sh', '-c', line, 'sh', content, archive])
    shutil.rmtree(content)


def _make_disk(work: Path, tree: Path) -> None:
    shutil.copyfile(_kernel(tree), work / KERNEL)
    raw = work / 'disk.raw'
    options = ['-q', '-F', '-O', '^metadata_csum', '-J', 'size=16']
    options += ['-E', 'lazy_itable_init=1,root_owner=0:0']
    host.run(['truncate', '-s', DISK_SIZE, raw])
    host.run(['mkfs.ext4', *options, '-d', tree, raw], root=True)
    host.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, work / DISK])
    raw.unlink()


def _kernel(tree: Path) -> Path:
    return tree / f'boot/vmlinuz-{roots.kernel_version(tree)}'
