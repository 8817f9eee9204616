# SPDX-License-Identifier: Apache-2.0
"""Who may do what, and where the services are: what Keystone is told once.

Compute hosts are machines of their own and know this computer by the name
``services``: those are the internal addresses of the catalogue.
"""

from __future__ import annotations

from typing import Any

import openstack

from tests.cloud import place as places
from tests.cloud import settings

# type of service: the service here, and the path of its API
_SERVICES = {
    'identity': ('keystone', '/v3'),
    'placement': ('placement', ''),
    'image': ('glance', ''),
    'network': ('network', ''),
    'compute': ('nova', '/v2.1'),
}


def fill(place: places.Place) -> None:
    """Tell a Keystone that has just been started, and write clouds.yaml."""
    _write_clouds(place)
    # The catalogue does not say yet where Keystone itself is.
    keystone = place.url('keystone') + _SERVICES['identity'][1]
    ours = {'identity_endpoint_override': keystone}
    with connect(place, settings.ADMIN, **ours) as cloud:
        for kind, (name, path) in _SERVICES.items():
            service = cloud.identity.create_service(type=kind, name=name)
            _add_endpoint(cloud, service, 'public', place.url(name) + path)
            _add_endpoint(
                cloud, service, 'internal', place.url(name, settings.INSIDE) + path
            )
        roles = {role.name: role for role in cloud.identity.roles()}
        _add_user(cloud, settings.SERVICE, [roles['admin'], roles['service']])
        _add_user(cloud, settings.USER, [roles['member'], roles['reader']])


def connect(place: places.Place, who: str, **options: str) -> Any:
    """A client of the cloud, with the newest of each API.

    :param who: ``admin``, an operator; or ``user``, who is nobody special.
    :param options: more than clouds.yaml says.
    """
    loader = openstack.config.OpenStackConfig(
        config_files=[str(place.path('clouds.yaml'))], load_envvars=False
    )
    return openstack.connection.Connection(config=loader.get_one(cloud=who, **options))


def _write_clouds(place: places.Place) -> None:
    clouds = ''.join(
        _CLOUD.format(
            name=name,
            url=place.url('keystone'),
            password=settings.PASSWORD,
            region=settings.REGION,
        )
        for name in (settings.ADMIN, settings.USER)
    )
    place.path('clouds.yaml').write_text(f'clouds:\n{clouds}')


def _add_endpoint(cloud: Any, service: Any, interface: str, url: str) -> None:
    cloud.identity.create_endpoint(
        service_id=service.id, interface=interface, url=url, region_id=settings.REGION
    )


def _add_user(cloud: Any, name: str, roles: list[Any]) -> None:
    """A user, and a project of the same name."""
    project = cloud.identity.create_project(name=name, domain_id='default')
    user = cloud.identity.create_user(
        name=name, password=settings.PASSWORD, domain_id='default',
        default_project_id=project.id,
    )  # fmt: skip
    for role in roles:
        cloud.identity.assign_project_role_to_user(project, user, role)


_CLOUD = """\
  {name}:
    auth:
      auth_url: {url}/v3
      username: {name}
      password: {password}
      project_name: {name}
      user_domain_id: default
      project_domain_id: default
    region_name: {region}
    interface: public
    identity_api_version: 3
    compute_api_version: '2.96'
    placement_api_version: '1.39'
"""
