# SPDX-License-Identifier: Apache-2.0
"""Waiting for Nova: as long as it takes, and not when it is in vain."""

import time

from nova.tests.functional.api import client as api_client

# Some test machines are slow; on one that is not, nobody waits so long.
_PATIENCE = 60.0
_POLL = 0.05


class Waiting:
    """In the place of Nova's own helpers.

    They wait half a second at a time, and ten times at most.
    """

    def _wait_for_server_parameter(self, server, expected_params, *args, **kwargs):
        wanted = expected_params.get('status')
        # A look costs Nova's API more than anything else here: one for each turn.
        now = server

        def there():
            nonlocal now
            now = self.admin_api.get_server(server['id'])
            right = all(now[key] == value for key, value in expected_params.items())
            has_fault = 'fault' in now or wanted != 'ERROR'
            return now if right and has_fault else None

        def hopeless():
            if now['OS-EXT-STS:task_state'] or now['status'] == server.get('status'):
                return False
            other = {'ERROR': 'ACTIVE'}.get(wanted, 'ERROR')
            return now['status'] == other and (other == 'ACTIVE' or 'fault' in now)

        return self._wait(
            there, f'a server that is {wanted or expected_params}', hopeless
        )

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

        def hopeless():
            (newest, *_) = self.migrations(server) or [{'status': ''}]
            return newest['status'] in {'completed', 'failed', 'error'} - {*wanted}

        return self._wait(there, f'a migration that is one of {wanted}', hopeless)

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
