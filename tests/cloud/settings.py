# SPDX-License-Identifier: Apache-2.0
"""The configuration of every service: what has to be said, and no more."""

from __future__ import annotations

import configparser
import io
import shutil
import sys
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path

from tests.cloud import place as places
from tests.cloud import rabbit

Settings = Mapping[str, Mapping[str, object]]

REGION = 'RegionOne'
# What compute hosts call this computer.
INSIDE = 'services'
ADMIN, SERVICE, USER = 'admin', 'service', 'user'
PASSWORD = 'secret'  # noqa: S105 - of a cloud on loopback
# Each service's databases; Nova's second and third are cells.
DATABASES = ('keystone', 'placement', 'glance', 'nova_api', 'nova_cell0', 'nova_cell1')
# Whoever reads an allocation in a user's name needs no more than a token.
_POLICY = {'enforce_scope': False}


def text(settings: Settings) -> str:
    """The text of a configuration file."""
    parser = configparser.ConfigParser(interpolation=None, default_section='')
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_dict({s: dict(options) for s, options in settings.items()})
    written = io.StringIO()
    parser.write(written)
    return written.getvalue()


def write(place: places.Place, database: Callable[[str], str]) -> None:
    """Write all files of the services on this computer.

    :param database: SQLAlchemy's URL of a database by its name.
    """
    stock = Path(sys.prefix) / 'etc'
    files = {
        'keystone/keystone.conf': _keystone(place, database),
        'placement/placement.conf': _placement(place, database),
        'glance/glance-api.conf': _glance(place, database, stock),
        'nova/nova.conf': _nova(place, database),
    }
    for name, settings in files.items():
        path = place.path('etc', name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text(settings))
    # Nova looks for this one beside its own.
    shutil.copy(stock / 'nova/api-paste.ini', place.path('etc', 'nova'))


def credentials(auth_url: str) -> dict[str, object]:
    """How a service asks Keystone for its token."""
    return {
        'auth_type': 'password',
        'auth_url': auth_url,
        'username': SERVICE,
        'password': PASSWORD,
        'project_name': SERVICE,
        'user_domain_id': 'default',
        'project_domain_id': 'default',
        'region_name': REGION,
    }


def compute(place: places.Place, address: str) -> Settings:
    """What nova-compute is told in a machine.

    :param address: of the machine, for others like it.
    """
    ours = credentials(place.url('keystone', INSIDE))
    return {
        'DEFAULT': {
            'compute_driver': 'generic_mdev.GenericMdevDriver',
            'transport_url': rabbit.url(place, INSIDE),
            'state_path': '/var/lib/nova',
            'log_dir': '/var/log/nova',
            'my_ip': address,
            'periodic_fuzzy_delay': 0,
            # Disks of servers are nearly empty files on a small one.
            'initial_disk_allocation_ratio': 16,
            # Tests wait for what periodic tasks do.
            'update_resources_interval': 20,
        },
        'libvirt': {
            'virt_type': 'qemu',
            'cpu_mode': 'none',
            'live_migration_scheme': 'tcp',
            # Then a guest that does not listen is rebooted the hard way.
            'wait_soft_reboot_seconds': 5,
        },
        'vnc': {'enabled': False},
        'placement': ours,
        'glance': ours,
        'neutron': ours,
        'service_user': {**ours, 'send_service_user_token': True},
        'oslo_concurrency': {'lock_path': '/var/lib/nova/locks'},
    }


def _tokens(place: places.Place) -> Settings:
    """How a service checks the tokens of those who ask it."""
    ours = credentials(place.url('keystone'))
    del ours['region_name']
    # The other interface is for compute hosts: see `catalogue`.
    return {
        'keystone_authtoken': {**ours, 'interface': 'public'},
        'oslo_policy': _POLICY,
    }


def _keystone(place: places.Place, database: Callable[[str], str]) -> Settings:
    keys = place.path('data', 'keys')
    return {
        'database': {'connection': database('keystone')},
        'fernet_tokens': {'key_repository': keys / 'fernet'},
        'fernet_receipts': {'key_repository': keys / 'fernet'},
        'credential': {'key_repository': keys / 'credential'},
        'token': {'expiration': 86400},
        'oslo_policy': _POLICY,
    }


def _placement(place: places.Place, database: Callable[[str], str]) -> Settings:
    return {
        'placement_database': {'connection': database('placement')},
        **_tokens(place),
    }


def _glance(
    place: places.Place, database: Callable[[str], str], stock: Path
) -> Settings:
    data = place.path('data', 'glance')
    return {
        'DEFAULT': {
            'enabled_backends': 'file:file',
            'enabled_import_methods': '[]',
            'worker_self_reference_url': place.url('glance'),
        },
        'database': {'connection': database('glance')},
        'paste_deploy': {
            'flavor': 'keystone',
            'config_file': stock / 'glance/glance-api-paste.ini',
        },
        'glance_store': {'default_backend': 'file'},
        'file': {'filesystem_store_datadir': data / 'images'},
        'os_glance_staging_store': {'filesystem_store_datadir': data / 'staging'},
        'os_glance_tasks_store': {'filesystem_store_datadir': data / 'tasks'},
        **_tokens(place),
    }


def _nova(place: places.Place, database: Callable[[str], str]) -> Settings:
    ours = {**credentials(place.url('keystone')), 'valid_interfaces': 'public'}
    return {
        'DEFAULT': {
            'state_path': place.path('data', 'nova'),
            'transport_url': rabbit.url(place),
            'my_ip': '127.0.0.1',
            # Else a new host is discovered up to a minute late.
            'periodic_fuzzy_delay': 0,
        },
        'api_database': {'connection': database('nova_api')},
        'database': {'connection': database('nova_cell1')},
        'conductor': {'workers': 1},
        'scheduler': {'workers': 1, 'discover_hosts_in_cells_interval': 5},
        'placement': ours,
        'glance': ours,
        'neutron': ours,
        'service_user': {**ours, 'send_service_user_token': True},
        'oslo_concurrency': {'lock_path': place.path('data', 'locks')},
        **_tokens(place),
    }
