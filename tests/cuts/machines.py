# SPDX-License-Identifier: Apache-2.0
"""A machine that outlives the process that works on it."""

from __future__ import annotations

import errno
import functools
import os
import pathlib
import shutil
import sys
import typing as ty

from nova_generic_mdev import claims
from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import policy
from nova_generic_mdev.host import auto
from nova_generic_mdev.host import kernel as kernel_module
from tests.unit.host import fake_libvirt

MTTY, MDPY, PCI = 'mtty_mtty', 'mdpy_mdpy', 'pci_0000_00_05_0'
MACHINE_ID = 'm' * 32
NOBODY = 65534
# libvirt knows no mdpy.
_IN_LIBVIRT = (MTTY, PCI)
_NODE = (
    "<device><name>{}</name><path>/x</path><capability type='pci'>"
    "<capability type='mdev_types'/></capability></device>"
)


class Kernel:
    """Stands for sysfs: what the privileged helper writes, and a reader reads."""

    def __init__(self, host: fixture.FakeHost) -> None:
        self.host = host
        #: what was set, in its order, by mdev
        self.attributes: dict[str, list[tuple[str, str]]] = {}

    def snapshot(self, parents=None):
        return self.host.snapshot(parents)

    def create(self, sysname: str, mdev_type: str, uuid: str) -> None:
        there = self.host.snapshot()
        named = [p.name for p in there.parents.values() if p.sysname == sysname]
        if uuid in there.mdevs:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        try:
            self.host.place(uuid, named[0], mdev_type)
        except exceptions.CapacityError as e:
            raise OSError(e.errno, os.strerror(e.errno)) from e
        self.attributes[uuid] = []

    def set_attribute(self, uuid: str, name: str, value: str) -> None:
        self._check(uuid)
        there = self.attributes.setdefault(uuid, [])
        # As vfio-ap does: what is assigned is assigned, however often.
        if (name, value) not in there:
            there.append((name, value))

    def remove(self, uuid: str) -> None:
        self._check(uuid)
        try:
            self.host.remove(uuid)
        except exceptions.InUse as e:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY)) from e

    def _check(self, uuid: str) -> None:
        if uuid not in self.host.snapshot().mdevs:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


class Libvirt(fake_libvirt.Connection):
    """libvirt, whose mdevs have the attributes that are defined."""

    def __init__(self, kernel: Kernel) -> None:
        parents = [fake_libvirt.NodeDevice(_NODE.format(p)) for p in _IN_LIBVIRT]
        super().__init__(parents, host=kernel.host)
        self._kernel = kernel

    def start(self, device: fake_libvirt.Mdev) -> None:
        """What mdevctl does for libvirt, at a start or at a boot."""
        self._kernel.attributes[device.uuid] = list(device.attributes)

    def nodeDeviceDefineXML(self, xml, flags):  # noqa: N802
        device = super().nodeDeviceDefineXML(xml, flags)
        create = type(device).create

        def create_with_attributes(flags):
            if device not in self.devices:
                raise fake_libvirt.Error(fake_libvirt.VIR_ERR_NO_NODE_DEVICE)
            create(device, flags)
            self.start(device)
            return 0

        device.create = create_with_attributes
        return device


