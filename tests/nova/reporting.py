# SPDX-License-Identifier: Apache-2.0
"""A double of Nova's client of Placement, with a small Placement behind it."""

import collections
import copy
import time

import requests
from keystoneauth1 import exceptions as ksa_exceptions
from nova.compute import provider_tree
from nova.scheduler.client import report

AWAY = ksa_exceptions.ConnectFailure('Placement is away')


class Answer:
    """What ``requests`` tells of a response."""

    def __init__(self, status_code, body=None, text=''):
        self.status_code = status_code
        self.text = text
        self._body = body

    def __bool__(self):
        return self.status_code < 400

    def json(self):
        if self._body is None:
            raise requests.exceptions.JSONDecodeError('nonsense', self.text, 0)
        return copy.deepcopy(self._body)


class Placement:
    """The part of ``SchedulerReportClient`` that the driver uses."""

    def __init__(self):
        #: by consumer, what it has of each provider: the amount by class
        self.allocations = {}
        #: by provider, what ``GET /resource_providers/{uuid}/inventories`` tells
        self.inventories = {}
        #: what is answered to anything, or raised, in the place of what is right
        self.trouble = None
        #: called before the next requests are served, each once
        self.meanwhile = collections.deque()
        #: every call of the driver's, and of Nova's beside it
        self.calls = []
        self.tree = provider_tree.ProviderTree()
        # Nova's own, of the same meaning.
        self._association_refresh_time = {}

    def has_read(self, provider):
        """Nova has just read what the provider has, and trusts that for a while."""
        self._association_refresh_time[provider] = time.time()

    def reads_again(self, provider):
        """Whether Nova's next update reads what the provider has."""
        stale = report.SchedulerReportClient._associations_stale
        return bool(stale(self, provider))

    # Nova's methods

    def get_allocs_for_consumer(self, context, consumer):
        self._called('allocations of', consumer)
        held = self.allocations.get(consumer, {})
        told = {uuid: {'resources': dict(r)} for uuid, r in held.items()}
        return self._told({'allocations': told})

    def get_allocations_for_consumer(self, context, consumer):
        """Nova's older one, which says nothing of what went wrong."""
        try:
            return self.get_allocs_for_consumer(context, consumer)['allocations']
        except (ksa_exceptions.ClientException, LookupError, TypeError):
            return {}

    def get_allocations_for_resource_provider(self, context, provider):
        self._called('allocations on', provider)
        told = {
            consumer: {'resources': dict(held[provider])}
            for consumer, held in self.allocations.items()
            if provider in held
        }
        return self._told(report.ProviderAllocInfo(allocations=told))

    def get_provider_tree_and_ensure_root(self, context, uuid, *, name=None):
        self._called('tree of', name)
        return self._told(copy.deepcopy(self.tree))

    def get(self, url, version=None):
        self._called('GET', url, version)
        provider = url.split('/')[2]
        there = self.inventories.get(provider)
        return self._told(Answer(404) if there is None else Answer(200, there))

    def put(self, url, data, version=None):
        self._called('PUT', url, version)
        if self.trouble is not None:
            return self._told(None)
        there = self.inventories[url.split('/')[2]]
        generation = 'resource_provider_generation'
        if data[generation] != there[generation]:
            return self._told(Answer(409, text='placement.concurrent_update'))
        there['inventories'] = copy.deepcopy(data['inventories'])
        there[generation] += 1
        return self._told(Answer(200, there))

    def _called(self, *call):
        self.calls.append(call)
        if self.meanwhile:
            self.meanwhile.popleft()()

    def _told(self, right):
        if isinstance(self.trouble, Exception):
            raise self.trouble
        return right if self.trouble is None else self.trouble
