# SPDX-License-Identifier: Apache-2.0
"""The commands that look: they change nothing and need no privilege."""

from __future__ import annotations

import argparse
import collections
import collections.abc as cabc
import typing as ty

from cliff import command
from cliff import lister

from nova_generic_mdev import devices
from nova_generic_mdev import domain_xml
from nova_generic_mdev import exceptions
from nova_generic_mdev import inventory
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev import record
from nova_generic_mdev.cmd import columns
from nova_generic_mdev.cmd import context

Table = tuple[tuple[str, ...], cabc.Iterable[tuple[ty.Any, ...]]]


class ParentList(lister.Lister):
    """List parent devices and the mdev types that each supports."""

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """A row per parent and type."""
        snapshot = context.of(self.app).snapshot
        say_faults(self.app, snapshot.faults)
        existing = collections.Counter(
            (mdev.parent, mdev.mdev_type) for mdev in snapshot.mdevs.values()
        )
        header = (
            'parent',
            'address',
            'physical_device',
            'numa_node',
            'mdev_type',
            'name',
            'device_api',
            'available_instances',
            'existing',
        )
        rows = (
            (
                parent.name,
                columns.or_empty(parent.address),
                parent.physical_device,
                columns.or_empty(parent.numa_node),
                kind.id,
                columns.or_empty(kind.name),
                columns.or_empty(kind.device_api),
                columns.or_empty(kind.available_instances),
                existing[parent.name, kind.id],
            )
            for parent in snapshot.parents.values()
            for kind in parent.types.values()
        )
        return header, rows


class DeviceList(lister.Lister):
    """List mdevs, whose they are, and the state they are in."""

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """A row per mdev that the host or the record knows of."""
        run = context.of(self.app)
        say_faults(self.app, run.snapshot.faults)
        rows = devices.rows(_with_definitions(run), run.claims, run.guests)
        header = ('uuid', 'parent', 'mdev_type', 'origin', 'consumer', 'state')
        return header, (
            (r.uuid, r.parent, r.mdev_type, r.origin, r.consumer, r.state.value)
            for r in rows
        )


def _with_definitions(run: context.Context) -> model.HostSnapshot:
    """The live state from sysfs, the definitions from libvirt."""
    live, defined = run.snapshot, run.node_devices
    return model.HostSnapshot(
        parents=live.parents,
        mdevs=live.mdevs,
        definitions=defined.definitions if defined else {},
        faults=live.faults,
    )


class DeviceXml(command.Command):
    """Print the <hostdev> element that gives an mdev to a guest."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """One argument: which mdev."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument('uuid', metavar='UUID', help='uuid of the mdev')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """One element on standard output."""
        run = context.of(self.app)
        uuid = names.uuid(parsed_args.uuid)
        mdev = run.snapshot.mdevs.get(uuid) or run.claims.mdevs.get(uuid)
        if mdev is None:
            say_faults(self.app, run.snapshot.faults)
            raise exceptions.NotFound(
                f'mdev {uuid}', 'there is none; see "nova-mdev device list"'
            )
        device_api = devices.device_api(run.snapshot, mdev)
        rule = run.policy.rule(mdev.mdev_type or '')
        element = domain_xml.hostdev(
            uuid,
            device_api,
            display=rule.display if rule else None,
            ramfb=rule.ramfb if rule else None,
        )
        self.app.stdout.write(element + '\n')


class InventoryList(lister.Lister):
    """List what this host offers to Placement, as it would be published now."""

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """A row per parent and resource class; problems go to stderr."""
        run = context.of(self.app)
        say_problems(self.app, run.resolution.problems)
        say_faults(self.app, run.snapshot.faults)
        header = (
            'provider',
            'parent',
            'mdev_type',
            'resource_class',
            'total',
            'reserved',
            'max_unit',
            'traits',
        )
        offered = inventory.compute(
            run.resolution,
            run.snapshot,
            run.claims,
            reuse_found=run.policy.reuse_found,
        )
        traits = inventory.traits(run.resolution, run.snapshot, run.claims)
        rules, held = run.resolution.rules, _held_types(run.claims)
        rows = (
            (
                names.provider(run.root_provider, parent),
                parent,
                _types(
                    rules.get(parent, ()), resource_class, held[parent, resource_class]
                ),
                resource_class,
                one.total,
                one.reserved,
                one.max_unit,
                columns.words(traits[parent], parsed_args.formatter),
            )
            for parent, classes in offered.items()
            for resource_class, one in classes.items()
        )
        return header, rows


def _types(
    rules: cabc.Iterable[policy.TypeRule], resource_class: str, held: set[str]
) -> str:
    """The types of a class on a parent: those enabled, and others still held."""
    enabled = [r.mdev_type for r in rules if r.resource_class == resource_class]
    return ' '.join([*enabled, *sorted(held.difference(enabled))])


def _held_types(claims: record.Claims) -> dict[tuple[str, str], set[str]]:
    """The types of what is claimed, by parent and class."""
    found: dict[tuple[str, str], set[str]] = collections.defaultdict(set)
    for claim in claims.claims.values():
        known = claims.mdevs[claim.uuid]
        found[known.parent, claim.resource_class].add(known.mdev_type)
    return found


def say_faults(app: ty.Any, faults: cabc.Iterable[model.Fault]) -> None:
    """What could not be read, on standard error; the rest is good."""
    for fault in faults:
        app.stderr.write(f'warning: {fault.where}: {fault.reason}\n')


def say_problems(app: ty.Any, problems: cabc.Iterable[model.Problem]) -> None:
    """What is wrong with the configuration, on standard error."""
    for problem in problems:
        app.stderr.write(f'{problem.severity}: {problem}\n')
