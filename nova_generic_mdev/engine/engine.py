# SPDX-License-Identifier: Apache-2.0
"""All that can be done with the mdevs of a host; the modules beside it do it."""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import allocation
from nova_generic_mdev import claims as claimslib
from nova_generic_mdev import host as hostlib
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record
from nova_generic_mdev.engine import accelerating
from nova_generic_mdev.engine import adopting
from nova_generic_mdev.engine import allocating
from nova_generic_mdev.engine import draining
from nova_generic_mdev.engine import giving
from nova_generic_mdev.engine import keeping
from nova_generic_mdev.engine import looking
from nova_generic_mdev.engine import reconciling
from nova_generic_mdev.engine import recovering
from nova_generic_mdev.engine import releasing


class Engine:
    """Gives and takes the mdevs of one host.

    :param guests: asked at the first start and at an adoption, and in no
        allocation: the mdevs that are named in a guest's XML, or None where
        nobody can tell
    """

    def __init__(
        self,
        host: hostlib.Host,
        store: claimslib.ClaimStore,
        policy: policylib.Policy,
        guests: cabc.Callable[[], cabc.Collection[str] | None] = lambda: None,
    ) -> None:
        self._host = host
        self._store = store
        self._policy = policy
        self._guests = guests

    def start(self) -> None:
        """Make the record at the first start: what is there was ``found``.

        What a guest has that nobody told us of is its own: it stays foreign.

        :raises ClaimsError: the record cannot be made
        """
        if not self._store.exists():
            found = record.all_found(self._host.snapshot(), self._guests() or ())
            self._store.create(found)

    def look(self, parents: cabc.Collection[str] | None = None) -> looking.Look:
        """The host and the record, as they were together; see :func:`.look`."""
        return looking.look(self._host, self._store, self._guests, parents)

    def claimed(
        self,
        consumer: str,
        owners: cabc.Container[record.Owner] = frozenset(record.Owner),
    ) -> tuple[giving.Device, ...]:
        """What a consumer has, from the record alone, live or not.

        :param owners: only what was claimed through one of these
        :raises ClaimsError: the record cannot be read
        """
        consumer = names.uuid(consumer)
        known = self._store.load(record.Scope(consumer=consumer))
        return keeping.devices_of(known, consumer, owners)

    def apis(self, devices: cabc.Collection[giving.Device]) -> cabc.Mapping[str, str]:
        """The ``device_api`` of each, by uuid, from one look at their parents.

        :raises NotFound: a parent does not tell, so no guest can have the device
        :raises HostError: the host cannot be looked at
        """
        return looking.apis(self._host, devices)

    # Giving and taking

    def allocate(
        self,
        consumer: str,
        requests: cabc.Collection[allocation.Request],
        owner: record.Owner = record.Owner.PLACEMENT,
        migration: str | None = None,
    ) -> tuple[giving.Device, ...]:
        """Give a consumer all that it was promised, or nothing.

        Idempotent: what it has already is kept, what is missing is added.

        :param migration: uuid of the live migration that brings the consumer;
            new claims carry it until :meth:`arrive`
        :raises RequestError: it cannot be served here
        :raises CapacityError: there is no room, or the kernel refused
        :raises ClaimsError: the record cannot be written
        :raises HostError: the host did not do as its kernel documents
        """
        consumer = names.uuid(consumer)
        migration = None if migration is None else names.uuid(migration)
        self.start()
        return allocating.allocate(
            self._host, self._store, self._policy, consumer, requests, owner, migration
        )

    def accelerate(
        self, consumer: str, asks: cabc.Collection[accelerating.Ask]
    ) -> tuple[giving.Device, ...]:
        """Give a consumer the mdevs that its accelerator requests name, or none.

        One that is there is ``foreign`` from now on, whatever it was; another one
        is made, with that uuid, and goes when it is released, whatever the rule of
        its type says: then its uuid is ``foreign``.  Idempotent: what it has is
        kept, and made again if it is not live; what it has beyond these stays its
        own until it is released.

        :raises CapacityError: the kernel refused to make one
        :raises NotFound: a parent or a type is not there
        :raises HostError: one is there as something else, or another's
        :raises ClaimsError: the record cannot be written
        """
        consumer = names.uuid(consumer)
        self.start()
        return accelerating.accelerate(self._host, self._store, consumer, asks)

    def release(
        self, consumer: str, unless: cabc.Callable[[], bool] = lambda: False
    ) -> tuple[giving.Device, ...]:
        """Take everything from a consumer; what we created goes by its rule.

        What cannot be removed stays claimed; the others are released all the
        same.

        :param unless: asked when nobody else can give to it or take from it any
            more; if so, nothing is done
        :returns: what was released
        :raises InUse: an mdev that something still uses
        :raises HostError: an mdev that the kernel would not remove
        :raises ClaimsError: the record cannot be written
        """
        consumer = names.uuid(consumer)
        if not self._store.exists():
            return ()
        return releasing.release(
            self._host, self._store, self._policy, consumer, unless
        )

    # What happens to a guest

    def rekey(
        self, consumer: str, to: str, unless: cabc.Callable[[], bool] = lambda: False
    ) -> tuple[giving.Device, ...]:
        """Make a consumer's claims another's, as Placement did its allocation.

        Only those of Placement: an accelerator's stays with the server.  No mdev
        is touched.  Idempotent: once done there is nothing left to do.  The other
        one keeps what it has: a claim is of one mdev, so nothing is lost or shared
        when both are one consumer's, and one release takes all of it.

        :param unless: as for :meth:`release`, of both
        :returns: all that the other one has from Placement now
        :raises ClaimsError: the record cannot be written
        """
        consumer, to = names.uuid(consumer), names.uuid(to)
        if not self._store.exists():
            return ()
        return keeping.rekey(self._store, consumer, to, unless)

    def arrive(self, consumer: str) -> None:
        """A live migration has brought the consumer: its claims are plain ones.

        :raises ClaimsError: the record cannot be written
        """
        consumer = names.uuid(consumer)
        if self._store.exists():
            keeping.arrive(self._store, consumer)

    def restore(self, consumer: str) -> tuple[giving.Device, ...]:
        """Make again what a consumer has and is not live, each as it was.

        What was begun and never finished is finished.  What can be made is made,
        also where another one cannot.

        :returns: what was made again
        :raises CapacityError: the kernel refused one
        :raises NotFound: a parent is not there
        :raises HostError: one is there as something else
        :raises ClaimsError: the record cannot be used
        """
        return recovering.restore(self._host, self._store, names.uuid(consumer))

    def adopt(
        self,
        consumer: str,
        classes: cabc.Mapping[str, str],
        seen: model.HostSnapshot | None = None,
        unless: cabc.Callable[[], bool] = lambda: False,
    ) -> tuple[giving.Device, ...]:
        """Make what a guest's XML names its consumer's, all of it or nothing.

        One that nobody knew was ``found``.  One that is known and is not live is
        claimed too: :meth:`restore` brings it back.  What is its own stays as it
        is, and then the host is not looked at.  An accelerator's becomes that.

        :param classes: the resource class of each, by the mdev's uuid
        :param seen: a look at all of the host, where many are adopted in a row
        :param unless: as for :meth:`release`
        :raises NotFound: one is neither known nor there, so its type is unknown
        :raises HostError: one is another consumer's
        :raises ClaimsError: the record cannot be written
        """
        consumer = names.uuid(consumer)
        self.start()
        return keeping.adopt(self._host, self._store, consumer, classes, seen, unless)

    # What happens to the host

    def recover(self) -> recovering.Recovery:
        """Bring back each claimed mdev that is not live; see :func:`.recover`."""
        return recovering.recover(self._host, self._store)

    def reconcile(
        self,
        elsewhere: reconciling.Elsewhere | None,
        only: cabc.Container[str] | None = None,
        *,
        once_more: bool = False,
    ) -> tuple[giving.Device, ...]:
        """Take back what a crash left; see :func:`.reconcile`."""
        on = self._host, self._store, self._policy
        return reconciling.reconcile(*on, elsewhere, only, once_more=once_more)

    def set_origin(
        self, uuids: cabc.Collection[str] | None, origin: record.Origin
    ) -> tuple[giving.Device, ...]:
        """Say whether we made some mdevs, or all; see :func:`.set_origin`."""
        self.start()
        guests = self._guests() or ()
        return adopting.set_origin(self._host, self._store, uuids, origin, guests)

    def set_drained(self, parent: str, *, drained: bool) -> draining.Drained:
        """Let a parent run empty, or no more; see :func:`.set_drained`."""
        self.start()
        return draining.set_drained(self._host, self._store, parent, drained=drained)
