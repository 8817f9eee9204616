# SPDX-License-Identifier: Apache-2.0
"""What the driver asks of Placement, and tells it, by itself."""

from nova import context as nova_context
from nova import exception
from nova import test
from nova.scheduler.client import report

from nova_generic_mdev.adapters.nova import reportclient
from tests.nova import reporting

Answer = reporting.Answer
PROVIDER = '11111111-2222-4333-8444-000000000001'
CONSUMER = '22222222-2222-4333-8444-000000000001'
A, B = 'CUSTOM_A', 'CUSTOM_B'
URL = f'/resource_providers/{PROVIDER}/inventories'
LOG = reportclient.__name__
#: by name: what is no answer that the API documents
TROUBLES = {
    'it cannot be reached': reporting.AWAY,
    'it is away': Answer(503, text='<html>no server</html>'),
    'there is none': Answer(404),
    'not allowed': Answer(403),
    'no JSON': Answer(200, text='<html>welcome</html>'),
    'a list': Answer(200, []),
    'a number': Answer(200, 7),
    'nothing in it': Answer(200, {}),
    'no inventories': Answer(
        200, {'resource_provider_generation': 1, 'inventories': None}
    ),
    'a class that is a number': Answer(
        200, {'resource_provider_generation': 1, 'inventories': {A: 7}}
    ),
    'no generation': Answer(200, {'inventories': {A: {'total': 4}}}),
}


def inventory(total, reserved=0):
    return {'total': total, 'reserved': reserved, 'max_unit': total}


class Case(test.NoDBTestCase):
    """The driver's client of a Placement that has one provider."""

    def setUp(self):
        super().setUp()
        self.double = reporting.Placement()
        self.double.inventories[PROVIDER] = {
            'resource_provider_generation': 5,
            'inventories': {A: inventory(4), B: inventory(8)},
        }
        api = type('VirtAPI', (), {'reportclient': self.double})
        self.placement = reportclient.Placement(api)

    @property
    def has(self):
        return self.double.inventories[PROVIDER]['inventories']


class RepublishTest(Case):
    def setUp(self):
        super().setUp()
        #: what the host would say, at each look
        self.looks = [{A: inventory(4, 1)}]
        self.looked = 0

    def republish(self):
        self.placement.republish(PROVIDER, self._look)

    def _look(self):
        self.double.calls.append(('look',))
        self.looked += 1
        return self.looks[min(self.looked, len(self.looks)) - 1]

    def _calls(self):
        return [call[0] for call in self.double.calls]

    def bump(self):
        """Somebody gets an allocation, which changes the provider's generation."""
        self.double.inventories[PROVIDER]['resource_provider_generation'] += 1

    def nothing(self):
        """Nothing happens before this request."""

    def test_what_changed_is_told_and_the_rest_stays(self):
        self.republish()
        self.assertEqual({A: inventory(4, 1), B: inventory(8)}, self.has)
        # Since then an inventory may be reserved whole.
        self.assertEqual(('PUT', URL, '1.26'), self.double.calls[-1])

    def test_what_placement_says_beyond_that_does_not_count(self):
        self.has[A] |= {'allocation_ratio': 1.0, 'future': 'x'}
        self.looks = [{A: inventory(4)}]
        self.republish()
        self.assertEqual(['GET', 'look'], self._calls())

    def test_what_is_there_already_is_not_told_again(self):
        self.looks = [{A: inventory(4), B: inventory(8)}]
        self.republish()
        self.assertEqual(['GET', 'look'], self._calls())

    def test_a_class_that_placement_does_not_know_waits_for_nova(self):
        self.looks = [{A: inventory(4, 2), 'CUSTOM_NEW': inventory(1)}]
        self.republish()
        self.assertEqual({A: inventory(4, 2), B: inventory(8)}, self.has)
        self.looks = [{'CUSTOM_NEW': inventory(1)}]
        self.double.calls.clear()
        self.republish()
        self.assertEqual(['GET', 'look'], self._calls())

    def test_after_a_conflict_the_host_is_looked_at_again(self):
        self.looks = [{A: inventory(4, 1)}, {A: inventory(4, 2)}]
        self.double.meanwhile += [self.nothing, self.bump]
        self.republish()
        self.assertEqual(inventory(4, 2), self.has[A])
        self.assertEqual(['GET', 'look', 'PUT'] * 2, self._calls())

    def test_who_looked_later_and_wrote_first_is_not_overwritten(self):
        def another():
            self.double.calls.append(('look',))
            self.has[A] = inventory(4, 3)
            self.bump()
            # By now the host has what the other one told.
            self._look = lambda: {A: inventory(4, 3)}
            return {A: inventory(4, 1)}

        self._look = another
        self.republish()
        self.assertEqual(inventory(4, 3), self.has[A])

    def test_a_busy_provider_is_left_to_nova_s_next_update(self):
        self.double.meanwhile += [self.nothing, self.bump] * 10
        with self.assertLogs(LOG, 'INFO') as log:
            self.republish()
        self.assertEqual(4, self._calls().count('PUT'))
        self.assertIn('busy', log.output[-1])
        self.assertEqual(inventory(4), self.has[A])

    def test_trouble_is_said_and_not_raised(self):
        for name, trouble in TROUBLES.items():
            with self.subTest(name):
                self.double.trouble = trouble
                self.double.calls.clear()
                with self.assertLogs(LOG, 'INFO') as log:
                    self.republish()
                self.assertEqual(['GET'], self._calls())
                self.assertIn(PROVIDER, log.output[-1])

    def test_trouble_with_the_change_is_said_once(self):
        for trouble in (reporting.AWAY, Answer(503), Answer(400, text='too much')):
            with self.subTest(trouble):
                self.double.trouble = None
                self.double.calls.clear()
                self.double.meanwhile.extend(
                    [self.nothing, lambda t=trouble: setattr(self.double, 'trouble', t)]
                )
                with self.assertLogs(LOG, 'INFO') as log:
                    self.republish()
                self.assertEqual(['GET', 'look', 'PUT'], self._calls())
                self.assertIn('waits for the next update', log.output[-1])

    def test_a_host_that_cannot_be_looked_at_is_said_and_not_raised(self):
        def broken():
            raise exception.InternalError('sysfs is broken')

        with self.assertLogs(LOG, 'INFO') as log:
            self.placement.republish(PROVIDER, broken)
        self.assertIn('sysfs is broken', log.output[-1])

    def test_an_error_of_ours_is_not_hidden(self):
        def wrong():
            raise AttributeError('a misspelt word')

        self.assertRaises(AttributeError, self.placement.republish, PROVIDER, wrong)

    def test_nova_reads_what_was_changed_behind_its_back(self):
        self.flags(resource_provider_association_refresh=0, group='compute')
        self.double.has_read(PROVIDER)
        self.double.has_read('another')
        self.republish()
        self.assertTrue(self.double.reads_again(PROVIDER))
        self.assertFalse(self.double.reads_again('another'))

    def test_nova_does_not_read_again_what_is_as_it_was(self):
        self.double.has_read(PROVIDER)
        self.looks = [{A: inventory(4)}]
        self.republish()
        self.assertFalse(self.double.reads_again(PROVIDER))

    def test_a_client_that_remembers_otherwise_will_do(self):
        del self.double._association_refresh_time
        self.republish()
        self.assertEqual(inventory(4, 1), self.has[A])


