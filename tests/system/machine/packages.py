# SPDX-License-Identifier: Apache-2.0
"""What the host needs, and how it gets there.

The test is always whether the program is there, never whether the package is:
a host may have it from elsewhere.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

from tests.system.machine import errors
from tests.system.machine import host
from tests.system.machine import mirrors
from tests.system.machine import progress

# a program, or a file where it starts with /: the Debian package that has it
TO_BUILD: Mapping[str, str] = {
    'mmdebstrap': 'mmdebstrap',
    mirrors.KEYRING: 'debian-archive-keyring',
    'gcc': 'gcc',
    'objcopy': 'binutils',
    'cpio': 'cpio',
    'xz': 'xz-utils',
    'mkfs.ext4': 'e2fsprogs',
    'qemu-img': 'qemu-utils',
}
TO_RUN: Mapping[str, str] = {
    'qemu-system-x86_64': 'qemu-system-x86',
    'qemu-img': 'qemu-utils',
}
PIP: Mapping[str, str] = {'pip3': 'python3-pip'}
# A new host often installs updates by itself at first: apt waits for that.
_APT = ('apt-get', '-q', '-o', 'DPkg::Lock::Timeout=600')


def missing(needs: Mapping[str, str]) -> list[str]:
    """The packages of what is not there, sorted."""
    return sorted({package for what, package in needs.items() if not _has(what)})


def ensure(needs: Mapping[str, str]) -> None:
    """Install what is missing.

    :raises NeedsMissing: it cannot be installed here.
    """
    if platform.machine() not in ('x86_64', 'AMD64'):
        raise errors.NeedsMissing(
            f'the machine is x86_64 and this host is {platform.machine()}',
            'use an x86_64 host: a chroot of the machine must run on it',
        )
    packages = missing(needs)
    if packages:
        _install(packages)
    left = missing(needs)
    if left:
        raise errors.NeedsMissing(
            f'still missing after the installation: {" ".join(left)}',
            'install them by hand',
        )


def _has(what: str) -> bool:
    return Path(what).exists() if what.startswith('/') else bool(host.find(what))


def _install(packages: list[str]) -> None:
    remedy = f'install these packages by hand: {" ".join(packages)}'
    if host.find('apt-get') is None:
        raise errors.NeedsMissing('there is no apt-get on this host', remedy)
    quiet = {'DEBIAN_FRONTEND': 'noninteractive'}
    install = [*_APT, 'install', '-y', '--no-install-recommends']
    try:
        with progress.step(f'installing {" ".join(packages)}'):
            host.run([*_APT, 'update'], root=True, environment=quiet)
            host.run([*install, *packages], root=True, environment=quiet)
    except errors.StepFailed as error:
        raise errors.NeedsMissing(str(error), remedy) from error
