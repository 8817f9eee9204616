# SPDX-License-Identifier: Apache-2.0
"""A driver on a described host: Nova's own, or ours, with nothing around it.

==================  ======================================  =================
driver              looks at the host through               makes mdevs by
==================  ======================================  =================
``in-tree``         the fake libvirt                        the fake libvirt
``ours``            a sysfs tree of files                   changing the tree
``ours, on disk``   the same, with a record on a disk       changing the tree
``ours, libvirt``   the fake libvirt                        the fake libvirt
==================  ======================================  =================
"""

from __future__ import annotations

import copy
import pathlib
import typing as ty
from unittest import mock

import fixtures
import nova.conf
from nova import objects
from nova.compute import provider_tree
from nova.tests import fixtures as nova_fixtures
from nova.tests.fixtures import conf as conf_fixture
from nova.virt import fake
from nova.virt.libvirt import host as nova_host
from oslo_utils import importutils

from benchmarks import hosts
from benchmarks import names
from benchmarks import records
from benchmarks import trees
from benchmarks.nova import libvirtd
from nova_generic_mdev import model
from nova_generic_mdev import node_xml
from nova_generic_mdev.host import nodedev
from nova_generic_mdev.privileged import mdev as writes

CONF = nova.conf.CONF
ROOT = 'here'
_CLASSES = {names.IN_TREE: 'libvirt.LibvirtDriver'}
_OURS = 'generic_mdev.GenericMdevDriver'


class Rig(fixtures.Fixture):  # type: ignore[misc]
    """One driver on a described host, as it is after its first update.

    :param work: an empty directory, for the tree
    :param state: where the record is made
    """

    def __init__(
        self,
        kind: str,
        described: hosts.Described,
        work: pathlib.Path,
        state: pathlib.Path | None = None,
    ) -> None:
        self.kind = kind
        self.described = described
        self._work = work
        self._state = state or work / 'state'

    def _setUp(self) -> None:
        self.useFixture(conf_fixture.ConfFixture(CONF))
        self.useFixture(nova_fixtures.LibvirtFixture())
        self.libvirt = libvirtd.Libvirtd(self.described)
        self._replace(nova_host.Host, 'get_connection', lambda _: self.libvirt)
        name = _CLASSES.get(self.kind, _OURS)
        driver_class = importutils.import_class(f'nova.virt.{name}')
        _configure(self.described)
        if self.kind != names.IN_TREE:
            self._prepare_ours()
        api = fake.FakeVirtAPI()
        # Nobody may ask Placement in an update or an allocation.
        api.reportclient = mock.Mock(spec_set=['get', 'put'])
        self.driver = driver_class(api)
        self.tree = provider_tree.ProviderTree()
        self.tree.new_root(ROOT, 'b0000000-0000-4000-8000-000000000000')
        self.update(self.tree)
        self.driver.provider_tree = self.tree
        self.providers = {
            parent: self.tree.data(f'{ROOT}_{parent}').uuid
            for parent in self.described.parents
        }
        self.libvirt.calls.clear()

    def _replace(self, owner: ty.Any, name: str, new: ty.Any) -> None:
        self.useFixture(fixtures.MockPatchObject(owner, name, new))

    def _prepare_ours(self) -> None:
        adapter = importutils.import_module('nova_generic_mdev.adapters.nova.hosts')
        self.store = records.store_of(self.described, self._state)
        self._replace(adapter, 'store_of', lambda *_: self.store)
        if self.kind != names.LIBVIRT:
            self.sysfs = trees.Tree(self.described, self._work / 'sys')
            self._replace(adapter, 'SYSFS', str(self.sysfs.root))
            self._replace(writes, 'create', self.sysfs.create)
            self._replace(writes, 'remove', self.sysfs.remove)
            CONF.set_override('backend', 'sysfs', 'generic_mdev')
        else:
            self._replace(adapter, 'host_of', lambda *_: LibvirtHost(self.libvirt))
            self.useFixture(libvirtd.Binding())

    def update(self, tree: ty.Any) -> None:
        """The part of ``update_provider_tree`` that is about mdevs."""
        self.driver._update_provider_tree_for_vgpu(tree, ROOT)

    def copied_tree(self) -> ty.Any:
        """Nova's tree, of which each update is given a copy."""
        return copy.deepcopy(self.tree)

    def allocate(self, number: int, resource_class: str = 'VGPU') -> list[str]:
        """Give a consumer one mdev, on the parent whose turn it is."""
        parents = self.described.parents
        provider = self.providers[parents[number % len(parents)]]
        allocations = {provider: {'resources': {resource_class: 1}}}
        if self.kind == names.IN_TREE:
            return list(self.driver._allocate_mdevs(allocations))
        instance = objects.Instance(
            uuid=hosts.consumer(number),
            host=ROOT,
            flavor=objects.Flavor(extra_specs={f'resources:{resource_class}': '1'}),
        )
        with self.driver._operations.under_way('spawn', instance):
            return list(self.driver._allocate_mdevs(allocations))

    def start_guest(self, uuid: str) -> None:
        """A guest is defined with an mdev, which Nova's driver knows it by."""
        if self.kind == names.IN_TREE:
            self.libvirt.give(uuid)

    def take_back(self, number: int, uuid: str) -> None:
        """Make it as it was before an allocation."""
        if self.kind == names.IN_TREE:
            self.libvirt.take_back(uuid)
        else:
            self.release(number)

    def release(self, number: int) -> None:
        """Take it back; Nova's driver has nothing for that."""
        self.driver._release(hosts.consumer(number))


class LibvirtHost:
    """Our Host on the fake libvirt alone."""

    def __init__(self, libvirt: libvirtd.Libvirtd) -> None:
        self._libvirt = libvirt
        self._reader = nodedev.NodedevReader(libvirt)
        self.snapshot = self._reader.snapshot

    def create(
        self,
        uuid: str,
        parent: str,
        mdev_type: str,
        attributes: model.Attributes = (),
    ) -> str:
        """Make an mdev; see :class:`~nova_generic_mdev.host.Host`."""
        xml = node_xml.node_device(parent, mdev_type, uuid, attributes)
        self._libvirt.nodeDeviceCreateXML(xml, 0)
        return 'libvirt'

    def remove(
        self, uuid: str, backend: str | None = None, parent: str | None = None
    ) -> None:
        """Remove an mdev; see :class:`~nova_generic_mdev.host.Host`."""
        self._libvirt.take_back(uuid)


def _configure(described: hosts.Described) -> None:
    """Enable types, each on every parent; with one, the default of all parents."""
    CONF.set_override('enabled_mdev_types', described.enabled, 'devices')
    nova.conf.devices.register_dynamic_opts(CONF)
    for number, mdev_type in enumerate(described.enabled):
        group = f'mdev_{mdev_type}'
        CONF.set_override('mdev_class', hosts.resource_class(number), group)
        if len(described.enabled) > 1:
            addresses = [hosts.address(n) for n in range(described.size.parents)]
            CONF.set_override('device_addresses', addresses, group)
