# SPDX-License-Identifier: Apache-2.0
"""What tempest needs in a cloud, and the configuration that says so."""

from __future__ import annotations

import configparser
import pathlib
import tempfile
import typing as ty

from tests.system.guest import build

Settings = dict[str, dict[str, object]]

IMAGE = 'generic-mdev-guest'
FLAVORS = ('generic-mdev-one', 'generic-mdev-other')
RESOURCE_CLASS = 'CUSTOM_MTTY'
TYPE_TRAIT = 'CUSTOM_MDEV_TYPE_MTTY_1'


def settings(cloud: ty.Any) -> Settings:
    """All that tempest has to be told of a cloud.

    :param cloud: an administrator's ``openstack.connection.Connection``
    """
    image = _image(cloud)
    one, other = (_flavor(cloud, name) for name in FLAVORS)
    services = cloud.compute.services(binary='nova-compute')
    hosts = sum(service.state == 'up' for service in services)
    return {
        'auth': {'use_dynamic_credentials': True, **_administrator(cloud)},
        'identity': {
            'uri_v3': cloud.config.auth['auth_url'],
            'auth_version': 'v3',
            'region': cloud.config.region_name,
        },
        'service_available': dict.fromkeys(('cinder', 'neutron', 'swift'), False),
        'compute': {
            'image_ref': image,
            'image_ref_alt': image,
            'flavor_ref': one,
            'flavor_ref_alt': other,
            'min_compute_nodes': hosts,
            'max_microversion': 'latest',
            # The hosts are emulated.
            'build_timeout': 600,
            'build_interval': 2,
        },
        'compute-feature-enabled': {
            'config_drive': False,
            # Nova does not resize to the same host unless it is told to.
            **dict.fromkeys(('resize', 'live_migration'), hosts > 1),
            'vnc_console': False,
        },
        'placement': {'max_microversion': 'latest'},
        'validation': {'run_validation': False},
        'generic_mdev': {
            'resource_class': RESOURCE_CLASS,
            'traits': TYPE_TRAIT,
            'image_ref': image,
        },
    }


def write(path: pathlib.Path, told: Settings) -> None:
    """Add settings to a configuration file that is there."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(path)
    parser.read_dict(told)
    with path.open('w') as file:
        parser.write(file)


def _administrator(cloud: ty.Any) -> dict[str, str]:
    auth = cloud.config.auth
    domain = auth.get('user_domain_name')
    if domain is None:
        domain = cloud.identity.get_domain(auth['user_domain_id']).name
    return {
        'admin_username': auth['username'],
        'admin_password': auth['password'],
        'admin_project_name': auth['project_name'],
        'admin_domain_name': domain,
    }


def _image(cloud: ty.Any) -> str:
    """The id of the image whose guest talks to its device."""
    found = cloud.image.find_image(IMAGE)
    if found is None:
        with tempfile.TemporaryDirectory() as directory:
            disk = build.build_disk(pathlib.Path(directory))
            found = cloud.image.create_image(
                IMAGE,
                data=disk.read_bytes(),
                disk_format='raw',
                container_format='bare',
                visibility='public',
                # It does not listen to the power button.
                os_shutdown_timeout='2',
            )
    return str(found.id)


def _flavor(cloud: ty.Any, name: str) -> str:
    """The id of a small flavor that asks for no device."""
    found = cloud.compute.find_flavor(name)
    if found is None:
        found = cloud.compute.create_flavor(name=name, ram=64, vcpus=1, disk=1)
    return str(found.id)
