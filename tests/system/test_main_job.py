# SPDX-License-Identifier: Apache-2.0
"""The main job through the installed program, on a real kernel with libvirt."""

from __future__ import annotations

import pytest

from tests.system.program import Program
from tests.system.test_effects import defined
from tests.system.test_machine import TYPES

CONSUMER = '5e1f0000-0000-4000-8000-00000000000a'
OTHER = '5e1f0000-0000-4000-8000-00000000000b'
CONF = """
[devices]
enabled_mdev_types = mtty-2
[mdev_mtty-2]
mdev_class = mtty
"""


def inventory(program: Program) -> dict[str, tuple[int, int]]:
    """Total and reserved by resource class."""
    rows = program.rows('inventory', 'list')
    return {r['resource_class']: (r['total'], r['reserved']) for r in rows}


def test_from_configuration_to_a_guest_that_talks_to_its_device(
    program: Program,
) -> None:
    program.configure(CONF)

    assert program.rows('config', 'check') == []
    (offered,) = program.rows('inventory', 'list')
    assert offered['provider'].endswith('_mtty_mtty')
    assert (offered['resource_class'], offered['total']) == ('CUSTOM_MTTY', 12)
    assert 'CUSTOM_MDEV_TYPE_MTTY_2' in offered['traits']

    (given,) = program.allocate(CONSUMER, 'mtty:CUSTOM_MTTY=1')
    assert (given['parent'], given['origin']) == ('mtty_mtty', 'created')
    assert program.live() == {given['uuid']}
    assert (program.left('mtty', 'mtty-1'), program.left('mtty', 'mtty-2')) == (22, 11)
    assert program.allocate(CONSUMER, 'mtty:CUSTOM_MTTY=1') == [given]
    assert program.live() == {given['uuid']}
    assert inventory(program) == {'CUSTOM_MTTY': (11, 0)}

    said = program.boot('main', [given['uuid']])
    assert 'guest: pci 00:02 4348:3253' in said
    assert "wrote 'hello-0' read 'hello-0' ok" in said
    assert "wrote 'hello-1' read 'hello-1' ok" in said
    (device,) = program.rows('device', 'list')
    assert (device['consumer'], device['state']) == (CONSUMER, 'in-use')

    refused = program.run('device', 'release', CONSUMER, check=False)
    assert refused.status == 1
    assert 'in use' in refused.stderr
    assert program.live() == {given['uuid']}

    program.machine.run('virsh -q destroy main')
    assert program.rows('device', 'release', CONSUMER) == [given]
    assert program.live() == set()
    assert program.left('mtty', 'mtty-2') == 12
    assert inventory(program) == {'CUSTOM_MTTY': (12, 0)}
    assert (program.listed(), defined(program.machine)) == ([], [])


@pytest.mark.parametrize(
    ('parent', 'sysname', 'mdev_type', 'full'),
    [
        pytest.param('mdpy', 'mdpy', 'mdpy-vga', 4, id='full is EUSERS'),
        pytest.param('mbochs', 'mbochs', 'mbochs-large', 4, id='full is ENOSPC'),
        pytest.param(
            '0000:00:05.0', '0000:00:05.0', 'mttypci-2', 12, id='a PCI parent'
        ),
    ],
)
def test_each_kind_of_parent_gives_all_it_has_and_then_refuses(
    program: Program, parent: str, sysname: str, mdev_type: str, full: int
) -> None:
    program.configure(
        f'[devices]\nenabled_mdev_types = {mdev_type}\n'
        f'[mdev_{mdev_type}]\ndevice_addresses = {parent}\nmdev_class = any\n'
    )
    assert inventory(program) == {'CUSTOM_ANY': (full, 0)}

    given = program.allocate(CONSUMER, f'{parent}:any={full}')
    assert program.live() == {device['uuid'] for device in given}
    assert len(given) == full
    assert inventory(program) == {'CUSTOM_ANY': (1, 1)}

    refused = program.run(
        'device', 'allocate', '--consumer', OTHER,
        '--resource', f'{parent}:CUSTOM_ANY=1', check=False,
    )  # fmt: skip
    assert refused.status == 1
    assert f'cannot give 1 of {mdev_type}: 0 left' in refused.stderr
    assert len(program.live()) == full

    assert len(program.rows('device', 'release', CONSUMER)) == full
    assert program.left(sysname, mdev_type) == full


def test_the_parents_that_are_listed_are_those_of_sysfs(program: Program) -> None:
    rows = program.rows('parent', 'list')

    assert len(rows) == len(TYPES)
    for row in rows:
        sysname = row['address'] or row['parent'].partition('_')[2]
        name, _description = TYPES[f'{sysname}/{row["mdev_type"]}']
        assert row['name'] == name
        assert row['device_api'] == 'vfio-pci'
        left = program.left(sysname, row['mdev_type'])
        assert row['available_instances'] == left
        assert row['existing'] == 0
        assert row['physical_device'] == row['parent']
