# SPDX-License-Identifier: Apache-2.0
"""How Placement is reached: keystoneauth's options, or an address and a token."""

from __future__ import annotations

import argparse

from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import loading
from keystoneauth1 import token_endpoint
from oslo_config import cfg

from nova_generic_mdev import exceptions
from nova_generic_mdev.adapters.placement import asking
from nova_generic_mdev.adapters.placement import client

# keystoneauth waits ten minutes; Placement answers in less than a second.
_SECONDS = 60.0
# Nova's group, and what Nova takes where it says nothing.
_GROUP = 'placement'
_DEFAULTS = {
    'service_type': 'placement',
    'valid_interfaces': ['internal', 'public'],
    'timeout': _SECONDS,
}


def register_arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    """Register keystoneauth's options: of the session and of the auth plugin.

    :param argv: what will be parsed: the plugin that it names has its options
    :raises PlacementError: there is no such plugin
    """
    try:
        loading.register_auth_argparse_arguments(parser, argv, default='password')
    except ksa_exceptions.NoMatchingPlugin as e:
        raise exceptions.PlacementError(
            'Placement', f'--os-auth-type: {e}; "password" is the usual one'
        ) from e
    loading.register_session_argparse_arguments(parser)
    parser.set_defaults(timeout=_SECONDS)


def client_from(
    options: argparse.Namespace,
    url: str | None = None,
    token: str | None = None,
    *,
    region: str | None = None,
    interface: str | None = None,
) -> client.Client:
    """A client, from the options that :func:`register_arguments` registered.

    :param url: Placement's address; None: the catalog of the cloud tells
    :param token: with it no auth plugin is needed, but the address
    :raises PlacementError: not enough was said to reach it
    """
    plain = token is not None and url is not None
    auth = token_endpoint.Token(url, token) if plain else _plugin(options)
    session = loading.load_session_from_argparse_arguments(options, auth=auth)
    return client.Client(
        asking.Asker(
            adapter.Adapter(
                session,
                service_type='placement',
                interface=interface,
                region_name=region,
                endpoint_override=url,
                default_microversion=asking.MICROVERSION,
                client_name='nova-generic-mdev',
            )
        )
    )


def client_from_conf(conf: cfg.ConfigOpts) -> client.Client | None:
    """A client as ``[placement]`` of Nova's configuration says; None: it does not.

    :param conf: read already; the options of that group are registered here
    :raises PlacementError: it says not enough, or what cannot be
    """
    loading.register_auth_conf_options(conf, _GROUP)
    loading.register_session_conf_options(conf, _GROUP)
    loading.register_adapter_conf_options(conf, _GROUP, include_deprecated=False)
    for option, default in _DEFAULTS.items():
        conf.set_default(option, default, _GROUP)
    try:
        auth = loading.load_auth_from_conf_options(conf, _GROUP)
        if auth is None:
            return None
        made = loading.load_session_from_conf_options(conf, _GROUP, auth=auth)
        return client.Client(
            asking.Asker(
                loading.load_adapter_from_conf_options(
                    conf,
                    _GROUP,
                    session=made,
                    default_microversion=asking.MICROVERSION,
                    client_name='nova-generic-mdev',
                )
            )
        )
    except (cfg.Error, ksa_exceptions.ClientException, TypeError, ValueError) as e:
        raise exceptions.PlacementError(
            'Placement',
            f'[{_GROUP}] of the configuration does not say how to reach it ({e}); '
            'mend it, or give --placement-url and a token',
        ) from e


def _plugin(options: argparse.Namespace) -> object:
    try:
        return loading.load_auth_from_argparse_arguments(options)
    except ksa_exceptions.AuthPluginException as e:
        raise exceptions.PlacementError(
            'Placement',
            f'it was not said how to reach it ({e}); give --placement-url and a '
            "token, or the cloud's --os-* options or environment",
        ) from e
