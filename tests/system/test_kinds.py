# SPDX-License-Identifier: Apache-2.0
"""Every kind of device of the machine, published, given, and used by a guest."""

from __future__ import annotations

import dataclasses
import uuid

import pytest

from tests.functional import placement_service
from tests.system.machine import Machine
from tests.system.program import Program
from tests.system.test_machine import create

CONSUMER = '5e1f0000-0000-4000-8000-00000000000d'
FOUND = '11111111-2222-4333-8444-000000000001'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of mdev, and what a guest says of it.

    :param says: what the firmware guest prints when it works
    """

    parent: str
    sysname: str
    mdev_type: str
    amount: int = 1
    total: int
    says: tuple[str, ...]

    @property
    def conf(self) -> str:
        return (
            f'[devices]\nenabled_mdev_types = {self.mdev_type}\n'
            f'[mdev_{self.mdev_type}]\n'
            f'device_addresses = {self.sysname}\nmdev_class = kind\n'
        )


ECHO = ("wrote 'hello-0' read 'hello-0' ok",)
FRAMEBUFFER = ('framebuffer',)
KINDS = [
    pytest.param(
        Kind(
            parent='mtty_mtty', sysname='mtty', mdev_type='mtty-2',
            total=12, says=('4348:3253', *ECHO, "wrote 'hello-1' read 'hello-1' ok"),
        ),
        id='mtty, which is on no bus',
    ),
    pytest.param(
        Kind(
            parent='pci_0000_00_05_0', sysname='0000:00:05.0', mdev_type='mttypci-1',
            total=24, says=('4348:3253', *ECHO),
        ),
        id='a parent that is a PCI function',
    ),
    pytest.param(
        Kind(
            parent='mdpy_mdpy', sysname='mdpy', mdev_type='mdpy-vga',
            total=4, says=('1b36:000f', *FRAMEBUFFER),
        ),
        id='mdpy, whose parent libvirt does not know',
    ),
    pytest.param(
        Kind(
            parent='mbochs_mbochs', sysname='mbochs', mdev_type='mbochs-small',
            total=64, says=('1234:1111', *FRAMEBUFFER),
        ),
        id='mbochs, whose parent libvirt does not know',
    ),
]  # fmt: skip


@pytest.fixture
def cloud(program: Program, placement: placement_service.Service) -> Program:
    """The program, told how to reach Placement, as a host of its own there."""
    program.options = ['--root-provider', f'host-{uuid.uuid4().hex[:8]}']
    program.environment = {
        'OS_PLACEMENT_URL': f'http://services:{placement.port}',
        'OS_TOKEN': placement_service.TOKEN,
    }
    return program


@pytest.mark.parametrize('kind', KINDS)
def test_from_placement_to_a_guest_that_uses_its_device(
    cloud: Program, placement: placement_service.Service, kind: Kind
) -> None:
    cloud.configure(kind.conf)
    cloud.run('inventory', 'publish', '--create-root')
    provider = f'{cloud.options[-1]}_{kind.parent}'
    offered = {'CUSTOM_KIND': (kind.total, 0, kind.total)}
    assert placement.inventories(provider) == offered
    assert cloud.rows('inventory', 'publish') == []

    unallocated = cloud.run(
        'device', 'allocate', '--in-placement', '--consumer', CONSUMER,
        '--resource', f'{kind.sysname}:kind=1', check=False,
    )  # fmt: skip
    assert unallocated.status == 1
    assert 'Placement says that it holds 0' in unallocated.stderr
    assert cloud.live() == set()

    placement.allocate(CONSUMER, provider, CUSTOM_KIND=1)
    (given,) = cloud.allocate(
        CONSUMER, f'{kind.sysname}:CUSTOM_KIND=1', in_placement=True
    )
    assert given['origin'] == 'created'
    cloud.run('inventory', 'publish')
    assert placement.inventories(provider) == offered
    assert placement.used(provider) == {'CUSTOM_KIND': 1}

    said = cloud.boot('kind', [given['uuid']])
    for expected in kind.says:
        assert expected in said

    cloud.machine.run('virsh -q destroy kind')
    assert cloud.rows('device', 'release', CONSUMER) == [given]
    placement.deallocate(CONSUMER)
    cloud.run('inventory', 'publish')
    assert cloud.live() == set()
    assert cloud.left(kind.sysname, kind.mdev_type) == kind.total
    assert placement.inventories(provider) == offered


def test_two_types_of_one_parent_in_one_guest(program: Program) -> None:
    program.configure(
        '[devices]\nenabled_mdev_types = mtty-1, mtty-2\n'
        '[mdev_mtty-1]\ndevice_addresses = mtty\nmdev_class = one\n'
        '[mdev_mtty-2]\ndevice_addresses = mtty\nmdev_class = two\n'
    )

    given = program.allocate(CONSUMER, 'mtty:one=1', 'mtty:two=1')

    assert [device['mdev_type'] for device in given] == ['mtty-1', 'mtty-2']
    assert program.left('mtty', 'mtty-1') == 24 - 3
    said = program.boot('both', [device['uuid'] for device in given])
    assert said.count('4348:3253') == 2
    assert said.count(' ok') == 3  # one port, and two
    program.machine.run('virsh -q destroy both')
    assert program.rows('device', 'release', CONSUMER) == given
    assert program.live() == set()


def test_what_was_found_is_reused_and_is_still_there_after_release(
    program: Program, machine: Machine
) -> None:
    program.configure('[devices]\nenabled_mdev_types = mtty-2\n')
    found = create(machine, 'mtty', 'mtty-2', 1)
    assert program.rows('inventory', 'list')[0]['total'] == 12

    (given,) = program.allocate(CONSUMER, 'mtty:VGPU=1')
    assert (given['uuid'], given['origin']) == (found, 'found')
    program.rows('device', 'release', CONSUMER)
    assert program.live() == {found}

    (adopted,) = program.rows('device', 'adopt', found.upper())
    assert adopted['origin'] == 'created'
    (disowned,) = program.rows('device', 'disown', '--all')
    assert disowned['origin'] == 'found'


@pytest.mark.parametrize(
    ('on_release', 'stays'),
    [
        pytest.param('keep', True, id='kept, and given to the next'),
        pytest.param('remove', False, id='removed: nobody sees another one'),
    ],
)
def test_what_becomes_of_what_we_created(
    program: Program, *, on_release: str, stays: bool
) -> None:
    program.configure(
        '[devices]\nenabled_mdev_types = mtty-2\n'
        f'[mdev_mtty-2]\non_release = {on_release}\n'
    )
    (first,) = program.allocate(CONSUMER, 'mtty:VGPU=1')
    program.rows('device', 'release', CONSUMER)
    assert program.live() == ({first['uuid']} if stays else set())

    (second,) = program.allocate(FOUND, 'mtty:VGPU=1')
    assert (second['uuid'] == first['uuid']) is stays
    program.rows('device', 'release', FOUND)
