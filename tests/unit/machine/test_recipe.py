# SPDX-License-Identifier: Apache-2.0
"""What the builder decides, without building a machine."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import struct
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.system.guest import build
from tests.system.guest import domain
from tests.system.machine import Machine
from tests.system.machine import errors
from tests.system.machine import host
from tests.system.machine import identity
from tests.system.machine import layers
from tests.system.machine import mirrors
from tests.system.machine import modules
from tests.system.machine import network
from tests.system.machine import packages
from tests.system.machine import qemu
from tests.system.machine import staying
from tests.system.machine import wheels


def test_new_requirements_keep_the_kernel_modules() -> None:
    one, other = layers.image_layer('lxml\n'), layers.image_layer('lxml\ncliff\n')
    assert one.key != other.key
    before = {need.name: need.key for need in one.needs}
    after = {need.name: need.key for need in other.needs}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {'wheels'}


# ---- where packages come from ----

DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://off.example/debian bookworm main
deb [arch=amd64 signed-by=/k] https://one.example/debian trixie main contrib
deb-src https://one.example/debian trixie main
"""
FOREIGN = 'deb http://vendor.example/packages cloud-bookworm main\n'


@pytest.mark.parametrize(
    ('files', 'archive', 'security'),
    [
        pytest.param(
            {'sources.list.d/debian.sources': DEB822},
            'http://mirror.example/debian',
            'http://mirror.example/debian-security',
            id='deb822',
        ),
        pytest.param(
            {'sources.list': ONE_LINE},
            'https://one.example/debian',
            None,
            id='one-line-style-without-security',
        ),
    ],
)
def test_mirrors_of_a_host(tmp_path, monkeypatch, files, archive, security) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.delenv(mirrors.VARIABLE, raising=False)
    (tmp_path / 'sources.list.d').mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = mirrors.of_this_host(tmp_path)
    assert (found.archive, found.security) == (archive, security)


@pytest.mark.parametrize(
    'files',
    [
        pytest.param({'vendor.list': FOREIGN}, id='no-debian-mirror-known'),
        pytest.param({}, id='no-apt'),
    ],
)
def test_a_host_without_a_mirror_of_debian(tmp_path, monkeypatch, files) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.delenv(mirrors.VARIABLE, raising=False)
    (tmp_path / 'sources.list.d').mkdir()
    for name, text in files.items():
        (tmp_path / 'sources.list.d' / name).write_text(text)
    with pytest.raises(errors.NeedsMissing, match=mirrors.VARIABLE):
        mirrors.of_this_host(tmp_path)
    monkeypatch.setenv(mirrors.VARIABLE, 'http://mirror.example/debian/')
    assert mirrors.of_this_host(tmp_path).archive == 'http://mirror.example/debian'


def test_what_is_missing_is_named_by_package() -> None:
    needs = {'no-such-program': 'package-a', '/no/such/file': 'package-b', 'sh': 'dash'}
    assert packages.missing(needs) == ['package-a', 'package-b']


# ---- the source that is changed ----

MTTY = """\
static atomic_t mdev_avail_ports = ATOMIC_INIT(MAX_MTTYS);
static int mtty_init_dev(struct vfio_device *vdev)
{
	atomic_read(&mdev_avail_ports);
}
static void mtty_release_dev(struct vfio_device *vdev)
{
	atomic_add(1, &mdev_avail_ports);
}
static unsigned int mtty_get_available(struct mdev_type *mtype)
{
	return atomic_read(&mdev_avail_ports);
}
static struct mdev_driver mtty_driver = {
	.driver = {
		.name = "mtty",
	},
};
static void mtty_device_release(struct device *dev)
{
}
MODULE_LICENSE("GPL v2");
"""


def test_pool_becomes_the_parents_own() -> None:
    changed = modules.with_pci_parents(MTTY, 'OUR END\n')
    assert 'mdev_avail_ports' not in changed
    assert 'atomic_add(1, pool_of(mdev_state->mdev->type));' in changed
    assert '.name = "mttypci-mdev"' in changed
    assert changed.endswith('};\nOUR END\n')


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        pytest.param('static atomic_t mdev_avail', 'static atomic_t x', id='no-pool'),
        pytest.param('mtty_release_dev', 'mtty_free', id='function-renamed'),
        pytest.param('.name = "mtty"', '.name = NAME', id='driver-name'),
        pytest.param('mtty_device_release', 'mtty_gone', id='no-registration'),
        pytest.param(
            'static struct', 'int y = &mdev_avail_ports;\nstatic struct', id='new-user'
        ),
    ],
)
def test_changed_source_is_noticed(old: str, new: str) -> None:
    with pytest.raises(errors.RecipeOutdated, match=r'mtty\.c'):
        modules.with_pci_parents(MTTY.replace(old, new), '')


