# SPDX-License-Identifier: Apache-2.0
"""The QEMU command of one machine, and its process."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import uuid
from pathlib import Path

from tests.system.machine import host
from tests.system.machine import identity
from tests.system.machine import image
from tests.system.machine import network

# Measured under emulation: each of these shortens the start or later work.
_KERNEL_WORDS = (
    'console=ttyS0 rw mitigations=off apparmor=0 audit=0 nokaslr no_timer_check '
    'tsc=reliable random.trust_cpu=on quiet loglevel=4 panic=-1 net.ifnames=0 '
    'systemd.show_status=0'
)
# As it is: with svm=off QEMU 7.2 executes a static glibc wrongly.
_PROCESSOR = 'max'
_FIRST_PCI_SLOT = 5
MAX_PCI_PARENTS = 24

AGENT_SOCKET, TERMINAL_SOCKET = 'agent', 'terminal'
CONSOLE, LOG, OVERLAY = 'console', 'qemu.log', 'disk.qcow2'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What a machine is made of.

    :param memory: in MiB.
    :param pci_parents: PCI functions that mttypci makes parents of.
    :param kernel_words: more words for the kernel's command line.
    :param services: ports of this computer's loopback that it can reach, each
        at the same port of ``services``.
    """

    name: str
    machine_id: uuid.UUID
    image: Path
    directory: Path
    memory: int = 3072
    processors: int = 2
    pci_parents: int = 2
    kernel_words: str = ''
    place: network.Place | None = None
    services: tuple[int, ...] = ()


def command(settings: Settings) -> list[str]:
    """The QEMU command, without KVM: the same on any computer."""
    at = settings.directory
    words = ['qemu-system-x86_64', '-name', settings.name]
    words += ['-uuid', str(settings.machine_id), '-machine', 'q35']
    words += ['-accel', 'tcg,thread=multi,tb-size=1024', '-cpu', _PROCESSOR]
    words += ['-smp', str(settings.processors), '-m', str(settings.memory)]
    words += ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot']
    words += ['-kernel', str(settings.image / image.KERNEL)]
    words += ['-initrd', str(settings.image / image.INITRAMFS)]
    words += ['-append', _kernel_line(settings)]
    words += ['-serial', f'file:{at / CONSOLE}']
    words += ['-serial', f'unix:{at / TERMINAL_SOCKET},server=on,wait=off']
    disk = f'if=none,id=disk,file={at / OVERLAY},format=qcow2,cache=unsafe'
    words += ['-drive', f'{disk},discard=unmap']
    words += ['-device', 'virtio-blk-pci,drive=disk,addr=0x1']
    words += ['-device', 'virtio-serial-pci,addr=0x2']
    agent = f'socket,id=agent,path={at / AGENT_SOCKET},server=on,wait=off'
    words += ['-chardev', agent]
    words += ['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0']
    words += ['-device', 'virtio-rng-pci,addr=0x3']
    for slot in range(_FIRST_PCI_SLOT, _FIRST_PCI_SLOT + settings.pci_parents):
        words += ['-device', f'edu,addr={slot:#x}']
    return words + _network(settings.place) + network.outside(settings.services)


def create_overlay(settings: Settings) -> None:
    """Make the disk of a machine: what it writes, over the image's disk."""
    base = settings.image / image.DISK
    overlay = settings.directory / OVERLAY
    host.run(
        ['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base, overlay]
    )


def _kernel_line(settings: Settings) -> str:
    words = [_KERNEL_WORDS, f'systemd.machine_id={settings.machine_id.hex}']
    words.append(f'systemd.hostname={settings.name}')
    hosts = settings.place.hosts if settings.place else ((settings.name, '127.0.1.1'),)
    words.append('machine.hosts=' + ','.join(f'{n}:{a}' for n, a in hosts))
    if settings.place:
        words.append(f'machine.address={settings.place.address}/24')
    if settings.services:
        words.append('machine.services')
    return ' '.join([*words, settings.kernel_words]).strip()


def _network(place: network.Place | None) -> list[str]:
    if place is None:
        return []
    ours = place.directory / f'net{place.number}'
    theirs = place.directory / f'net{3 - place.number}'
    ours.unlink(missing_ok=True)
    ends = f'local.type=unix,local.path={ours},remote.type=unix,remote.path={theirs}'
    mac = f'52:54:00:00:77:{place.number:02x}'
    card = f'virtio-net-pci,netdev=net,mac={mac},romfile=,addr=0x4'
    return ['-netdev', f'dgram,id=net,{ends}', '-device', card]


class Process:
    """A running QEMU, known by the process that we started.

    :param identity: one that was started before; by default one is started.
    """

    def __init__(
        self, settings: Settings, known: identity.Identity | None = None
    ) -> None:
        self._log = settings.directory / LOG
        self._child: subprocess.Popen[bytes] | None = None
        if known is None:
            self._child = self._start(settings)
            known = identity.Identity.of(self._child.pid)
        self.identity = known

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.identity.pid

    def ending(self) -> str | None:
        """How it ended, in words; None while it runs."""
        status = self._child.poll() if self._child else None
        if status is None and self.identity.alive():
            return None
        said = self._log.read_text(errors='replace').strip().splitlines()[-5:]
        how = 'its end' if status is None else f'exit status {status}'
        if status is not None and status < 0:
            how = f'signal {signal.Signals(-status).name}'
        return f'QEMU ended with {how}' + ''.join(f'\n{line}' for line in said)

    def wait(self, timeout: float) -> bool:
        """Wait for its end; whether it came."""
        return self.identity.wait(timeout)

    def stop(self, timeout: float = 10.0) -> None:
        """End it: the machine sees the power go."""
        self.identity.end(timeout)
        if self._child:
            self._child.wait()

    def _start(self, settings: Settings) -> subprocess.Popen[bytes]:
        with self._log.open('ab') as log:
            return subprocess.Popen(
                command(settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
