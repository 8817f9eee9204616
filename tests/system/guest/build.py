# SPDX-License-Identifier: Apache-2.0
"""Making the guests' files: the firmware ROM and the Linux initramfs.

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
SOURCES = [
    HERE / name for name in ('start.S', 'firmware.c', 'firmware.lds', 'linux-init')
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
    elf = directory / 'firmware.elf'
    start, main, script, _ = SOURCES
    host.run([*_COMPILE, script, '-o', elf, start, main])
    rom = directory / ROM
    host.run([*_EXTRACT, '-j.text', '-j.enter', '-j.reset', elf, rom])
    elf.unlink()
    if rom.stat().st_size != ROM_SIZE:
        raise errors.RecipeOutdated(f'the ROM has {rom.stat().st_size} bytes')
    return rom


def lay_out_linux(busybox: Path, directory: Path) -> None:
    """Fill an empty directory with what the Linux guest's initramfs holds."""
    for name in ('bin', 'dev', 'proc', 'sys'):
        (directory / name).mkdir()
    shutil.copy(busybox, directory / 'bin/busybox')
    shutil.copy(HERE / 'linux-init', directory / 'init')
    (directory / 'init').chmod(0o755)
