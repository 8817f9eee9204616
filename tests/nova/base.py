# SPDX-License-Identifier: Apache-2.0
"""The test case: compute services on fake hosts, and servers on them."""

import contextlib
import os
import re
import time
from unittest import mock

import fixtures
import nova.conf
from nova import context
from nova.tests.functional.api import client as api_client
from nova.tests.functional.libvirt import base
from oslo_utils import importutils

from nova_generic_mdev import claims
from tests import nova as testing
from tests.nova import asking
from tests.nova import libvirtd

CONF = nova.conf.CONF
# Some test machines are slow; one that is not polls often and never waits so long.
_PATIENCE = 60.0
_POLL = 0.05
_GIVEN_UP = 'Error updating resources for node'
IMAGE = '155d900f-4e14-4e4c-a73d-069cbf4541e6'


class TestCase(asking.Asking, base.ServersTestBase):
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
            with self._host_is(hostname):
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
        """Nova's driver asks CONF.host who it is; here it is whoever started last."""
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

    # Nova's helpers wait half a second at a time, and ten times at most.

    def _wait_for_server_parameter(self, server, expected_params, *args, **kwargs):
        wanted = expected_params.get('status')

        def there():
            now = self.admin_api.get_server(server['id'])
            right = all(now[key] == value for key, value in expected_params.items())
            has_fault = 'fault' in now or wanted != 'ERROR'
            return now if right and has_fault else None

        def hopeless():
            now = self.admin_api.get_server(server['id'])
            if now['OS-EXT-STS:task_state'] or now['status'] == server.get('status'):
                return False
            other = {'ERROR': 'ACTIVE'}.get(wanted, 'ERROR')
            return now['status'] == other and (other == 'ACTIVE' or 'fault' in now)

        self._wait(there, f'a server that is {wanted or expected_params}', hopeless)
        return self.admin_api.get_server(server['id'])

    def _wait_until_deleted(self, server):
        def gone():
            try:
                self.api.get_server(server['id'])
            except api_client.OpenStackApiNotFoundException:
                return True
            return False

        self._wait(gone, f'the end of server {server["id"]}')

    def _wait_for_migration_status(self, server, expected_statuses):
        wanted = [status.lower() for status in expected_statuses]

        def there():
            found = [m for m in self.migrations(server) if m['status'] in wanted]
            return found[0] if found else None

        return self._wait(there, f'a migration that is one of {wanted}')

    def migrations(self, server):
        """All migrations of a server, the newest first."""
        path = f'/os-migrations?instance_uuid={server["id"]}'
        return self.admin_api.api_get(path).body['migrations']

    def _wait(self, there, what, hopeless=lambda: False):
        deadline = time.monotonic() + _PATIENCE
        while not (found := there()):
            if time.monotonic() > deadline or hopeless():
                self.fail(f'waited in vain for {what}; {self._told()}')
            time.sleep(_POLL)
        return found

    def _told(self):
        """The state of every server, for a test that waits in vain."""
        servers = self.admin_api.get_servers(search_opts={'all_tenants': '1'})
        faults = [server.get('fault', {}).get('message', '') for server in servers]
        states = [server['status'] for server in servers]
        return ', '.join(
            f'there is {s}: {f}' for s, f in zip(states, faults, strict=True)
        )


def patched(path, **kwargs):
    """A mock for the length of a block, by its full name."""
    return mock.patch(path, **kwargs)
