# SPDX-License-Identifier: Apache-2.0
"""The commands that act: they change the host and the record."""

from __future__ import annotations

import argparse
import collections.abc as cabc
import re
import typing as ty

from cliff import lister

from nova_generic_mdev import addresses
from nova_generic_mdev import allocation
from nova_generic_mdev import engine
from nova_generic_mdev import exceptions
from nova_generic_mdev import names
from nova_generic_mdev import record
from nova_generic_mdev.cmd import context

# Nine digits hold more than any host has.
_AMOUNT = re.compile(r'0*[1-9][0-9]{0,8}', re.ASCII)
_HEADER = ('uuid', 'parent', 'mdev_type', 'origin')
Table = tuple[tuple[str, ...], cabc.Iterable[tuple[str, ...]]]


def engine_of(run: context.Context, *, deciding: bool = True) -> engine.Engine:
    """What acts on this machine.

    :param deciding: the configuration is needed, so it must not be wrong
    :raises ConfigError: it is
    :raises HostError: another host's tree was named, or we have no privilege
    """
    # What acts loads libraries that are a third of the start-up.
    from nova_generic_mdev.host import auto
    from nova_generic_mdev.host import kernel

    if not run.is_this_machine:
        raise exceptions.HostError(
            run.options.sysfs,
            "only this machine's sysfs can be acted on; leave out --sysfs",
        )
    start_helper(run)
    if deciding:
        fatal = [problem for problem in run.resolution.problems if problem.fatal]
        if fatal:
            raise exceptions.ConfigError(fatal)
    backend = auto.Backend(run.backend)
    host = auto.AutoHost(kernel.KernelHost(run.reader), backend, run.libvirt_uri)
    return engine.Engine(host, run.store, run.policy, lambda: run.guests)


def start_helper(run: context.Context) -> None:
    """Start what writes to sysfs, as the configuration says; libvirt needs none.

    :raises HostError: it cannot be started
    """
    from nova_generic_mdev import privileged
    from nova_generic_mdev.host import auto

    if run.backend == auto.Backend.LIBVIRT:
        return
    if not run.defaults_only:
        privileged.configure(run.conf_arguments)
    privileged.start()


def bookkeeper_of(run: context.Context) -> engine.Engine:
    """What changes the record of this machine, and nothing on it: no privilege.

    :raises HostError: another host's tree was named
    """
    from nova_generic_mdev.host import auto
    from nova_generic_mdev.host import kernel

    if not run.is_this_machine:
        raise exceptions.HostError(
            run.options.sysfs,
            "only this machine's record can be changed; leave out --sysfs",
        )
    host = auto.AutoHost(kernel.KernelHost(run.reader))
    return engine.Engine(host, run.store, run.policy, lambda: run.guests)


def table(given: cabc.Iterable[engine.Device]) -> Table:
    """A row per mdev."""
    return _HEADER, ((d.uuid, d.parent, d.mdev_type, d.origin.value) for d in given)


def _allocations() -> ty.Any:
    # What speaks to Placement takes longer to load than all the rest.
    from nova_generic_mdev.cmd import allocations

    return allocations


class DeviceAllocate(lister.Lister):
    """Give a consumer mdevs: idle ones, else new ones."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Who gets what."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            '--consumer', metavar='UUID', required=True, help='whose they will be'
        )
        parser.add_argument(
            '--resource',
            metavar='PARENT:CLASS=N',
            action='append',
            required=True,
            help='so many of a resource class on a parent device, which is named '
            'in any form that device_addresses takes; may be repeated',
        )
        parser.add_argument(
            '--in-placement',
            action='store_true',
            help='the consumer has an allocation for it in Placement, so that it '
            'counts as used there; otherwise it is taken out of the inventory. '
            'It is checked where Placement can be asked, by the options or '
            'environment of "inventory publish"',
        )
        argv = getattr(self.app, 'argv', [])
        if '--in-placement' in argv:
            _allocations().add_arguments(parser, argv)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """A row per mdev that the consumer now has."""
        run = context.of(self.app)
        acting = engine_of(run)
        requests = [_request(text, run) for text in parsed_args.resource]
        owner = record.Owner.CLI
        if parsed_args.in_placement:
            owner = record.Owner.PLACEMENT
            _allocations().check(parsed_args, requests, run.root_provider)
        return table(acting.allocate(parsed_args.consumer, requests, owner))


class DeviceRelease(lister.Lister):
    """Take all mdevs from a consumer, and remove those that we created."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """From whom."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument('consumer', metavar='CONSUMER', help='uuid of the consumer')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """A row per mdev that was released; none is no error."""
        released = engine_of(context.of(self.app)).release(parsed_args.consumer)
        if not released:
            self.app.stderr.write(f'{parsed_args.consumer} held nothing\n')
        return table(released)


def _request(text: str, run: context.Context) -> allocation.Request:
    """One ``PARENT:CLASS=N``, split at the last ``:``."""
    address, _, rest = text.rpartition(':')
    mdev_class, _, amount = rest.partition('=')
    if not (address and mdev_class and _AMOUNT.fullmatch(amount)):
        raise exceptions.InvalidName(
            'resource', text, 'expected PARENT:CLASS=N, mtty:CUSTOM_MTTY=1 say'
        )
    found = addresses.parents_at(address, run.snapshot.parents.values())
    if len(found) != 1:
        told = f'it means {", ".join(p.name for p in found)}; name one of them'
        if not found:
            told = 'no such parent device; "nova-mdev parent list" names what is there'
        raise exceptions.NotFound(address, told)
    return allocation.Request(
        parent=found[0].name,
        resource_class=names.resource_class(mdev_class),
        amount=int(amount),
    )