class Machine:
    """A host with mtty, mdpy and a PCI parent, its libvirt, and its state path.

    :param top: a directory of its own
    """

    def __init__(self, top: pathlib.Path, backend: auto.Backend) -> None:
        self.kernel = Kernel(
            fixture.together(
                fixture.mtty(ports=8), fixture.mdpy(), fixture.pci_mtty(1, ports=8)
            )
        )
        self.libvirt = Libvirt(self.kernel)
        self.backend = backend
        #: the mdevs that guests' XML names
        self.guests: set[str] = set()
        #: what is asked of others, and they have not begun with it yet
        self.late: list[functools.partial[object]] = []
        self.top = top
        if os.geteuid() == 0:
            # Root's command line works for a service that is somebody else.
            os.chown(top, NOBODY, NOBODY)

    @property
    def state_path(self) -> str:
        return str(self.top / 'state')

    def files(self) -> list[pathlib.Path]:
        return sorted(self.top.rglob('*'))

    def everything(self) -> tuple[ty.Any, ...]:
        """All that a process may have changed."""
        files = [
            (str(f.relative_to(self.top)), f.stat().st_uid, f.stat().st_mode, _told(f))
            for f in self.files()
        ]
        return files, *self._things()

    def what_counts(self) -> tuple[ty.Any, ...]:
        """Without files that only stand for something: locks, and unfinished ones."""
        record = [
            (f.name, _told(f)) for f in self.files() if f.name.startswith('claims.sql')
        ]
        return record, *self._things()

    def _things(self) -> tuple[ty.Any, ...]:
        mdevs = {u: (m.parent, m.mdev_type) for u, m in self.live.items()}
        attributes = {u: tuple(a) for u, a in self.kernel.attributes.items()}
        defined = [
            (d.name(), d.starts, d.persistent, d.inactive_xml)
            for d in self.libvirt.devices
        ]
        return mdevs, attributes, defined, [repr(asked.args) for asked in self.late]

    def not_their_owners(self) -> list[str]:
        """The files that who owns the directory cannot use."""
        owner = self.top.stat().st_uid
        # A hidden one has no name yet: nobody looks for it.
        named = [f for f in self.files() if not f.name.startswith('.')]
        strangers = [f for f in named if f.stat().st_uid != owner]
        return [f'{f} is not of the owner of the state path' for f in strangers]

    @property
    def live(self):
        return self.kernel.host.snapshot().mdevs

    @property
    def definitions(self) -> dict[str, fake_libvirt.Mdev]:
        return {d.uuid: d for d in self.libvirt.devices if d.is_mdev and d.persistent}

    @property
    def store(self) -> claims.ClaimStore:
        return claims.ClaimStore(self.state_path, MACHINE_ID)

    def elsewhere(self) -> engine.Elsewhere:
        return engine.Elsewhere(guests=self.guests, defined=set(self.definitions))

    def engine(self, rules, kernel=None, libvirt=None) -> engine.Engine:
        """What acts on it; in this process, unless it is reached otherwise."""
        there = kernel or self.kernel
        kernel_module.writes = there
        sys.modules['libvirt'] = fake_libvirt.binding(self.libvirt)
        host = auto.AutoHost(
            kernel_module.KernelHost(there), self.backend, libvirt or self.libvirt
        )
        return engine.Engine(host, self.store, policy.Policy(rules=rules), self._told)

    def _told(self) -> set[str]:
        return self.guests

    def move(self, top: pathlib.Path) -> None:
        """Go on with a copy of the files, and leave these to others."""
        _copy(self.top, top)
        self.top = top

    def reboot(self) -> None:
        """The kernel forgets all; libvirt starts what starts with the host."""
        self.late.clear()
        for uuid in self.live:
            self.kernel.host.lose_mdev(uuid)
        self.kernel.attributes.clear()
        self.libvirt.devices = [
            d for d in self.libvirt.devices if not d.is_mdev or d.persistent
        ]
        for device in self.definitions.values():
            if device.starts:
                device.create(0)

    def land(self) -> None:
        """Those who were asked get to it, long after who asked was killed."""
        while self.late:
            try:
                self.late.pop(0)()
            except (OSError, fake_libvirt.Error):
                # There is nobody any more who would hear of it.
                continue


def _name(path: pathlib.Path, top: pathlib.Path) -> str:
    # One that has none yet is called at random.
    is_named = not path.name.startswith('.')
    return str(path.relative_to(top)) if is_named else path.name.rpartition('-')[0]


def _told(path: pathlib.Path) -> bytes | int:
    # SQLite puts random numbers into its journal.
    is_told = path.is_file() and not path.name.endswith('-journal')
    return path.read_bytes() if is_told else path.stat().st_size


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for old in [source, *source.rglob('*')]:
        new = target / old.relative_to(source)
        os.chown(new, old.stat().st_uid, old.stat().st_gid)
