# SPDX-License-Identifier: Apache-2.0
"""An engine on a host in memory, with its record: what tests of it begin with."""

from __future__ import annotations

from nova_generic_mdev import allocation
from nova_generic_mdev import claims
from nova_generic_mdev import engine
from nova_generic_mdev import fixture
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev import record
from tests.unit import scenes

MTTY = 'mtty_mtty'
ONE, TWO = 'CUSTOM_MTTY_1', 'CUSTOM_MTTY_2'
ME = scenes.CONSUMERS[0]


def class_of(mdev_type):
    return names.resource_class(mdev_type.replace('-', '_'))


def rule(mdev_type, **more):
    more.setdefault('device_addresses', ('*',))
    return policy.TypeRule(
        mdev_type=mdev_type, resource_class=class_of(mdev_type), **more
    )


def request(parent=MTTY, resource_class=ONE, amount=1):
    return allocation.Request(
        parent=parent, resource_class=resource_class, amount=amount
    )


class Bench:
    """An engine on a host, with its record."""

    def __init__(self, state_path, host=None, rules=None, reuse_found=True) -> None:
        self.host = host or fixture.mtty()
        types = sorted(
            {t for p in self.host.snapshot().parents.values() for t in p.types}
        )
        self.policy = policy.Policy(
            rules=tuple(rules or (rule(t) for t in types)), reuse_found=reuse_found
        )
        self.store = claims.ClaimStore(str(state_path), 'm' * 32)
        self.engine = engine.Engine(self.host, self.store, self.policy)
        self.engine.start()
        self.host.calls.clear()

    @property
    def live(self):
        return set(self.host.snapshot().mdevs)

    @property
    def record(self):
        return self.store.load()

    def held(self, consumer=ME):
        return [claim.uuid for claim in self.record.of(consumer)]

    def acts(self):
        """The verbs of the calls that change the host."""
        return [c.verb for c in self.host.calls if c.verb != 'snapshot']

    def is_as_if_nothing_had_happened(self):
        return not self.live and self.record == record.Claims()
