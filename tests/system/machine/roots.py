# SPDX-License-Identifier: Apache-2.0
"""Two root file systems of one Debian suite, as tar files.

``root`` is what the machine runs. ``toolchain`` can compile modules for its
kernel: compiler, headers, and the parts of the distribution's kernel source
that we compile. They are separate because the compiler is larger than the
machine and no business of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from tests.system.machine import host
from tests.system.machine import mirrors

SUITE = 'trixie'
ARCHITECTURE = 'amd64'

ROOT_PACKAGES = (
    # a system that boots
    'systemd-sysv',
    'udev',
    'dbus',
    'kmod',
    'iproute2',
    'busybox-static',
    'pciutils',
    'procps',
    'linux-image-amd64',
    # the host's way in
    'qemu-guest-agent',
    # what Nova's compute hosts have
    'libvirt-daemon-system',
    'libvirt-clients',
    'libvirt-daemon-driver-qemu',
    'qemu-system-x86',
    'mdevctl',
    # what we run on
    'python3',
    'python3-venv',
    'python3-libvirt',
)
TOOLCHAIN_PACKAGES = (
    'linux-headers-amd64',
    'linux-source',
    'make',
    'gcc',
    'libc6-dev',
    'xz-utils',
)

# Of the kernel's source only these directories are unpacked and kept.
SOURCE_PARTS = ('samples/vfio-mdev', 'drivers/vfio', 'drivers/iommu/iommufd')
SOURCE = 'usr/src/linux-source'

_NOT_INSTALLED = (
    '/usr/share/man/*',
    '/usr/share/doc/*',
    '/usr/share/locale/*',
    '/usr/share/info/*',
    '/usr/share/lintian/*',
)
# Compiling needs the modules' symbols, not the modules.
_NOT_IN_TOOLCHAIN = ('/usr/lib/modules/*/kernel/*',)

_CLEAN = (
    'rm -rf "$1"/boot/initrd.img* "$1"/var/lib/apt/lists/* '
    '"$1"/etc/apt/apt.conf.d/99mmdebstrap; '
    ': > "$1"/etc/apt/sources.list'
)
_UNPACK_SOURCE = (
    'set -e; cd "$1"/usr/src; '
    'archive=$(ls linux-source-*.tar.xz); '
    'mkdir linux-source; '
    'parent=${archive%%.tar.xz}; '
    'tar -C linux-source --strip-components=1 -xJf "$archive" %s; '
    'rm "$archive"; rm -f "$1"/boot/vmlinuz*'
)


def build_root(work: Path, _needs: Mapping[str, Path]) -> None:
    """Fill a directory with ``root.tar``."""
    _bootstrap(work / 'root.tar', ROOT_PACKAGES, hooks=[_CLEAN])


def build_toolchain(work: Path, _needs: Mapping[str, Path]) -> None:
    """Fill a directory with ``toolchain.tar``, kernel source inside."""
    parts = ' '.join(f'"$parent/{part}"' for part in SOURCE_PARTS)
    _bootstrap(
        work / 'toolchain.tar',
        TOOLCHAIN_PACKAGES,
        hooks=[_UNPACK_SOURCE % parts, _CLEAN],
        excluded=_NOT_IN_TOOLCHAIN,
    )


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a root file system, with its owners, without device nodes."""
    directory.mkdir()
    options = ['--numeric-owner', '--exclude=./dev/*', '-xpf']
    host.run(['tar', '-C', directory, *options, archive], root=True)


def kernel_version(directory: Path) -> str:
    """The one kernel that a root file system has modules or headers of."""
    (modules,) = (directory / 'usr/lib/modules').iterdir()
    return modules.name


def _bootstrap(
    archive: Path,
    packages: Sequence[str],
    hooks: Sequence[str],
    excluded: Sequence[str] = (),
) -> None:
    sources = archive.with_suffix('.list')
    sources.write_text(mirrors.sources_list(mirrors.of_this_host(), SUITE))
    command = ['mmdebstrap', '--mode=root', '--variant=minbase', '--format=tar']
    command += [f'--architectures={ARCHITECTURE}', f'--include={",".join(packages)}']
    apt = ['Acquire::Languages "none";', 'APT::Install-Recommends "false";']
    command += [f'--aptopt={option}' for option in apt + mirrors.apt_options()]
    dpkg = [f'path-exclude={path}' for path in (*_NOT_INSTALLED, *excluded)]
    command += [f'--dpkgopt={option}' for option in [*dpkg, 'force-unsafe-io']]
    command += [f'--customize-hook={hook}' for hook in hooks]
    # The initramfs is our own, so the kernel's package need not make one.
    variables = {'TMPDIR': str(archive.parent), 'INITRD': 'No'}
    host.run(
        [*command, SUITE, '-', str(sources)],
        root=True,
        environment=variables,
        stdout=archive,
    )
    sources.unlink()
