# SPDX-License-Identifier: Apache-2.0
"""Attributes of an mdev, on a driver that takes those of vfio-ap.

It is ours (``machine/kernel/mtty_pci.c``): no sample driver has any.  The real
vfio-ap needs the crypto adapters of an s390x host, and was not at hand.
"""

from __future__ import annotations

import itertools
import re

import pytest

from tests.system.program import CONF as CONF_FILE
from tests.system.program import STATE
from tests.system.program import Ended
from tests.system.program import Program
from tests.system.program import Step

CONSUMER = '5e1f0000-0000-4000-8000-0000000000f1'
CARD = '0000:00:05.0'
GIVEN = (('assign_adapter', '5'), ('assign_adapter', '6'), ('assign_domain', '4'))
MATRIX = 'adapter 5\nadapter 6\ndomain 4\n'
REFUSED = {
    'given already': ('assign_adapter=5, assign_adapter=5', CARD),
    'there is no such domain': ('assign_domain=256', CARD),
    'the driver has no such attribute': ('assign_adapter=5', 'mtty'),
}
DEVICE = '/sys/bus/mdev/devices/*'
DEFINED = 'find /etc/mdevctl.d -mindepth 2 -type f'
RELEASE = Step(words=('device', 'release', CONSUMER, '-f', 'json'))
LIST = Step(words=('device', 'list', '--long', '-f', 'json'))
LEFT = Step(bash=f'ls -d {DEVICE}; {DEFINED}')


def conf(attributes: str, backend: str, address: str = CARD) -> Step:
    """One type with attributes, which only one device may have; and no record."""
    mdev_type = 'mttypci-1' if address == CARD else 'mtty-1'
    text = (
        f'[devices]\nenabled_mdev_types = {mdev_type}\n'
        f'[mdev_{mdev_type}]\ndevice_addresses = {address}\nmax_instances = 1\n'
        f'attributes = {attributes}\n[generic_mdev]\nbackend = {backend}\n'
    )
    return Step(
        bash=f"mkdir -p /etc/nova; rm -rf {STATE}; printf '%s' '{text}' > {CONF_FILE}"
    )


def allocate(address: str = CARD) -> Step:
    resource = f'{address}:VGPU=1'
    return Step(
        words=('device', 'allocate', '--consumer', CONSUMER, '--resource', resource,
               '-f', 'json')
    )  # fmt: skip


@pytest.mark.parametrize('backend', ['libvirt', 'sysfs'])
def test_they_are_set_in_order_and_again_after_a_recovery(
    program: Program, backend: str
) -> None:
    given = ', '.join('='.join(pair) for pair in GIVEN)
    matrix = Step(bash=f'cat {DEVICE}/matrix')
    steps = {
        'conf': conf(given, backend),
        'given': allocate(),
        'matrix': matrix,
        'xml': Step(
            # It is defined there at once, and listed only when udev has told.
            bash='uuid=$(ls /sys/bus/mdev/devices); virsh -q nodedev-dumpxml '
            '--inactive mdev_${uuid//-/_}_0000_00_05_0'
        ),
        'listed': LIST,
        'lost': Step(bash=f'echo 1 | tee {DEVICE}/remove'),
        'recovered': Step(words=('device', 'recover', '-f', 'json')),
        'matrix again': matrix,
        'released': RELEASE,
        'left': LEFT,
    }

    told = dict(zip(steps, program.series([*steps.values()]), strict=True))

    assert told['matrix'].stdout == MATRIX, told
    if backend == 'libvirt':
        pairs = re.findall("<attr name='(.*)' value='(.*)'/>", told['xml'].stdout)
        assert tuple(pairs) == GIVEN
    (row,) = told['listed'].rows
    assert row['attributes'] == given.split(', ')
    assert told['recovered'].rows == told['given'].rows == told['released'].rows
    assert told['matrix again'].stdout == MATRIX
    assert told['left'].stdout == ''


def test_what_the_driver_refuses_leaves_nothing_behind(program: Program) -> None:
    cases = list(itertools.product(REFUSED, ('libvirt', 'sysfs', 'auto')))
    steps: list[Step] = []
    for name, backend in cases:
        attributes, address = REFUSED[name]
        steps += [conf(attributes, backend, address), allocate(address), LEFT, LIST]

    ended = program.series(steps)

    for number, case in enumerate(cases):
        assert_refused(case, *ended[4 * number : 4 * number + 4])


def assert_refused(
    case: tuple[str, str], _conf: Ended, asked: Ended, left: Ended, listed: Ended
) -> None:
    assert asked.status == 1, case
    assert asked.stderr.strip(), case
    assert 'Traceback' not in asked.stderr, case
    assert (left.stdout, listed.rows) == ('', []), case
