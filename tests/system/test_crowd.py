# SPDX-License-Identifier: Apache-2.0
"""Many processes at one moment, on a real kernel: nobody shares, nobody hangs."""

from __future__ import annotations

import json

from tests.system.program import Program

CONSUMER = '5e1f0000-0000-4000-8000-{:012x}'.format
CONF = """
[devices]
enabled_mdev_types = mdpy-vga
[mdev_mdpy-vga]
device_addresses = mdpy
"""
# Each process writes what it was given, or its status, into files of its own.
ALL_AT_ONCE = """
mkdir -p /root/crowd; cd /root/crowd; rm -f *; n=0
for consumer in {consumers}; do
    n=$((n + 1))
    {{ nova-mdev device allocate --consumer $consumer --resource mdpy:VGPU=1 -f json \\
        > $n.out 2> $n.err; echo $? > $n.status; }} &
done
wait
"""


def at_once(program: Program, consumers: list[str]) -> list[tuple[int, str, str]]:
    """Status, uuid and error of one process for each, all started together."""
    script = ALL_AT_ONCE.format(consumers=' '.join(consumers))
    program.machine.run(script, timeout=300)
    results = []
    for n in range(1, len(consumers) + 1):
        status = int(program.machine.read_text(f'/root/crowd/{n}.status'))
        told = program.machine.read_text(f'/root/crowd/{n}.out')
        uuid = json.loads(told)[0]['uuid'] if status == 0 else ''
        results.append(
            (status, uuid, program.machine.read_text(f'/root/crowd/{n}.err'))
        )
    return results


def test_more_consumers_than_devices(program: Program) -> None:
    program.configure(CONF)
    consumers = [CONSUMER(n) for n in range(6)]

    results = at_once(program, consumers)

    given = {uuid for status, uuid, _ in results if status == 0}
    assert sorted(status for status, _, _ in results) == [0, 0, 0, 0, 1, 1]
    assert given == program.live()
    assert len(given) == 4
    for status, _, error in results:
        assert status == 0 or 'mdpy_mdpy cannot give 1 of mdpy-vga: 0 left' in error
    claimed = {row['uuid']: row['consumer'] for row in program.rows('device', 'list')}
    assert len(set(claimed.values())) == 4


def test_one_consumer_several_times(program: Program) -> None:
    program.configure(CONF)

    results = at_once(program, [CONSUMER(1)] * 4)

    assert [status for status, _, _ in results] == [0] * 4
    assert {uuid for _, uuid, _ in results} == program.live()
    assert len(program.live()) == 1
