# SPDX-License-Identifier: Apache-2.0
"""Asks the four witnesses of an audit; one that does not answer is left out."""

from __future__ import annotations

import argparse
import collections.abc as cabc
import time
import typing as ty

from nova_generic_mdev import audit
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import policy
from nova_generic_mdev import record
from nova_generic_mdev.adapters import placement
from nova_generic_mdev.adapters.placement import witness
from nova_generic_mdev.cmd import cloud
from nova_generic_mdev.cmd import context as contextlib
from nova_generic_mdev.engine import looking
from nova_generic_mdev.host import nodedev

LIBVIRT, PLACEMENT = 'libvirt', 'placement'
# What is under way differs for a moment; see Look.twice.
AGAIN_SECONDS = 1.0
_T = ty.TypeVar('_T')
_NOTHING = model.HostSnapshot(parents={})


class Seen(ty.NamedTuple):
    """What was told in one look, and what is to be said of it."""

    told: audit.Witnesses
    found: tuple[audit.Finding, ...]


class Look:
    """Looks, as often as needed.

    :param options: of the command
    :param say: told of each witness that could not be asked, and why
    """

    def __init__(
        self,
        run: contextlib.Context,
        options: argparse.Namespace,
        say: cabc.Callable[[str], object],
    ) -> None:
        self._run = run
        self._without = frozenset(options.without or ())
        self._say = say
        self._said: set[str] = set()
        self._has_libvirt = False
        #: what could not be asked in any look so far
        self.unseen: set[str] = set()
        #: None where it was not said how to reach Placement
        self.client = self._client(options)

    def _client(self, options: argparse.Namespace) -> placement.Client | None:
        if PLACEMENT in self._without:
            return None
        return self._ask(
            PLACEMENT, lambda: cloud.client_if_told(options, self._run.conf)
        )

    def twice(self) -> Seen:
        """What differs now and did so a moment ago: the rest was under way.

        :raises MdevError: what was told cannot be held against each other
        """
        first = self.once()
        if all(one.severity is audit.Severity.INFO for one in first.found):
            return first
        time.sleep(AGAIN_SECONDS)
        again = self.once()
        lasting = {key_of(one) for one in first.found}
        found = (one for one in again.found if key_of(one) in lasting)
        return Seen(told=again.told, found=tuple(found))

    def once(self) -> Seen:
        """One look.

        :raises MdevError: what was told cannot be held against each other
        """
        told = self.witnesses()
        return Seen(told=told, found=audit.audit(told))

    def witnesses(self) -> audit.Witnesses:
        """What each of them tells now.

        libvirt first: what was begun later is then told by the record too.
        """
        libvirt = self.libvirt()
        self._has_libvirt = libvirt is not None
        claims, snapshot = self._claims_and_sysfs(libvirt)
        published = self._published() if claims is not None else {}
        return audit.Witnesses(
            policy=self._run.policy,
            claims=claims,
            sysfs=snapshot,
            libvirt=libvirt,
            placement=self._placement(claims, snapshot, published),
            published=published or {},
        )

    def libvirt(self) -> audit.Libvirt | None:
        """Its node devices and guests; None: it is not there, or not ours to ask."""
        run = self._run
        is_ours = run.is_this_machine or run.libvirt_uri is not None
        if LIBVIRT in self._without or not is_ours:
            return None
        return self._ask(LIBVIRT, self._libvirt)

    def _libvirt(self) -> audit.Libvirt:
        with nodedev.connected(self._run.libvirt_uri) as connection:
            guests = nodedev.all_guests(connection)
            devices = nodedev.NodedevReader(connection).snapshot()
        return audit.Libvirt(devices=devices, guests=guests.read, unread=guests.unread)

    def _claims_and_sysfs(
        self, libvirt: audit.Libvirt | None
    ) -> tuple[record.Claims | None, model.HostSnapshot | None]:
        """The two as they were together, or the one that can be told."""
        guests = [u for guest in libvirt.guests for u in guest.mdevs] if libvirt else []
        run = self._run
        if run.state_path is None:
            snapshot = self._ask('sysfs', run.reader.snapshot)
            return (record.all_found(snapshot) if snapshot else None), snapshot
        try:
            look = looking.look(run.reader, run.store, lambda: guests)
        except exceptions.ClaimsError as e:
            self._miss('the record', e)
            return None, self._ask('sysfs', run.reader.snapshot)
        except exceptions.HostError as e:
            self._miss('sysfs', e)
            return self._ask('the record', run.store.load), None
        return look.claims, look.snapshot

    def _published(self) -> cabc.Mapping[str, frozenset[str]] | None:
        run = self._run
        if run.state_path is None:
            return {}
        return self._ask('the record', run.store.published)

    def _placement(
        self,
        claims: record.Claims | None,
        snapshot: model.HostSnapshot | None,
        published: cabc.Mapping[str, frozenset[str]] | None,
    ) -> audit.Placement | None:
        client, run = self.client, self._run
        if client is None:
            return None
        seen, known = snapshot or _NOTHING, claims or record.Claims()
        host = placement.Host(
            policy=run.policy,
            resolution=policy.resolve(run.policy, seen.parents.values(), known.drained),
            snapshot=seen,
            claims=known,
            published=published or {},
        )
        return self._ask(PLACEMENT, lambda: self._tree(client, host))

    def _tree(self, client: placement.Client, host: placement.Host) -> audit.Placement:
        root = self._run.root_provider
        told = witness.look(client, root, host)
        is_guessed = not (self._run.options.root_provider or self._has_libvirt)
        if is_guessed and not told.tree:
            raise exceptions.NotFound(
                f'resource provider {root}',
                'Placement has none of this name, which is a guess without libvirt; '
                'name it with --root-provider',
            )
        return told

    def _ask(self, whom: str, ask: cabc.Callable[[], _T]) -> _T | None:
        try:
            return ask()
        except exceptions.MdevError as e:
            self._miss(whom, e)
            return None

    def _miss(self, whom: str, error: exceptions.MdevError) -> None:
        self.unseen.add(whom)
        text = f'{whom} could not be asked: {error}'
        if whom in (LIBVIRT, PLACEMENT):
            text += f' (--without {whom} leaves it out)'
        if text not in self._said:
            self._said.add(text)
            self._say(text)


def key_of(finding: audit.Finding) -> tuple[audit.Kind, audit.Subject]:
    """By which a finding is known again."""
    return finding.kind, finding.subject
