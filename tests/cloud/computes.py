# SPDX-License-Identifier: Apache-2.0
"""Compute hosts: machines in which nova-compute runs with our driver.

What a distribution's packages would put in place comes from ``overlay``, from
``conf`` of this tree, and from Nova's own wheel. nova-compute runs as the user
``nova`` and gets root by sudo and rootwrap, as they ship.
"""

from __future__ import annotations

import concurrent.futures
import io
import tarfile
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.cloud import errors
from tests.cloud import operators
from tests.cloud import place as places
from tests.cloud import settings
from tests.system import wheel
from tests.system.machine import Machine
from tests.system.machine import MachineError
from tests.system.machine import Network
from tests.system.machine import layers
from tests.system.machine import obtain_image
from tests.system.machine import progress

KIND = layers.Kind(
    name='compute-',
    # WebOb needs the second from Python 3.13 on. pip on an older one, which
    # fetches for the machine's, does not see that.
    requirements=('nova>=34,<35', 'legacy-cgi>=2.6'),
    packages=('openssh-client', 'openssh-server', 'qemu-utils', 'sudo'),
)
NAMES = ('compute1', 'compute2')
CONF = '/etc/nova/nova.conf'
LOG = '/var/log/nova/nova-compute.log'
# What a compute host reaches of this computer.
_REACHED = ('keystone', 'placement', 'glance', 'network', 'rabbit')
_MEMORY = 2560
_OVERLAY = Path(__file__).parent / 'overlay'
_FRAGMENTS = {
    'conf/systemd/nova-mdev-recover.service': 'etc/systemd/system',
    'conf/sudoers.d/nova-generic-mdev': 'etc/sudoers.d',
    'conf/rootwrap.d/generic-mdev.filters': 'etc/nova/rootwrap.d',
}
# Under emulation on a busy computer.
_PATIENCE = 300.0


def image() -> Path:
    """The image of a compute host."""
    return obtain_image(kind=KIND)


def start(place: places.Place, count: int = 1) -> list[Machine]:
    """Power the machines on, side by side, and make compute hosts of them.

    :raises MachineError: one does not come up.
    """
    built = image()
    ports = tuple(place.port(name) for name in _REACHED)
    # It goes with the cloud, whoever ends that.
    network = Network(*NAMES, within=place.path('run'))
    machines = [
        Machine(name, network=network, services=ports, memory=_MEMORY, built=built)
        for name in NAMES[:count]
    ]
    with tempfile.TemporaryDirectory() as scratch:
        ours = wheel.build(Path(scratch))
        files = _files()
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda one: _make(place, one, ours, files), machines))
    return machines


def configure(place: places.Place, machine: Machine, types: str) -> None:
    """Write its nova.conf.

    :param types: what the operator says of mdev types, in the file's own words.
    """
    number = NAMES.index(machine.name)
    text = settings.text(settings.compute(place, f'192.168.77.{11 + number}'))
    machine.write_text(CONF, f'{text}{types}')


def wait(place: places.Place, machine: Machine) -> None:
    """Wait until Placement has what the host offers.

    :raises ServiceFailed: nova-compute ended; has the last lines of its log.
    """
    placement = operators.Placement(place)
    try:
        machine.wait_for(
            f'{machine.name} is in Placement',
            lambda: _failed(machine) or placement.offers(machine.name),
            _PATIENCE,
            pause=1.0,
        )
    except MachineError as error:
        raise errors.ServiceFailed(machine.name, str(error), log(machine)) from error
    if _failed(machine):
        raise errors.ServiceFailed(machine.name, 'nova-compute ended', log(machine))


def log(machine: Machine, lines: int = 30) -> str:
    """The last lines of its nova-compute."""
    command = f'journalctl -q -u nova-compute -o cat -n 5; tail -n {lines} {LOG}'
    return machine.run(command, check=False).stdout.rstrip()


def _make(place: places.Place, machine: Machine, ours: Path, files: bytes) -> None:
    machine.start(timeout=_PATIENCE)
    with progress.step(f'making {machine.name} a compute host'):
        machine.install_wheel(ours)
        machine.run('tar -xpf - -C /', stdin=files)
        configure(place, machine, operators.TYPES)
        machine.run('make-compute-host', timeout=120)
        machine.run('systemctl start nova-compute', timeout=120)


def _failed(machine: Machine) -> bool:
    state = machine.run('systemctl is-failed nova-compute', check=False).stdout
    return state.strip() == 'failed'


def _files() -> bytes:
    """A tar of what is written over the root directory."""
    files = {p.relative_to(_OVERLAY): p for p in _OVERLAY.rglob('*') if p.is_file()}
    for name, directory in _FRAGMENTS.items():
        source = places.REPOSITORY / name
        files[Path(directory) / source.name] = source
    contents = {path: source.read_bytes() for path, source in files.items()}
    contents[Path('root/nova-key')] = _key()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode='w') as tar:
        for path, content in contents.items():
            entry = tarfile.TarInfo(str(path))
            entry.size, entry.mode = len(content), _mode(path)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _mode(path: Path) -> int:
    if path.parts[0] == 'root':
        return 0o600
    if path.parent.name == 'sudoers.d':
        return 0o440
    return 0o755 if path.parent.name == 'sbin' else 0o644


def _key() -> bytes:
    """One key for all hosts, in OpenSSH's format."""
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
