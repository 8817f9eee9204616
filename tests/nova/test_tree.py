# SPDX-License-Identifier: Apache-2.0
"""Whole updates of Nova's provider tree, one after another."""

import copy

from nova import exception
from nova import objects
from nova import test
from nova.compute import provider_tree
from nova.scheduler import utils
from nova.scheduler.client import report

from nova_generic_mdev import exceptions
from nova_generic_mdev import names
from nova_generic_mdev.adapters.nova import promises
from nova_generic_mdev.adapters.nova import publishing
from tests.nova import driving
from tests.nova import reporting
from tests.unit.adapters import flavors
from tests.unit.adapters import trees

ROOT = 'host'
GPU, OTHER = 'pci_0000_84_00_0', 'pci_0000_85_00_0'
VGPU, LARGE = 'VGPU', 'CUSTOM_LARGE'
MARK = names.type_trait('nvidia-11')
#: the options of a type for the one parent
HERE = {'device_addresses': ['0000:84:00.0']}
CONSUMER = '11111111-2222-4333-8444-000000000001'


class UpdateTest(driving.Case):
    """A driver, its part of the tree, and who holds what of it."""

    root = ROOT

    def setUp(self):
        super().setUp()
        self.tree = provider_tree.ProviderTree()
        self.tree.new_root(self.root, 'uuid of root', generation=1)
        self.tree.update_inventory(self.root, {'VCPU': {'total': 8}})

    def start(self, **types):
        driver = super().start(**types)
        driver._host.get_hostname = lambda: self.root
        return driver

    def update(self, tree=None):
        """Nova asks for an update; what it says is in Placement then."""
        self.placement.calls.clear()
        tree = self.tree if tree is None else tree
        self.driver._update_provider_tree_for_vgpu(tree, self.root)

    def provider(self, parent=GPU):
        return self.tree.data(f'{self.root}_{parent}')

    def amounts(self, parent=GPU):
        """What can be used of each class."""
        return {
            c: told['total'] - told.get('reserved', 0)
            for c, told in self.provider(parent).inventory.items()
        }

    def hold(self, resource_class, parent=GPU):
        """Somebody has one of it, as Placement says."""
        held = {self.provider(parent).uuid: {resource_class: 1}}
        self.placement.allocations[CONSUMER] = held

    def assert_root_is_as_it_was(self):
        self.assertEqual({'VCPU': {'total': 8}}, self.tree.data(self.root).inventory)


class NewTest(UpdateTest):
    """What was not there, or was another's."""

    def test_each_parent_gets_a_provider(self):
        self.start(nvidia_11={'traits': ['CUSTOM_GOLD']})
        self.update()
        for parent in (GPU, OTHER):
            self.assertEqual({VGPU: 16}, self.amounts(parent))
            self.assertLessEqual(
                {MARK, 'CUSTOM_GOLD', 'OWNER_NOVA'}, self.provider(parent).traits
            )
            self.assertEqual('uuid of root', self.provider(parent).parent_uuid)
        self.assert_root_is_as_it_was()

    def test_nothing_changes_the_second_time(self):
        self.start(nvidia_11={})
        self.update()
        before = [self.tree.data(u) for u in self.tree.get_provider_uuids()]
        self.update()
        after = [self.tree.data(u) for u in self.tree.get_provider_uuids()]
        self.assertEqual(before, after)
        self.assertEqual([], self.placement.calls)

    def test_what_the_in_tree_driver_made_is_taken_over(self):
        uuid = self.tree.new_child(f'{ROOT}_{GPU}', ROOT, generation=4)
        self.tree.update_traits(uuid, {'OWNER_NOVA', 'CUSTOM_RACK_7'})
        self.tree.update_inventory(uuid, {VGPU: {'total': 16, 'max_unit': 16}})
        self.assertEqual({}, promises.parents_of(self.tree))
        self.start(nvidia_11={})
        self.update()
        self.assertEqual(uuid, self.provider().uuid)
        self.assertLessEqual({'CUSTOM_RACK_7', MARK}, self.provider().traits)
        self.assertEqual({VGPU: 16}, self.amounts())
        self.assertEqual(GPU, promises.parents_of(self.tree)[uuid])

    def test_totals_stay_where_they_were_while_types_compete(self):
        self.start(nvidia_11=HERE, nvidia_18=HERE | {'mdev_class': LARGE})
        self.update()
        self.host.place(CONSUMER, GPU, 'nvidia-11')
        self.update()
        told = self.provider().inventory[LARGE]
        self.assertEqual((4, 4), (told['total'], told['reserved']))

    def test_what_becomes_wrong_on_the_host_is_said_once(self):
        self.start(nvidia_11=HERE)
        self.host.lose_parent(GPU)
        with self.assertLogs('nova_generic_mdev', 'WARNING') as log:
            self.update()
            self.update()
        self.assertEqual(1, str(log.output).count('0000:84:00.0'))

    def test_a_root_whose_name_begins_like_ours(self):
        self.tree.new_root('host_pci', 'uuid of another')
        theirs = self.tree.new_child('host_pci_0000_84_00_0x', 'host_pci')
        self.tree.update_traits(theirs, {MARK})
        self.tree.update_inventory(theirs, {VGPU: {'total': 1}})
        self.start(nvidia_11={})
        self.update()
        self.assertEqual({VGPU: {'total': 1}}, self.tree.data(theirs).inventory)
        self.assertEqual('uuid of root', self.provider().parent_uuid)

    def test_what_is_wrong_with_our_part_holds_back_nothing_else(self):
        # Somebody has put a provider of our name elsewhere.
        elsewhere = self.tree.new_child('numa', ROOT)
        self.tree.new_child(f'{ROOT}_{GPU}', elsewhere)
        self.start(nvidia_11={})
        before = self.tree.get_provider_uuids()
        with self.assertLogs('nova_generic_mdev', 'ERROR') as log:
            self.update()
        self.assertIn(f'{ROOT}_{GPU}', log.output[0])
        self.assertEqual(before, self.tree.get_provider_uuids())
        self.assertEqual({}, self.store.published())

    def test_a_record_that_cannot_be_written_holds_back_nothing_else(self):
        self.start(nvidia_11={})
        self.replace(self.store, '_check', self._broken)
        with self.assertLogs('nova_generic_mdev', 'ERROR'):
            self.update()
        self.assertEqual(['uuid of root'], self.tree.get_provider_uuids())

    def _broken(self, connection):
        raise exceptions.ClaimsError(self.state, 'it is broken')


