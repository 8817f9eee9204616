# SPDX-License-Identifier: Apache-2.0
"""What users and operators do with servers, and the wait until it is done."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cloud import operators
from tests.cloud import seeing
from tests.cloud import settings
from tests.cloud.cloud import Cloud
from tests.system.guest import build

_PATIENCE = 400.0
_API = '2.96'
IMAGE = 'firmware'
_UP = 'guest: firmware up at '
# Of a flavor: extra specs. Each has the smallest guest that boots.
FLAVORS = {
    'mtty': {'resources:CUSTOM_MTTY': '1'},
    'mtty-dual': {'resources:CUSTOM_MTTY_DUAL': '1'},
    'mtty-on-pci': {
        'resources:CUSTOM_MTTY_PCI': '1',
        'trait:CUSTOM_ON_PCI': 'required',
    },
    'mtty-two': {'resources:CUSTOM_MTTY': '2'},
    'mtty-and-display': {'resources1:CUSTOM_MTTY': '1', 'resources2:VGPU': '1',
                         'group_policy': 'none'},
}  # fmt: skip


def _started(told: str) -> str:
    """When a guest last started, as its console has it."""
    return told.rpartition(_UP)[2].partition('\n')[0] if _UP in told else ''


class Hands:
    """An operator's hands, and those of users.

    :param cloud: theirs.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.api = cloud.client(settings.ADMIN)
        self.placement = operators.Placement(cloud.place)
        #: of servers: the mdevs that were seen to be theirs
        self._seen: dict[str, set[str]] = {}

    # ---- prepare ----

    def upload(self, directory: Path) -> None:
        """Give Glance the guest's disk, and Nova the flavors, once."""
        if not self.api.image.find_image(IMAGE):
            self.api.create_image(
                IMAGE,
                filename=str(build.build_disk(directory)),
                disk_format='raw',
                container_format='bare',
                visibility='public',
                # It does not listen to the power button.
                os_shutdown_timeout='2',
                wait=True,
            )
        known = {flavor.name for flavor in self.api.compute.flavors()}
        for name, specs in FLAVORS.items():
            if name not in known:
                flavor = self.api.compute.create_flavor(
                    name=name, ram=64, vcpus=1, disk=1
                )
                self.api.compute.create_flavor_extra_specs(flavor, specs)

    # ---- do ----

    def boot(self, flavor: str, host: str | None = None) -> str:
        """A new server, once it is active; returns its uuid."""
        where = {'host': host} if host else {}
        server = self.api.compute.create_server(
            name=f'{flavor}-{int(time.time())}',
            flavor_id=self.api.compute.find_flavor(flavor).id,
            image_id=self.api.image.find_image(IMAGE).id,
            networks='none',
            **where,
        )
        self.until(server.id, 'ACTIVE')
        return str(server.id)

    def delete(self, server: str) -> None:
        """Delete a server, and wait until Nova has forgotten it."""
        self.api.compute.delete_server(server, ignore_missing=True)
        self.wait('the server is gone', lambda: self._is_gone(server))

    def act(self, server: str, **action: Any) -> None:
        """One action of the API, as it is named there."""
        path = f'/servers/{server}/action'
        answer = self.api.compute.post(path, json=action, microversion=_API)
        assert answer.ok, f'{action}: {answer.text}'

    def until(self, server: str, status: str) -> None:
        """Wait for a server's status; an error ends the wait."""

        def probe() -> bool:
            one = self.show(server)
            if one.status == 'ERROR' != status:
                raise AssertionError(f'server {server}: {one.fault}')
            return bool(one.status == status and one.task_state is None)

        self.wait(f'{server} is {status}', probe)

    def wait(self, what: str, probe: Callable[[], object]) -> None:
        """Wait until something is so.

        :raises AssertionError: it never is.
        """
        deadline = time.monotonic() + _PATIENCE
        while not probe():
            assert time.monotonic() < deadline, f'{what}: not in {_PATIENCE:g} s'
            time.sleep(1)

    def until_migrated(self, server: str) -> None:
        """Wait for the end of a server's live migration; a failure ends the wait."""

        def probe() -> bool:
            migrations = self._migrations(server)
            if not migrations:
                return False  # the API has answered before Nova began
            one = migrations[0]
            assert one['status'] not in {'error', 'failed', 'cancelled'}, one
            return bool(one['status'] == 'completed')

        self.wait(f'{server} is migrated', probe)
        self.until(server, 'ACTIVE')

    # ---- hosts ----

    def wait_until_up(self, host: str) -> None:
        """Wait until a host's nova-compute has reported since now."""
        began = self._reported(host)
        self.wait(f'{host} reports', lambda: self._reported(host) != began)

    def reboot_host(self, host: str) -> None:
        """Reboot a machine in order, and wait until Nova has it again."""
        self.cloud.hosts[host].reboot(timeout=_PATIENCE)
        self.wait_until_up(host)

    @contextlib.contextmanager
    def without(self, host: str) -> Iterator[None]:
        """In this block a machine has no power, and Nova has been told."""
        self.cloud.hosts[host].power_off()
        self._force_down(host, down=True)
        try:
            yield
        finally:
            self.cloud.hosts[host].start(timeout=_PATIENCE)
            # Nova takes it back when it has put right what was evacuated.
            self.wait_until_up(host)
            self._force_down(host, down=False)

    # ---- look ----

    def show(self, server: str) -> Any:
        """A server, as the API shows it."""
        return self.api.compute.get_server(server)

    def host(self, server: str) -> Any:
        """The machine that a server is on."""
        return self.cloud.hosts[self.show(server).compute_host]

    def console(self, server: str) -> str:
        """What the server's console shows."""
        told = self.api.compute.get_server_console_output(server)
        return str(told['output'])

    def wait_for_echo(self, server: str, ports: int, before: str = '') -> None:
        """Wait until each serial port of a server's devices has echoed.

        :param before: what the console showed before the guest was started anew.
        """

        def probe() -> bool:
            told = self.console(server)
            # Nova keeps the log through some starts and begins it anew at others.
            last = told.rpartition(_UP)[2]
            if _started(told) == _started(before) or 'guest: done' not in last:
                return False
            assert 'WRONG' not in last, last
            return last.count('guest: echo') == ports

        self.wait(f'{ports} port(s) of {server} echo', probe)

    def check(self, server: str) -> list[seeing.Device]:
        """That Placement, libvirt and the kernel agree on the server's host.

        Returns all devices that are allocated, on another host, too.
        """
        host = self.host(server)
        uuids = seeing.in_guest(host, server)
        self._seen.setdefault(server, set()).update(uuids)
        devices = seeing.allocated(self.placement, server)
        here = [one for one in devices if one[0].startswith(f'{host.name}_')]
        assert seeing.in_kernel(host, uuids) == here
        return devices

    def check_left(self, server: str, host: str) -> None:
        """That nothing of a server is on a host: no guest, none of its devices."""
        machine = self.cloud.hosts[host]
        assert server not in seeing.guests(machine)
        if server in self._seen:
            assert not self._seen[server] & seeing.mdevs(machine)

    def check_gone(self, server: str) -> None:
        """That nothing of a server is on any host, nor in Placement."""
        for host in self.cloud.hosts:
            self.check_left(server, host)
        assert seeing.allocated(self.placement, server) == []

    def held_by_migration(self, server: str) -> list[seeing.Device]:
        """The devices that a server's last migration holds where it was."""
        migration = self._migrations(server)[0]
        return seeing.allocated(self.placement, migration['uuid'])

    def _migrations(self, server: str) -> list[dict[str, Any]]:
        path = f'/os-migrations?instance_uuid={server}'
        told: list[dict[str, Any]] = self.api.compute.get(
            path, microversion=_API
        ).json()['migrations']
        return told

    def _service(self, host: str) -> Any:
        (one,) = self.api.compute.services(host=host, binary='nova-compute')
        return one

    def _reported(self, host: str) -> Any:
        return self._service(host).updated_at

    def _force_down(self, host: str, *, down: bool) -> None:
        self.api.compute.update_service_forced_down(
            self._service(host), host, 'nova-compute', down
        )

    def _is_gone(self, server: str) -> bool:
        found = self.api.compute.find_server(server, ignore_missing=True)
        assert found is None or found.status != 'ERROR', found.fault
        return found is None
