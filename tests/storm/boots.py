# SPDX-License-Identifier: Apache-2.0
"""The boots that a nova-compute has begun and not ended.

A process that ends takes its threads along; here all services are in one, and the
threads of a service that was stopped would go on beside its successor's, which
takes their servers for interrupted ones.
"""

import collections
import functools

import fixtures
from nova.compute import manager as managers


class Boots(fixtures.Fixture):
    """Follows every boot, from Nova's request to the end of its thread."""

    def __init__(self):
        self._under_way = collections.defaultdict(set)

    def of(self, manager):
        """The uuids of the servers that a compute manager is about to boot."""
        return frozenset(self._under_way[id(manager)])

    def _setUp(self):
        # What the first begins runs in a thread, and ends with the second.
        self._replace('build_and_run_instance', self._begun)
        self._replace('_do_build_and_run_instance', self._ended)

    def _replace(self, name, ours):
        theirs = getattr(managers.ComputeManager, name)

        # Nova's marks on the function have to stay.
        @functools.wraps(theirs)
        def follow(manager, context, instance, *args, **kwargs):
            call = functools.partial(
                theirs, manager, context, instance, *args, **kwargs
            )
            return ours(self._under_way[id(manager)], instance.uuid, call)

        self.useFixture(
            fixtures.MonkeyPatch(f'nova.compute.manager.ComputeManager.{name}', follow)
        )

    @staticmethod
    def _begun(under_way, uuid, call):
        under_way.add(uuid)
        try:
            return call()
        except Exception:
            under_way.discard(uuid)
            raise

    @staticmethod
    def _ended(under_way, uuid, call):
        try:
            return call()
        finally:
            under_way.discard(uuid)
