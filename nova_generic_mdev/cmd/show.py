# SPDX-License-Identifier: Apache-2.0
"""The commands that look: they change nothing and need no privilege."""

from __future__ import annotations

import argparse
import collections
import collections.abc as cabc
import typing as ty

from cliff import lister

from nova_generic_mdev import exceptions
from nova_generic_mdev import inventory
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev import record
from nova_generic_mdev.cmd import columns
from nova_generic_mdev.cmd import context
from nova_generic_mdev.cmd import drain

Table = tuple[tuple[str, ...], cabc.Iterable[tuple[ty.Any, ...]]]


class ParentList(lister.Lister):
    """List parent devices and the mdev types that each supports."""

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """A row per parent and type."""
        run = context.of(self.app)
        snapshot, known = run.snapshot, _record_if_any(self.app)
        say_faults(self.app, snapshot.faults)
        in_use = collections.Counter(
            (known.mdevs[uuid].parent, known.mdevs[uuid].mdev_type)
            for uuid in known.claims
        )
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
            'in_use',
            'drained',
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
                in_use[parent.name, kind.id],
                drain.said(parent.name in known.drained),
            )
            for parent in snapshot.parents.values()
            for kind in parent.types.values()
        )
        return header, rows


def _record_if_any(app: ty.Any) -> record.Claims:
    """The record; of a host without one, or where it cannot be read, nothing."""
    run = context.of(app)
    try:
        return run.claims if run.has_record else record.Claims()
    except (exceptions.ClaimsError, exceptions.ConfigError) as e:
        app.stderr.write(f'warning: what is in use, or drained, is not known: {e}\n')
        return record.Claims()


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
            'in_use',
            'draining',
            'traits',
        )
        offered = inventory.compute(
            run.resolution,
            run.snapshot,
            run.claims,
            reuse_found=run.policy.reuse_found,
        )
        traits = inventory.traits(run.resolution, run.snapshot, run.claims)
        rules, held = run.resolution.rules, _held(run.claims)
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
                held[parent, resource_class].total(),
                _draining(
                    run.resolution, parent, resource_class, held[parent, resource_class]
                ),
                columns.words(traits[parent], parsed_args.formatter),
            )
            for parent, classes in offered.items()
            for resource_class, one in classes.items()
        )
        return header, rows


_Rules = cabc.Iterable[policy.TypeRule]
_Held = collections.Counter[str]


def _types(rules: _Rules, resource_class: str, held: _Held) -> str:
    """The types of a class on a parent: those enabled, and others still held."""
    enabled = [r.mdev_type for r in rules if r.resource_class == resource_class]
    return ' '.join([*enabled, *sorted(held.keys() - set(enabled))])


def _draining(
    resolution: policy.Resolution, parent: str, resource_class: str, held: _Held
) -> str:
    """Those of the types of which nothing new is given there."""
    given = resolution.rule(parent, resource_class)
    told = _types(resolution.rules.get(parent, ()), resource_class, held).split(' ')
    return ' '.join(t for t in told if given is None or t != given.mdev_type)


def _held(claims: record.Claims) -> dict[tuple[str, str], _Held]:
    """How many of each type are claimed, by parent and class."""
    found: dict[tuple[str, str], _Held] = collections.defaultdict(collections.Counter)
    for claim in claims.claims.values():
        known = claims.mdevs[claim.uuid]
        found[known.parent, claim.resource_class][known.mdev_type] += 1
    return found


def say_faults(app: ty.Any, faults: cabc.Iterable[model.Fault]) -> None:
    """What could not be read, on standard error; the rest is good."""
    for fault in faults:
        app.stderr.write(f'warning: {fault.where}: {fault.reason}\n')


def say_problems(app: ty.Any, problems: cabc.Iterable[model.Problem]) -> None:
    """What is wrong with the configuration, on standard error."""
    for problem in problems:
        app.stderr.write(f'{problem.severity}: {problem}\n')