class AllocationsTest(Case):
    def setUp(self):
        super().setUp()
        self.double.allocations = {
            CONSUMER: {PROVIDER: {A: 1}, 'another': {B: 1}},
            'somebody': {PROVIDER: {A: 1, B: 2}},
        }

    def of(self, consumer):
        context = nova_context.get_admin_context()
        return self.placement.allocations_of(context, consumer)

    def test_of_a_consumer(self):
        told = {
            PROVIDER: {'resources': {A: 1}},
            'another': {'resources': {B: 1}},
        }
        self.assertEqual(told, self.of(CONSUMER))
        self.assertEqual({}, self.of('nobody'))

    def test_of_a_consumer_in_trouble(self):
        failed = exception.ConsumerAllocationRetrievalFailed(
            consumer_uuid=CONSUMER, error='503'
        )
        for trouble in (reporting.AWAY, failed, {}, [], {'allocations': None}, 7):
            with self.subTest(trouble):
                self.double.trouble = trouble
                with self.assertLogs(LOG, 'WARNING') as log:
                    self.assertIsNone(self.of(CONSUMER))
                self.assertIn(CONSUMER, log.output[-1])

    def test_on_a_provider(self):
        self.assertEqual({A, B}, self.placement.allocated(PROVIDER))
        self.assertEqual({B}, self.placement.allocated('another'))
        self.assertEqual(frozenset(), self.placement.allocated('empty'))

    def test_on_a_provider_in_trouble(self):
        failed = exception.ResourceProviderAllocationRetrievalFailed(
            rp_uuid=PROVIDER, error='503'
        )
        told = report.ProviderAllocInfo
        for trouble in (
            reporting.AWAY,
            failed,
            told(allocations=None),
            told(allocations=[]),
            told(allocations={'x': None}),
            told(allocations={'x': {}}),
            told(allocations={'x': {'resources': None}}),
            {},
        ):
            with self.subTest(trouble):
                self.double.trouble = trouble
                with self.assertLogs(LOG, 'WARNING') as log:
                    self.assertIsNone(self.placement.allocated(PROVIDER))
                self.assertIn(PROVIDER, log.output[-1])


class TreeTest(Case):
    def setUp(self):
        super().setUp()
        self.stub_out('nova.virt.node.get_local_node_uuid', lambda: 'uuid of root')

    def test_the_tree_before_nova_s_first_update(self):
        self.double.tree.new_root('here', 'uuid of root')
        told = self.placement.tree('here')
        self.assertEqual(['uuid of root'], told.get_provider_uuids())
        self.assertEqual([('tree of', 'here')], self.double.calls)

    def test_without_it_a_guest_goes_elsewhere(self):
        failed = exception.ResourceProviderRetrievalFailed(uuid='x')
        # Nova's client relies on an answer where it got none.
        for trouble in (reporting.AWAY, failed, TypeError('NoneType')):
            with self.subTest(trouble):
                self.double.trouble = trouble
                self.assertRaisesRegex(
                    exception.ComputeResourcesUnavailable,
                    'Placement does not tell the providers of this host',
                    self.placement.tree,
                    'here',
                )
