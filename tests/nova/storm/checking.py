# SPDX-License-Identifier: Apache-2.0
"""What is right while nothing moves."""

import collections
import contextlib
import uuid as uuidlib

from nova.tests.fixtures import libvirt as fakelibvirt

from nova_generic_mdev import exceptions


class Checking:
    """Of a test case that has a host ``one`` and its record ``store``.

    ``found`` are the mdevs that nobody claims at the end.
    """

    def check(self, servers):
        """Nobody ever shared; guests, claims and the host agree with Placement."""
        self.assertEqual([], self.one.shared, 'two guests had the same mdev')
        promised = {s.uuid: s.asks for s in servers if s.fate == 'booted'}
        self.assertEqual(promised, self._in_guests(servers))
        claims = self.store.load().claims
        claimed = collections.defaultdict(set)
        for claim in claims.values():
            claimed[claim.consumer].add(claim.uuid)
        named = {s.uuid: set(self._mdevs(s)) for s in servers if s.uuid in promised}
        self.assertEqual(named, dict(claimed), 'claims are not what guests have')
        self.assertEqual(self.found | claims.keys(), self.uuids('one'))

    def _in_guests(self, servers):
        live = self.one.look().mdevs
        return {
            server.uuid: collections.Counter(self._device(live[u]) for u in mdevs)
            for server in servers
            if (mdevs := self._mdevs(server)) is not None
        }

    def _mdevs(self, server):
        """What the server's guest has; None where it has no guest."""
        try:
            return self.one.lookupByUUIDString(server.uuid).mdevs()
        except fakelibvirt.libvirtError:
            return None

    def fits(self, server):
        """Whether the host has room for all that a server wants; now nothing moves."""
        types = {}
        for parent in self.one.look().parents.values():
            for mdev_type in parent.types.keys() & self.classes.keys():
                types[parent.name, self.classes[mdev_type]] = mdev_type
        idle = collections.Counter(
            self._device(mdev)
            for uuid, mdev in self.one.look().mdevs.items()
            if uuid not in self.one.owners
        )
        with contextlib.ExitStack() as undo:
            for device in (server.asks - idle).elements():
                uuid = str(uuidlib.uuid4())
                try:
                    self.host.place(uuid, device[0], types[device])
                except exceptions.CapacityError:
                    return False
                undo.callback(self.host.lose_mdev, uuid)
        return True
