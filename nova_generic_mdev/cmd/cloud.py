# SPDX-License-Identifier: Apache-2.0
"""The options by which a command reaches Placement."""

from __future__ import annotations

import argparse
import os
import pathlib

from oslo_config import cfg

from nova_generic_mdev import exceptions
from nova_generic_mdev.adapters import placement


def add_arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    """Add an address and a token, and the options of OpenStack's programs.

    :param argv: the command line: the auth plugin that it names has its options
    """
    plain = parser.add_argument_group('Placement')
    plain.add_argument(
        '--placement-url',
        metavar='URL',
        default=os.environ.get('OS_PLACEMENT_URL'),
        help='address of Placement (default: env OS_PLACEMENT_URL, else the '
        "cloud's catalog)",
    )
    plain.add_argument(
        '--token',
        metavar='TOKEN',
        help='token for --placement-url (default: env OS_TOKEN); other users can '
        'read it in the list of processes, so rather use the environment or a file',
    )
    plain.add_argument(
        '--token-file', metavar='PATH', help='file with the token for --placement-url'
    )
    for option, what in (('interface', 'interface'), ('region-name', 'region')):
        variable = f'OS_{option.upper().replace("-", "_")}'
        plain.add_argument(
            f'--os-{option}',
            metavar='NAME',
            default=os.environ.get(variable),
            help=f'{what} of Placement in the catalog (default: env {variable})',
        )
    placement.register_arguments(parser, argv)


def client(options: argparse.Namespace) -> placement.Client:
    """A client of the Placement that the options lead to.

    :raises PlacementError: not enough was said to reach it
    """
    return placement.client_from(
        options,
        options.placement_url,
        _token(options) if options.placement_url else None,
        region=options.os_region_name,
        interface=options.os_interface,
    )


def is_told(options: argparse.Namespace) -> bool:
    """Whether it was said how to reach Placement, in options or environment."""
    told = ('placement_url', 'os_auth_url', 'os_endpoint')
    return any(getattr(options, name, None) for name in told)


def client_if_told(
    options: argparse.Namespace, conf: cfg.ConfigOpts
) -> placement.Client | None:
    """A client of the Placement of the options, or of Nova's configuration, if any.

    :raises PlacementError: not enough was said to reach it
    """
    return client(options) if is_told(options) else placement.client_from_conf(conf)


def _token(options: argparse.Namespace) -> str | None:
    path: str | None = options.token_file
    if options.token or path is None:
        return options.token or os.environ.get('OS_TOKEN')
    try:
        return pathlib.Path(path).read_text(encoding='utf-8').strip()
    except (OSError, UnicodeDecodeError) as e:
        raise exceptions.PlacementError(
            'Placement', f'the token in {path} cannot be read: {e}'
        ) from e
