# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.real``, from the tree's root, where the cloud's tests run."""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import tempfile

from benchmarks import tables
from benchmarks import timing
from tests.cloud import computes
from tests.system import machine as machines
from tests.system import wheel

_INSIDE = pathlib.Path(__file__).with_name('inside.py')
_PYTHON = '/opt/nova-generic-mdev/bin/python'
_SUBJECTS = ('in-tree', 'ours', 'ours, libvirt')
# Under emulation, on a computer that may be busy.
_PATIENCE = 900.0
_Told = dict[tuple[str, str], list[float]]
_HEADER = ('what', 'of', 'ms', 'least', 'most')


def main(arguments: list[str] | None = None) -> int:
    """Measure in a machine of its own, and tell."""
    options = _options(arguments)
    with machines.Machine(
        'benchmark', pci_parents=options.parents, built=computes.image()
    ) as machine:
        told = measure(machine, options)
    sys.stdout.write(f'{text(told, options)}\n')
    if options.docs:
        place = options.docs / 'contributor/benchmarks-real.inc'
        place.write_text(f'{text(told, options)}\n', encoding='utf-8')
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m benchmarks.real')
    parser.add_argument('--parents', type=int, default=24, help='at most 24')
    parser.add_argument('--mdevs', type=int, default=24, help='a guest has each')
    parser.add_argument('--repeats', type=int, default=5, help='runs of each')
    parser.add_argument('--docs', type=pathlib.Path, help='write the table there')
    return parser.parse_args(arguments)


def measure(machine: machines.Machine, options: argparse.Namespace) -> _Told:
    """The seconds of each run, by what was done and by whom."""
    with tempfile.TemporaryDirectory() as scratch:
        machine.install_wheel(wheel.build(pathlib.Path(scratch)))
    machine.put(_INSIDE, '/root/inside.py')
    words = [_PYTHON, '-W', 'ignore', '/root/inside.py']
    machine.run([*words, 'prepare', str(options.mdevs)], timeout=_PATIENCE)
    told: _Told = {}
    for subject in _SUBJECTS:
        run = [*words, 'measure', subject, str(options.repeats)]
        said = machine.run(run, timeout=_PATIENCE).stdout
        for what, seconds in json.loads(said.splitlines()[-1]).items():
            told[what, subject] = seconds
    return told


def text(told: _Told, options: argparse.Namespace) -> str:
    """What came of it, in a sentence and a table."""
    rows = []
    for (what, subject), seconds in sorted(told.items()):
        times = timing.Times(seconds=tuple(seconds))
        each = times.median, times.least, times.most
        rows.append((what, subject, *map(tables.milliseconds, each)))
    size = f'P={options.parents} T=2 M={options.mdevs} G={options.mdevs} E=1'
    return f'{size}, emulated.\n\n{tables.text(_HEADER, rows)}'


if __name__ == '__main__':
    sys.exit(main())
