# SPDX-License-Identifier: Apache-2.0
"""A Linux guest, its login, and the serial ports of its mdev: ``make linux-guest``.

The small Linux of the system tests, with a user space of its own: a login on the
console, and a shell.  What a user would type there is typed, and shown with what
came back.  A kernel in a guest in an emulated machine is emulated twice: minutes.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.system import demo
from tests.system import wheel
from tests.system.guest import domain
from tests.system.machine import Machine
from tests.system.machine import MachineError
from tests.system.machine import image

NAME = 'linux'
SOCKET = f'/run/{NAME}.console'
DIRECTORY = '/root/login'
INITRAMFS = f'/var/lib/libvirt/images/{NAME}.gz'
# In the guest: a second initramfs goes over the first.
INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
export TERM=dumb
while :; do setsid getty -L 115200 ttyS0 dumb; done
"""
FILES = {
    'login-init': INIT,
    'etc/passwd': 'root::0:0:root:/root:/bin/sh\n',
    'etc/issue': 'The small Linux guest of nova-generic-mdev\n\n',
}
# busybox may ask the terminal where its cursor is, and does not wait for an answer.
PROMPT = '# (\x1b\\[6n)?$'
# What the console shows, and what is typed then.
DIALOGUE = (
    ('login: $', 'root'),
    (PROMPT, 'uname -sr'),
    (PROMPT, 'dmesg | grep -i "ttyS[1-9]"'),
    (PROMPT, 'cat /sys/bus/pci/devices/*/vendor | grep 4348'),
    (PROMPT, 'stty -F /dev/ttyS1 raw -echo; stty -F /dev/ttyS2 raw -echo'),
    (PROMPT, 'exec 3<>/dev/ttyS1 4<>/dev/ttyS2'),
    (PROMPT, 'echo hello >&3; read -t 60 got <&3; echo "ttyS1 gave back: $got"'),
    (PROMPT, 'echo world >&4; read -t 60 got <&4; echo "ttyS2 gave back: $got"'),
    (PROMPT, 'grep -i mtty /proc/interrupts; cat /proc/tty/driver/serial | head -4'),
    (PROMPT, ''),
)
WANTED = ('ttyS1 gave back: hello', 'ttyS2 gave back: world')
# Runs in the machine: waits for each pattern, types, and prints the console.
TALK = r"""
import json, re, socket, sys, time
path, dialogue, patience = sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3])
console = socket.socket(socket.AF_UNIX)
console.connect(path)
console.settimeout(1)
seen, at, began = '', 0, time.monotonic()
deadline = began + patience
for pattern, line in dialogue:
    while not re.search(pattern, seen[at:]):
        if time.monotonic() > deadline:
            sys.exit(f'no {pattern!r} after {patience} s; so far:\n{seen}')
        try:
            seen += console.recv(4096).decode(errors='replace')
        except TimeoutError:
            pass
    at = len(seen)
    if line:
        # Not faster than a guest that is emulated twice takes it.
        for character in line + '\n':
            console.send(character.encode())
            time.sleep(0.05)
print(seen.replace('\r', '').replace('\x1b[6n', ''))
print(f'[{time.monotonic() - began:.0f} s]')
"""
PATIENCE = 1500.0


def main() -> int:
    """Boot the guest, log in, use its ports; 0 when what was written came back."""
    with Machine('linux-guest') as machine:
        uuid = _prepare(machine)
        began = time.monotonic()
        machine.run(f'virsh -q create /root/{NAME}.xml', timeout=300)
        said = machine.output(
            [
                '/usr/bin/python3',
                '-c',
                TALK,
                SOCKET,
                json.dumps(DIALOGUE),
                f'{PATIENCE}',
            ],
            timeout=PATIENCE + 60,
        )
        took = time.monotonic() - began
        print(said)
        machine.run(f'virsh -q destroy {NAME}')
        print(machine.output('nova-mdev device list'))
        machine.run(f'nova-mdev device release {demo.CONSUMER}')
    missing = [text for text in WANTED if text not in said]
    print(f'mdev {uuid}: {took:.0f} s from power-on to the last answer')
    if missing:
        print(f'The guest did not say: {", ".join(missing)}', file=sys.stderr)
    return 1 if missing else 0


def _prepare(machine: Machine) -> str:
    """Everything up to the guest's definition; returns the uuid of its mdev."""
    with tempfile.TemporaryDirectory() as directory:
        machine.install_wheel(wheel.build(Path(directory)))
    machine.write_text('/etc/nova/nova.conf', demo.NOVA_CONF)
    asked = f'--consumer {demo.CONSUMER} --resource mtty:{demo.CLASS}=1'
    given = machine.output(f'nova-mdev device allocate {asked} -f json', timeout=300)
    uuid = str(json.loads(given)[0]['uuid'])
    hostdev = machine.output(f'nova-mdev device xml {uuid}', timeout=120)
    _lay_out(machine)
    machine.write_text(f'/root/{NAME}.xml', _xml(hostdev))
    return uuid


def _lay_out(machine: Machine) -> None:
    for name, text in FILES.items():
        machine.write_text(f'{DIRECTORY}/{name}', text)
    machine.run(
        f'cd {DIRECTORY} && chmod 755 login-init && mkdir -p root && '
        'find . | busybox cpio -o -H newc | gzip > /tmp/login.gz && '
        f'cat {image.GUESTS}/{image.INITRAMFS} /tmp/login.gz > {INITRAMFS}'
    )


def _xml(hostdev: str) -> str:
    """The Linux guest with our initramfs, and its console on a socket."""
    tree = ET.fromstring(domain.linux_xml(NAME, [hostdev]))  # noqa: S314
    for tag, text in (('initrd', INITRAMFS), ('cmdline', None)):
        element = tree.find(f'os/{tag}')
        assert element is not None
        element.text = text or f'{element.text} rdinit=/login-init'
    serial = tree.find('devices/serial')
    assert serial is not None
    serial.set('type', 'unix')
    source = serial.find('source')
    assert source is not None
    source.attrib = {'mode': 'bind', 'path': SOCKET}
    return ET.tostring(tree, encoding='unicode')


if __name__ == '__main__':
    try:
        sys.exit(main())
    except MachineError as error:
        sys.exit(f'error: {error}')
