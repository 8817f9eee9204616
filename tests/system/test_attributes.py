# SPDX-License-Identifier: Apache-2.0
"""Attributes of an mdev, on a driver that takes those of vfio-ap.

It is ours (``machine/kernel/mtty_pci.c``): no sample driver has any.  The real
vfio-ap needs the crypto adapters of an s390x host, and was not at hand.
"""

from __future__ import annotations

import re

import pytest

from tests.system.program import Program
from tests.system.test_effects import defined

CONSUMER = '5e1f0000-0000-4000-8000-0000000000f1'
CARD = '0000:00:05.0'
RESOURCE = f'{CARD}:VGPU=1'
GIVEN = (('assign_adapter', '5'), ('assign_adapter', '6'), ('assign_domain', '4'))
MATRIX = 'adapter 5\nadapter 6\ndomain 4'


def conf(attributes: str, backend: str, address: str = CARD) -> str:
    """One type with attributes, which only one device may have."""
    mdev_type = 'mttypci-1' if address == CARD else 'mtty-1'
    return (
        f'[devices]\nenabled_mdev_types = {mdev_type}\n'
        f'[mdev_{mdev_type}]\ndevice_addresses = {address}\nmax_instances = 1\n'
        f'attributes = {attributes}\n[generic_mdev]\nbackend = {backend}\n'
    )


@pytest.mark.parametrize('backend', ['libvirt', 'sysfs'])
def test_they_are_set_in_order_and_again_after_a_recovery(
    program: Program, backend: str
) -> None:
    machine = program.machine
    program.configure(conf(', '.join('='.join(pair) for pair in GIVEN), backend))

    (given,) = program.allocate(CONSUMER, RESOURCE)

    device = f'/sys/bus/mdev/devices/{given["uuid"]}'
    assert machine.output(f'cat {device}/matrix') == MATRIX
    if backend == 'libvirt':
        node = f'mdev_{given["uuid"]}_{CARD}'
        name = re.sub('[^a-z0-9]', '_', node)
        xml = machine.output(f'virsh -q nodedev-dumpxml --inactive {name}')
        attributes = re.findall("<attr name='(.*)' value='(.*)'/>", xml)
        assert tuple(attributes) == GIVEN
    machine.run(f'echo 1 > {device}/remove')
    (again,) = program.rows('device', 'recover')
    assert again == given
    assert machine.output(f'cat {device}/matrix') == MATRIX
    assert program.rows('device', 'release', CONSUMER) == [given]
    assert (program.live(), defined(machine)) == (set(), [])


@pytest.mark.parametrize(
    ('attributes', 'address'),
    [
        pytest.param('assign_adapter=5, assign_adapter=5', CARD, id='given already'),
        pytest.param('assign_domain=256', CARD, id='there is no such domain'),
        pytest.param('assign_adapter=5', 'mtty', id='the driver has no such attribute'),
    ],
)
@pytest.mark.parametrize('backend', ['libvirt', 'sysfs', 'auto'])
def test_what_the_driver_refuses_leaves_nothing_behind(
    program: Program, attributes: str, address: str, backend: str
) -> None:
    program.configure(conf(attributes, backend, address))

    refused = program.run(
        'device', 'allocate', '--consumer', CONSUMER,
        '--resource', f'{address}:VGPU=1', check=False,
    )  # fmt: skip

    assert refused.status == 1
    assert refused.stderr.strip()
    assert 'Traceback' not in refused.stderr
    assert (program.live(), defined(program.machine)) == (set(), [])
    assert program.rows('device', 'list') == []
