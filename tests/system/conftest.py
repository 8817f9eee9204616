# SPDX-License-Identifier: Apache-2.0
"""One machine for all tests of a session that do not need their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system import wheel
from tests.system.machine import Machine
from tests.system.machine import NeedsMissing
from tests.system.program import Program

# libvirt's own removal where it can, since its view lags behind the kernel's.
_REMOVE_ALL = """
for guest in $(virsh -q list --name); do virsh -q destroy $guest; done
for guest in $(virsh -q list --all --name); do virsh -q undefine $guest; done
for device in $(virsh -q nodedev-list --cap mdev); do
    virsh -q nodedev-destroy $device
done
for device in $(virsh -q nodedev-list --cap mdev --inactive); do
    virsh -q nodedev-undefine $device
done
for device in /sys/bus/mdev/devices/*; do
    [ ! -e $device ] || echo 1 > $device/remove
done
"""
_LIBVIRT_HAS_NONE = '[ -z "$(virsh -q nodedev-list --cap mdev)" ]'


@pytest.fixture(scope='session')
def machine() -> Iterator[Machine]:
    """A machine with two PCI parents and nothing created.

    A test removes what it creates; ``clean_machine`` sees to it.
    """
    started = Machine('session', pci_parents=2)
    try:
        started.start()
    except NeedsMissing as error:
        pytest.skip(f'no machine on this host: {error}')
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def clean_machine(machine: Machine) -> Iterator[Machine]:
    """The machine; afterwards no guest and no mdev is left in it."""
    yield machine
    machine.run(_REMOVE_ALL, timeout=120)
    machine.wait_for('libvirt has seen all mdevs go', _LIBVIRT_HAS_NONE, timeout=60)


@pytest.fixture(scope='session')
def installed(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The machine with this tree's nova-mdev installed in it."""
    machine.install_wheel(wheel.build(tmp_path_factory.mktemp('wheel')))
    return machine


@pytest.fixture
def program(installed: Machine, clean_machine: Machine) -> Program:
    """The installed program; afterwards no guest and no mdev is left."""
    return Program(installed)
