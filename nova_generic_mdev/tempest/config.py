# SPDX-License-Identifier: Apache-2.0
"""The options of ``[generic_mdev]`` in ``tempest.conf``."""

from __future__ import annotations

import collections.abc as cabc

from oslo_config import cfg
from tempest.lib import exceptions

GROUP = cfg.OptGroup('generic_mdev', title='Servers with generic mediated devices')

OPTIONS: list[cfg.Opt] = [
    cfg.StrOpt(
        'resource_class',
        default='CUSTOM_MTTY',
        help="""
The resource class of the mdev type that servers get.

Where no provider has one to give, the tests are skipped.
""",
    ),
    cfg.ListOpt(
        'flavor_specs',
        default=[],
        sample_default=['trait:CUSTOM_MDEV_TYPE_MTTY_2=required'],
        help="""
More extra specs of the flavors, each ``name=value``.

The flavors are made by the tests: ``[compute] flavor_ref`` with
``resources:<resource_class>``, and these.
""",
    ),
    cfg.ListOpt(
        'traits',
        default=[],
        sample_default=['CUSTOM_MDEV_TYPE_MTTY_2'],
        help='Traits that each provider of the resource class must have.',
    ),
    cfg.StrOpt(
        'image_ref',
        help="""
An image whose guest talks to its device and says on the serial console what came
back.  Without it ``[compute] image_ref`` is used for all, and the scenario of the
console is skipped.
""",
    ),
    cfg.StrOpt(
        'console',
        default='output',
        choices=[
            ('output', "what Nova's os-getConsoleOutput gives"),
            ('websocket', 'the serial console, live; needs websocket-client'),
        ],
        help='How the serial console of a server is read.',
    ),
    cfg.StrOpt(
        'console_pattern',
        default=r"wrote '(\S+)' read '\1' ok",
        help="""
A regular expression that the console shows once data written to the device came
back.  The default is what the guest of this project's own tests says.
""",
    ),
    cfg.MultiStrOpt(
        'console_dialogue',
        default=[],
        help=r"""
What is typed before the pattern is expected: ``pattern => line``, one by one, for
example ``login: => root``.  Needs ``console = websocket``.
""",
    ),
    cfg.IntOpt(
        'console_timeout',
        default=300,
        min=1,
        help='How many seconds to wait for each pattern on the console.',
    ),
    cfg.IntOpt(
        'update_timeout',
        default=150,
        min=1,
        help="""
How many seconds Placement may take to show what changed on a host.  At least twice
``update_resources_interval`` of nova-compute, 60 seconds by default.
""",
    ),
    cfg.BoolOpt(
        'quiet_cloud',
        default=True,
        help="""
Nobody else takes devices of the resource class while the tests run, so that what
is left can be compared.  Set it to false in a cloud that is in use, and where the
tests run in several processes.
""",
    ),
]


def specs_of(lines: cabc.Iterable[str]) -> dict[str, str]:
    """The extra specs in the lines of ``flavor_specs``.

    :raises InvalidConfiguration: a line that is not ``name=value``
    """
    return dict(_pair(line, '=', 'flavor_specs') for line in lines)


def steps_of(lines: cabc.Iterable[str]) -> list[tuple[str, str]]:
    """Pattern and answer of each line of ``console_dialogue``.

    :raises InvalidConfiguration: a line that is not ``pattern => line``
    """
    return [_pair(line, '=>', 'console_dialogue') for line in lines]


def _pair(line: str, separator: str, option: str) -> tuple[str, str]:
    left, found, right = line.partition(separator)
    if not (found and left.strip()):
        raise exceptions.InvalidConfiguration(
            f'[{GROUP.name}] {option}: {line!r} has to be '
            f'something {separator} something'
        )
    return left.strip(), right.strip()
