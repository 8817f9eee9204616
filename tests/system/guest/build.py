# SPDX-License-Identifier: Apache-2.0
"""Making the guests' files: the firmware ROM, the same as a disk, and the Linux
initramfs.

Only standard library: the machine's builder uses this on bare Python.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.system.machine import errors
from tests.system.machine import host

HERE = Path(__file__).parent
ROM_SIZE = 0x10000
ROM = 'firmware.rom'
DISK = 'firmware.raw'
DISK_SIZE = 1 << 20
_SECTOR = 512
SOURCES = [
    HERE / name
    for name in (
        'start.S',
        'firmware.c',
        'reset.S',
        'firmware.lds',
        'boot.S',
        'disk.lds',
        'linux-init',
    )
]

_COMPILE = (
    'gcc',
    '-m32',
    '-march=i486',
    '-Os',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-ffreestanding',
    '-fno-pic',
    '-fno-stack-protector',
    '-fno-asynchronous-unwind-tables',
    '-fcf-protection=none',
    '-nostdlib',
    '-static',
    '-Wl,--build-id=none',
    '-Wl,-T',
)
_EXTRACT = ['objcopy', '-O', 'binary', '--gap-fill=0xff']


def build_firmware(directory: Path) -> Path:
    """Compile the firmware guest.

    :returns: the ROM, 64 KiB.
    :raises StepFailed: it does not compile.
    """
    elf = _compile(directory, 'firmware.lds', 'reset.S')
    rom = directory / ROM
    host.run([*_EXTRACT, '-j.text', '-j.enter', '-j.reset', elf, rom])
    elf.unlink()
    if rom.stat().st_size != ROM_SIZE:
        raise errors.RecipeOutdated(f'the ROM has {rom.stat().st_size} bytes')
    return rom


def build_disk(directory: Path) -> Path:
    """Compile the same guest as a disk that any PC boots.

    :returns: the disk, raw, 1 MiB.
    :raises StepFailed: it does not compile.
    """
    elf = _compile(directory, 'disk.lds', 'boot.S')
    disk = directory / DISK
    parts = []
    for section in ('.boot', '.text'):
        host.run([*_EXTRACT, f'-j{section}', elf, disk])
        parts.append(disk.read_bytes())
    elf.unlink()
    if len(parts[0]) != _SECTOR:
        raise errors.RecipeOutdated(f'the boot sector has {len(parts[0])} bytes')
    disk.write_bytes(b''.join(parts).ljust(DISK_SIZE, b'\0'))
    return disk


def _compile(directory: Path, script: str, entry: str) -> Path:
    elf = directory / 'firmware.elf'
    sources = [HERE / name for name in (entry, 'start.S', 'firmware.c')]
    host.run([*_COMPILE, HERE / script, '-o', elf, *sources])
    return elf


def lay_out_linux(busybox: Path, directory: Path) -> None:
    """Fill an empty directory with what the Linux guest's initramfs holds."""
    for name in ('bin', 'dev', 'proc', 'sys'):
        (directory / name).mkdir()
    shutil.copy(busybox, directory / 'bin/busybox')
    shutil.copy(HERE / 'linux-init', directory / 'init')
    (directory / 'init').chmod(0o755)
