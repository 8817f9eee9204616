# SPDX-License-Identifier: Apache-2.0
"""Whether a consumer has in Placement what it is about to be given here."""

from __future__ import annotations

import argparse
import collections
import collections.abc as cabc

from nova_generic_mdev import allocation
from nova_generic_mdev import exceptions
from nova_generic_mdev import names
from nova_generic_mdev.cmd import cloud

add_arguments = cloud.add_arguments


def check(
    options: argparse.Namespace,
    requests: cabc.Iterable[allocation.Request],
    root_provider: str,
) -> None:
    """Refuse what the consumer does not hold in Placement, if that can be asked."""
    if not cloud.is_told(options):
        return
    held = cloud.client(options).holdings(options.consumer, root_provider)
    wanted: collections.Counter[tuple[str, str]] = collections.Counter()
    for request in requests:
        wanted[request.parent, request.resource_class] += request.amount
    for (parent, resource_class), amount in wanted.items():
        provider = names.provider(root_provider, parent)
        has = held.get(provider, {}).get(resource_class, 0)
        if has != amount:
            raise exceptions.RequestError(
                options.consumer,
                parent,
                resource_class,
                f'Placement says that it holds {has} of provider {provider}, '
                f'and {amount} were asked for',
            )