class CutTest(UpdateTest):
    """Names that are too long for Placement."""

    root = 'h' * 195

    def test_a_cut_name_is_found_again(self):
        self.start(nvidia_11={})
        self.update()
        name = names.provider(self.root, GPU)
        self.assertEqual(names.MAX_PROVIDER_NAME, len(name))
        uuid = self.tree.data(name).uuid
        self.assertEqual(
            GPU, promises.parents_of(self.tree, self.store.published)[uuid]
        )
        self.update()
        self.assertEqual(uuid, self.tree.data(name).uuid)
        self.assertEqual(3, len(self.tree.get_provider_uuids()))

    def test_what_is_promised_on_it_is_given(self):
        self.start(nvidia_11={})
        self.update()
        self.driver.provider_tree = self.tree
        name = names.provider(self.root, GPU)
        told = {self.tree.data(name).uuid: {'resources': {VGPU: 1}}}
        instance = self.instance(resources__VGPU='1')
        with self.driver._operations.under_way('spawn', instance):
            (uuid,) = self.driver._allocate_mdevs(told)
        self.assertEqual(GPU, self.host.snapshot().mdevs[uuid].parent)


class LessTest(UpdateTest):
    """What the operator no longer asks for goes in steps, if nobody holds any."""

    def setUp(self):
        super().setUp()
        self.ask_for_all()
        self.update()
        self.assertEqual({VGPU: 16, LARGE: 4}, self.amounts())

    def ask_for_all(self):
        self.start(nvidia_11=HERE, nvidia_18=HERE | {'mdev_class': LARGE})

    def ask_for_a_class_less(self):
        self.start(nvidia_11=HERE)

    def ask_for_another_parent(self):
        self.start(nvidia_11={'device_addresses': ['0000:85:00.0']})

    def asked_about(self):
        """The providers whose allocations were asked for."""
        return [call[1] for call in self.placement.calls]

    def test_a_class_is_closed_first_and_dropped_when_nobody_holds_any(self):
        self.ask_for_a_class_less()
        uuid = self.provider().uuid
        self.update()
        self.assertEqual({VGPU: 16, LARGE: 0}, self.amounts())
        self.assertEqual([], self.asked_about(), 'somebody may still come')
        self.update()
        self.assertEqual([uuid], self.asked_about())
        self.assertEqual({VGPU: 16}, self.amounts())
        self.assertEqual(uuid, self.provider().uuid)

    def test_a_class_that_somebody_holds_stays_closed(self):
        self.ask_for_a_class_less()
        self.hold(LARGE)
        for _ in range(3):
            self.update()
            self.assertEqual({VGPU: 16, LARGE: 0}, self.amounts())
        self.placement.allocations.clear()
        self.update()
        self.assertEqual({VGPU: 16}, self.amounts())

    def test_what_is_held_of_another_class_does_not_matter(self):
        self.ask_for_a_class_less()
        self.hold(VGPU)
        self.update()
        self.update()
        self.assertEqual({VGPU: 16}, self.amounts())

    def test_a_doubt_keeps_it(self):
        self.ask_for_a_class_less()
        for trouble in (
            reporting.AWAY,
            exception.ResourceProviderAllocationRetrievalFailed(rp_uuid='x', error='x'),
            report.ProviderAllocInfo(allocations=None),
            report.ProviderAllocInfo(allocations={'x': {}}),
        ):
            self.placement.trouble = trouble
            self.update()
            self.assertEqual({VGPU: 16, LARGE: 0}, self.amounts())
        self.assertEqual([self.provider().uuid], self.asked_about())
        self.placement.trouble = None
        self.update()
        self.assertEqual({VGPU: 16}, self.amounts())

    def test_a_class_that_is_asked_for_again_is_open_again(self):
        self.ask_for_a_class_less()
        self.update()
        self.ask_for_all()
        self.update()
        self.assertEqual({VGPU: 16, LARGE: 4}, self.amounts())

    def test_a_provider_goes_after_its_classes(self):
        self.ask_for_another_parent()
        self.update()
        self.assertEqual({VGPU: 0, LARGE: 0}, self.amounts())
        self.assertEqual({VGPU: 16}, self.amounts(OTHER))
        self.update()
        self.assertEqual({}, self.amounts())
        self.assertIn(MARK, self.provider().traits, 'by that we know that it is ours')
        self.update()
        self.assertFalse(self.tree.exists(f'{ROOT}_{GPU}'))
        self.assertEqual({VGPU: 16}, self.amounts(OTHER))
        self.update()
        self.assertEqual({OTHER}, set(self.store.published()))

    def test_a_provider_that_somebody_has_put_one_below_stays(self):
        self.ask_for_another_parent()
        self.tree.new_child('theirs', f'{ROOT}_{GPU}')
        for _ in range(4):
            self.update()
        self.assertEqual({}, self.amounts())

    def test_a_provider_of_which_somebody_holds_any_stays(self):
        self.ask_for_another_parent()
        self.hold(LARGE)
        for _ in range(4):
            self.update()
        self.assertEqual({LARGE: 0}, self.amounts())

    def test_a_parent_that_is_away_is_still_asked_for(self):
        self.host.lose_parent(GPU)
        for _ in range(4):
            self.update()
        self.assertEqual({VGPU: 0, LARGE: 0}, self.amounts())
        self.host.regain_parent(GPU)
        self.update()
        self.assertEqual({VGPU: 16, LARGE: 4}, self.amounts())

    def test_without_any_type_all_of_it_goes(self):
        self.start()
        for _ in range(3):
            self.update()
        self.assertEqual(['uuid of root'], self.tree.get_provider_uuids())
        self.assert_root_is_as_it_was()