def test_requirements_are_the_same_whatever_their_order(tmp_path: Path) -> None:
    one, other = tmp_path / 'one', tmp_path / 'other'
    one.write_text('# why\nlxml>=4 # BSD\n\ncliff\n')
    other.write_text('cliff\nlxml>=4\n')
    assert wheels.requirements(one) == wheels.requirements(other) == 'cliff\nlxml>=4\n'


# ---- the command of QEMU ----


def settings(place: network.Place | None = None, parents: int = 2) -> qemu.Settings:
    return qemu.Settings(
        name='one',
        machine_id=uuid.UUID(int=1),
        image=Path('/image'),
        directory=Path('/run/one'),
        pci_parents=parents,
        place=place,
    )


def test_machine_is_emulated_and_reaches_nothing() -> None:
    words = qemu.command(settings())
    assert not [word for word in words if 'kvm' in word or 'netdev' in word]
    assert words.count('-accel') == 1
    assert words[words.index('-accel') + 1].startswith('tcg')


def test_parents_have_their_slots() -> None:
    words = qemu.command(settings(parents=3))
    assert [w for w in words if w.startswith('edu')] == [
        'edu,addr=0x5',
        'edu,addr=0x6',
        'edu,addr=0x7',
    ]


def test_two_machines_of_a_network_meet() -> None:
    with network.Network('one', 'two') as net:
        first, second = net.place('one'), net.place('two')
        ends = [
            next(w for w in qemu.command(settings(p)) if w.startswith('dgram'))
            for p in (first, second)
        ]
    local, remote = (
        [end.partition(f'{side}.path=')[2].split(',')[0] for end in ends]
        for side in ('local', 'remote')
    )
    assert local == remote[::-1]
    assert local[0] != local[1]
    assert (first.address, second.address) == ('192.168.77.11', '192.168.77.12')


def test_what_is_left_running_is_found_as_it_was() -> None:
    with network.Network('one', 'two') as net:
        made = dataclasses.replace(settings(net.place('two')), services=(5000,))
    known = identity.Identity.of(os.getpid())
    left = json.loads(json.dumps(staying.pack(made, known)))
    assert staying.unpack(left) == (made, known)


def test_one_that_hangs_can_be_stopped(tmp_path: Path) -> None:
    """Nobody answers in it: whoever stops it does not ask."""
    child = subprocess.Popen(['sleep', '60'], start_new_session=True)
    directory = tmp_path / 'machine'
    directory.mkdir()
    made = dataclasses.replace(settings(), directory=directory)
    left = staying.pack(made, identity.Identity.of(child.pid))
    Machine.found(left).stop()
    assert child.wait() == -signal.SIGTERM
    assert not directory.exists()


def test_a_process_is_known_by_more_than_its_number() -> None:
    ours = identity.Identity.of(os.getpid())
    assert ours.alive()
    assert not dataclasses.replace(ours, begun=ours.begun - 1).alive()


def test_a_process_that_nobody_waits_for_has_ended() -> None:
    child = subprocess.Popen(['sleep', '60'], start_new_session=True)
    known = identity.Identity.of(child.pid)
    assert known.alive()
    known.end(timeout=20)
    assert not known.alive()
    assert child.wait() == -signal.SIGTERM


# ---- guests ----


def test_firmware_is_a_rom_that_starts_at_its_reset_vector(tmp_path: Path) -> None:
    missing = packages.missing({'gcc': 'gcc', 'objcopy': 'binutils'})
    if missing:
        pytest.skip(f'no compiler here: {missing}')
    rom = build.build_firmware(tmp_path).read_bytes()
    assert len(rom) == build.ROM_SIZE
    assert rom[-16] in {0xE9, 0xEB}  # a jump
    assert b'guest: firmware up' in rom


def test_the_same_guest_is_a_disk_that_a_bios_boots(tmp_path: Path) -> None:
    missing = packages.missing({'gcc': 'gcc', 'objcopy': 'binutils'})
    if missing:
        pytest.skip(f'no compiler here: {missing}')
    disk = build.build_disk(tmp_path).read_bytes()
    assert len(disk) == build.DISK_SIZE
    assert disk[510:512] == b'\x55\xaa'
    # A sector that ends like this, and has no partition, is refused by Glance.
    begin, length = struct.unpack('<II', disk[454:462])
    assert (begin, begin + length) == (1, build.DISK_SIZE // 512)
    assert b'guest: firmware up' in disk[512:]


def test_domains_have_the_devices_that_they_are_given() -> None:
    hostdevs = [domain.hostdev_xml(str(uuid.UUID(int=n))) for n in (1, 2)]
    xml = domain.firmware_xml('guest', hostdevs)
    assert xml.count('<hostdev ') == 2
    assert build.ROM in xml
    assert domain.console_path('guest') in xml
    assert '<kernel>' in domain.linux_xml('guest')


# ---- commands on the host ----


def test_failed_step_tells_the_last_lines() -> None:
    with pytest.raises(errors.StepFailed, match='why') as caught:
        host.run(['sh', '-c', 'echo why >&2; exit 3'])
    assert caught.value.status == 3
    assert 'exit 3' in caught.value.command
