# SPDX-License-Identifier: Apache-2.0
"""The commands that look at mdevs: they change nothing and need no privilege."""

from __future__ import annotations

import argparse
import typing as ty

from cliff import command
from cliff import lister

from nova_generic_mdev import devices
from nova_generic_mdev import domain_xml
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import record
from nova_generic_mdev.cmd import columns
from nova_generic_mdev.cmd import context
from nova_generic_mdev.cmd import show

_DEVICE = ('uuid', 'parent', 'mdev_type', 'origin', 'consumer', 'state')
_RECORDED = ('resource_class', 'owner', 'migration', 'backend', 'attributes')


class DeviceList(lister.Lister):
    """List mdevs, whose they are, and the state they are in."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """How much of each."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            '--long', action='store_true', help='all that the record tells of each'
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> show.Table:
        """A row per mdev that the host or the record knows of."""
        run = context.of(self.app)
        show.say_faults(self.app, run.snapshot.faults)
        rows = devices.rows(_with_definitions(run), run.claims, run.guests)
        header = _DEVICE + (_RECORDED if parsed_args.long else ())
        return header, (
            (r.uuid, r.parent, r.mdev_type, r.origin, r.consumer, r.state.value)
            + (
                _recorded(r.uuid, run.claims, parsed_args.formatter)
                if parsed_args.long
                else ()
            )
            for r in rows
        )


def _recorded(uuid: str, claims: record.Claims, output: str) -> tuple[ty.Any, ...]:
    """What the record tells of an mdev, and of whose it is."""
    known, claim = claims.mdevs.get(uuid), claims.claims.get(uuid)
    attributes = known.attributes if known else ()
    return (
        claim.resource_class if claim else '',
        claim.owner.value if claim else '',
        columns.or_empty(claim.migration if claim else None),
        columns.or_empty(known.backend if known else None),
        columns.in_order((f'{name}={value}' for name, value in attributes), output),
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
            show.say_faults(self.app, run.snapshot.faults)
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