class TraitsTest(UpdateTest):
    """What we gave we take back, and nothing else."""

    def test_a_trait_that_is_no_longer_asked_for(self):
        self.start(nvidia_11={'traits': ['CUSTOM_GOLD', 'CUSTOM_OLD']})
        self.update()
        theirs = {'CUSTOM_RACK_7', 'CUSTOM_SILVER'}
        self.tree.add_traits(f'{ROOT}_{GPU}', *theirs)
        self.start(nvidia_11={'traits': ['CUSTOM_SILVER', 'CUSTOM_GOLD']})
        self.update()
        traits = self.provider().traits
        self.assertLessEqual(theirs | {'CUSTOM_GOLD', MARK}, traits)
        self.assertNotIn('CUSTOM_OLD', traits)

    def test_one_that_placement_did_not_take_back_is_taken_back_later(self):
        self.start(nvidia_11={'traits': ['CUSTOM_OLD']})
        self.update()
        before = copy.deepcopy(self.tree)
        self.start(nvidia_11={})
        # What Nova sends of this update does not arrive.
        self.update()
        self.tree = before
        self.update()
        self.assertNotIn('CUSTOM_OLD', self.provider().traits)

    def test_one_that_was_given_by_another_before_us_stays_when_we_did_not(self):
        self.start(nvidia_11={})
        self.update()
        self.tree.add_traits(f'{ROOT}_{GPU}', 'CUSTOM_OLD')
        self.start(nvidia_11={})
        self.update()
        self.assertIn('CUSTOM_OLD', self.provider().traits)


