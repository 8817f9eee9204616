# SPDX-License-Identifier: Apache-2.0
"""One machine for all tests of a session that do not need their own."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator

import pytest

with warnings.catch_warnings():
    # Those of Placement, and of the libraries that it stands on.
    warnings.simplefilter('ignore')
    from tests.functional import placement_service
from tests.system import wheel
from tests.system.machine import Machine
from tests.system.machine import NeedsMissing
from tests.system.program import Program

# libvirt's own removal where it can, since its view lags behind the kernel's;
# in one process, since each virsh takes longer to start than to work.
_REMOVE_ALL = """
import contextlib, libvirt, pathlib
connection = libvirt.open('qemu:///system')
mdevs = libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV
for one in connection.listAllDomains() + connection.listAllDevices(mdevs):
    with contextlib.suppress(libvirt.libvirtError):  # it has gone meanwhile
        if one.isPersistent():
            one.undefine()
        if one.isActive():
            one.destroy()
for device in pathlib.Path('/sys/bus/mdev/devices').iterdir():
    (device / 'remove').write_text('1')
"""
_LIBVIRT_HAS_NONE = '[ -z "$(virsh -q nodedev-list --cap mdev)" ]'


@pytest.fixture(scope='session', autouse=True)
def ended_by_signal() -> Iterator[None]:
    """Who is told to end (SIGTERM) ends the machine first, as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope='session')
def placement(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[placement_service.Service]:
    """A real Placement beside the machine."""
    state = tmp_path_factory.mktemp('placement')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        service = placement_service.Service(state)
    with service.running():
        yield service


@pytest.fixture(scope='session')
def machine(placement: placement_service.Service) -> Iterator[Machine]:
    """A machine with two PCI parents and nothing created, that reaches Placement.

    A test removes what it creates; ``clean_machine`` sees to it.
    """
    started = Machine('session', pci_parents=2, services=(placement.port,))
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
    machine.run(['/usr/bin/python3', '-c', _REMOVE_ALL], timeout=120)
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
