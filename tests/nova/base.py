# SPDX-License-Identifier: Apache-2.0
"""The test case: compute services on fake hosts, and servers on them."""

import contextlib
import os
import re
from unittest import mock

import fixtures
import nova.conf
from nova import context
from nova.tests.functional.libvirt import base
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import utils as libvirt_utils
from oslo_utils import importutils

from nova_generic_mdev import claims
from tests import nova as testing
from tests.nova import asking
from tests.nova import libvirtd
from tests.nova import waiting

CONF = nova.conf.CONF
_GIVEN_UP = 'Error updating resources for node'
IMAGE = '155d900f-4e14-4e4c-a73d-069cbf4541e6'


class TestCase(waiting.Waiting, asking.Asking, base.ServersTestBase):
    """Nova's services, and one fake libvirt a compute service."""

    microversion = 'latest'
    ADMIN_API = True
    driver = testing.DRIVER

    def setUp(self):
        super().setUp()
        self.context = context.get_admin_context()
        #: by the compute host's name
        self.libvirtds = {}
        #: the resource class of each mdev type that is configured
        self.classes = {}
        for name in ('_get_instance_disk_info', 'snapshot'):
            self.useFixture(
                fixtures.MockPatch(
                    f'nova.virt.libvirt.driver.LibvirtDriver.{name}', return_value=[]
                )
            )
        # Of the image, the directory is needed: rescue keeps the guest's XML there.
        self.useFixture(
            fixtures.MockPatchObject(
                libvirt_driver.LibvirtDriver, '_create_image', _make_directory
            )
        )
        # The disks that a resize renames are not there.
        self.useFixture(fixtures.MockPatchObject(os, 'rename'))
        self.is_ours = self.driver == testing.OURS
        if self.is_ours:
            self._prepare_ours()

    def _setup_compute_service(self):
        self.flags(compute_driver=self.driver)

    def _prepare_ours(self):
        # nova-compute does so before it registers the options of the types.
        importutils.import_class(f'nova.virt.{self.driver}')
        hosts = importutils.import_module('nova_generic_mdev.adapters.nova.hosts')
        state = self.useFixture(fixtures.TempDir()).path

        def host_of(driver, conf):
            return libvirtd.Watched(driver._host.get_connection())

        def store_of(driver, conf):
            hostname = driver._host.get_connection().hostname
            return claims.ClaimStore(os.path.join(state, hostname), hostname)

        self.useFixture(fixtures.MockPatchObject(hosts, 'host_of', host_of))
        self.useFixture(fixtures.MockPatchObject(hosts, 'store_of', store_of))

    # Hosts

    def configure(self, **types):
        """Enable these mdev types, in this order, with the options of each.

        ``nvidia_11`` is nvidia-11.  What the in-tree driver does not know is left
        out when that is what is tested.
        """
        by_name = {
            name if '-' in name else name.replace('_', '-'): options
            for name, options in types.items()
        }
        self.flags(enabled_mdev_types=list(by_name), group='devices')
        nova.conf.devices.register_dynamic_opts(CONF)
        self.classes = {}
        for mdev_type, options in by_name.items():
            group = f'mdev_{mdev_type}'
            known = {k: v for k, v in options.items() if k in CONF[group]}
            self.flags(group=group, **(options if self.is_ours else known))
            self.classes[mdev_type] = options.get('mdev_class', 'VGPU')

    def start_host(self, hostname, host):
        """Start a compute service on a host, or on one that was started before.

        That nova-compute starts is a claim of every test.
        """
        if hostname not in self.libvirtds:
            self.libvirtds[hostname] = libvirtd.Libvirtd(host, hostname)
            self.libvirtds[hostname].peers = self.libvirtds
        connection = self.libvirtds[hostname]
        try:
            # Which also makes it CONF.host.
            self.start_compute(hostname, connection=connection)
        except Exception as e:  # noqa: BLE001 - whatever ends it, it did not start
            self.fail(f'nova-compute does not start: {type(e).__name__}: {e}')
        return connection

    def stop_service(self, hostname):
        """nova-compute ends; the host and its guests go on."""
        self.compute_rp_uuids.pop(hostname)
        self.computes.pop(hostname).stop()

    def restart(self, hostname, while_down=lambda: None):
        """Restart nova-compute; something may happen in between."""
        self.stop_service(hostname)
        while_down()
        self.start_host(hostname, None)

    @contextlib.contextmanager
    def _host_is(self, hostname):
        """Nova's driver asks CONF.host who it is; in one process it is the last."""
        before = CONF.host
        self.flags(host=hostname)
        try:
            yield
        finally:
            self.flags(host=before)

    def sync(self):
        """Every nova-compute updates its resources, as each does periodically."""
        self._run_periodics()

    def assert_nodes_sync(self):
        """No update of a node's resources is, or ever was, given up."""
        self.sync()
        _, _, log = self.stdlog.logger.output.partition(_GIVEN_UP)
        ends = re.findall(r'^[A-Za-z_.]+: .*', log, re.MULTILINE)
        if log:
            self.fail(f'the sync of a node was given up: {ends[:1]}')

    # Servers

    def flavor(self, **extra_specs):
        """A small flavor that asks for these; ``resources1__VGPU='1'``."""
        specs = {key.replace('__', ':'): value for key, value in extra_specs.items()}
        return self._create_flavor(
            memory_mb=64, vcpu=1, disk=1, ephemeral=0, extra_spec=specs
        )

    def boot(self, flavor, host=None, expected_state='ACTIVE', count=1):
        """Boot one server, or several in one request."""
        body = self._build_server(
            image_uuid=IMAGE, flavor_id=flavor, networks='none', host=host
        )
        if count == 1:
            server = self.admin_api.post_server({'server': body})
            return self._wait_for_state_change(server, expected_state)
        body |= {'min_count': count, 'return_reservation_id': True}
        reservation = self.admin_api.post_server({'server': body})['reservation_id']
        search = {'reservation_id': reservation}
        servers = self.admin_api.get_servers(search_opts=search)
        return [self._wait_for_state_change(s, expected_state) for s in servers]

    def confirm(self, server, source):
        """Confirm a resize; the source's host is who asks."""
        with self._host_is(source):
            return self._confirm_resize(server)


def _make_directory(self, context, instance, *args, **kwargs):
    os.makedirs(libvirt_utils.get_instance_path(instance), exist_ok=True)
    return False, False


#: mocks for the length of a block
patched = mock.patch
patched_object = mock.patch.object