class PromisesTest(UpdateTest):
    """Allocations and flavors, as Nova itself reads them."""

    def test_only_what_is_allocated_here_is_given(self):
        self.start(nvidia_11={})
        self.update()
        self.driver.provider_tree = self.tree
        told = {
            self.provider().uuid: {'resources': {VGPU: 1}},
            'uuid of root': {'resources': {'VCPU': 1}},
            'another host': {'resources': {VGPU: 3}},
        }
        instance = self.instance(resources__VGPU='1')
        with self.driver._operations.under_way('spawn', instance):
            given = self.driver._allocate_mdevs(told)
        self.assertEqual(
            given, [d.uuid for d in self.driver._mdevs.claimed(instance.uuid)]
        )
        self.assertEqual(1, len(given))

    def test_flavors_are_read_as_the_scheduler_reads_them(self):
        classes = {VGPU, flavors.CLASS}
        for name, (specs, expected) in flavors.FLAVORS.items():
            with self.subTest(name):
                self.assertEqual(expected, self._as_the_scheduler(specs, classes))

    def _as_the_scheduler(self, specs, classes):
        spec = objects.RequestSpec(
            flavor=objects.Flavor(
                vcpus=1, memory_mb=64, root_gb=0, ephemeral_gb=0, swap=0,
                extra_specs=specs,
            ),
            image=objects.ImageMeta(
                properties=objects.ImageMetaProps()
            ),
            is_bfv=False,
        )  # fmt: skip
        asked = utils.ResourceRequest.from_request_spec(spec)
        amounts = asked.merged_resources()
        return {c: n for c, n in amounts.items() if c in classes and n}


class DoubleTest(test.NoDBTestCase):
    """The tree that the tests without Nova have, and Nova's."""

    def test_the_double_is_like_nova_s(self):
        told = [self._scene(t) for t in (trees.Tree(), provider_tree.ProviderTree())]
        self.assertEqual(*told)

    def _scene(self, tree):
        facts = [tree.new_root('a', 'uuid a', generation=1)]
        facts.append(tree.new_root('b', 'uuid b'))
        facts.append(tree.new_child('c', 'a', uuid='uuid c', generation=3))
        facts.append(tree.new_child('d', 'uuid c', uuid='uuid d'))
        tree.update_inventory('c', {'X': {'total': 1}})
        tree.update_traits('uuid c', {'T'})
        # What is told is a copy.
        tree.data('c').inventory.clear()
        tree.data('c').traits.clear()
        facts.append(sorted(root.uuid for root in tree.roots))
        facts.append(tree.get_provider_uuids())
        facts.append(tree.get_provider_uuids('c'))
        facts.append([tree.exists(name) for name in ('a', 'uuid c', 'x')])
        facts += [self._facts(tree, uuid) for uuid in tree.get_provider_uuids()]
        for name in ('new', None):
            self.assertRaises(
                ValueError, tree.new_child, 'c', 'a', uuid=name and 'uuid c'
            )
        self.assertRaises(ValueError, tree.data, 'x')
        tree.remove('c')
        facts.append(tree.get_provider_uuids())
        return facts

    def _facts(self, tree, uuid):
        now = tree.data(uuid)
        return (
            now.uuid, now.name, now.generation, now.parent_uuid, now.inventory,
            now.traits,
        )  # fmt: skip


class OfferTest(UpdateTest):
    """What Nova's own helpers, and whoever calls them, get."""

    def test_outside_of_an_update_it_goes_by_the_host_alone(self):
        self.start(nvidia_11={})
        told = self.driver._get_gpu_inventories()
        self.assertIsInstance(told, publishing.Offer)
        self.assertEqual({GPU: 16, OTHER: 16}, {p: i['total'] for p, i in told.items()})

    def test_after_an_update_it_goes_by_the_host_again(self):
        self.start(nvidia_11={})
        self.update()
        self.host.lose_parent(GPU)
        self.assertEqual({OTHER}, set(self.driver._get_gpu_inventories()))

    def test_nova_s_way_for_inventories_that_are_not_of_an_update(self):
        self.start(nvidia_11={})
        told = self.driver._get_gpu_inventories()
        found = self.driver._ensure_pgpu_providers(told, self.tree, ROOT)
        self.assertEqual({GPU, OTHER}, set(found))
        self.assertNotIn(MARK, self.provider().traits)
