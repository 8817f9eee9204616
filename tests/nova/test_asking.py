# SPDX-License-Identifier: Apache-2.0
"""What Nova, Placement and libvirt say, and what counts as no answer at all."""

import types
from unittest import mock

import oslo_messaging
from keystoneauth1 import exceptions as ks_exceptions
from nova import context as nova_context
from nova import exception
from nova import objects
from nova import test
from nova.tests.fixtures import libvirt as fakelibvirt
from oslo_db import exception as db_exception
from oslo_utils.fixture import uuidsentinel as uuids

from nova_generic_mdev.adapters.nova import asking
from nova_generic_mdev.adapters.nova import sources
from nova_generic_mdev.adapters.nova.upkeep import consumers

ROOT, PARENT = 'host', 'mtty_mtty'
LARGE = 'CUSTOM_LARGE'


class Client:
    """Nova's report client, with one host and one parent in Placement."""

    def __init__(self):
        self.found = [{'uuid': uuids.root}]
        self.tree = [
            {'uuid': uuids.root, 'name': ROOT},
            {'uuid': uuids.parent, 'name': f'{ROOT}_{PARENT}'},
            {'uuid': uuids.other, 'name': f'{ROOT}_a_card'},
        ]
        self.allocations = {'allocations': {}}
        self.here = {}

    def get(self, url, version=None):
        body = {'resource_providers': self.found}
        return types.SimpleNamespace(json=lambda: body)

    def get_providers_in_tree(self, context, uuid):
        return self.tree

    def get_allocs_for_consumer(self, context, consumer):
        return self.allocations

    def get_allocations_for_resource_provider(self, context, uuid):
        return types.SimpleNamespace(allocations=self.here[uuid])


def resources(**amounts):
    return {'resources': amounts}


class PlacementTest(test.NoDBTestCase):
    def setUp(self):
        super().setUp()
        self.client = Client()

    def placement(self):
        return asking.Placement(self.client, ROOT, [PARENT], ['VGPU'])

    def test_what_a_consumer_holds_on_this_host(self):
        self.client.allocations = {
            'allocations': {
                uuids.root: resources(VCPU=2, VGPU=1),
                uuids.parent: resources(VGPU=2, CUSTOM_LARGE=1),
                uuids.other: resources(PGPU=1),
                uuids.elsewhere: resources(VGPU=8),
            }
        }
        expected = {(ROOT, 'VGPU'): 1, (PARENT, 'VGPU'): 2, (PARENT, LARGE): 1}
        self.assertEqual(expected, self.placement().held_by(uuids.me))

    def test_who_holds_what_on_a_parent(self):
        self.client.here = {
            uuids.parent: {uuids.me: resources(VGPU=2), uuids.you: resources(VGPU=1)}
        }
        expected = {uuids.me: {(PARENT, 'VGPU'): 2}, uuids.you: {(PARENT, 'VGPU'): 1}}
        self.assertEqual(expected, self.placement().held_on([PARENT]))

    def test_a_parent_that_placement_does_not_have_has_no_holders(self):
        self.assertEqual({}, self.placement().held_on(['mdpy_mdpy']))

    def test_a_host_that_placement_does_not_have(self):
        for found in [], [{'uuid': uuids.root}, {'uuid': uuids.other}], None, [{}]:
            self.client.found = found
            self.assertRaises(consumers.Unsure, self.placement)

    def test_a_tree_that_is_none(self):
        for tree in None, [{}], ['text']:
            self.client.tree = tree
            self.assertRaises(consumers.Unsure, self.placement)

    def test_an_error_is_not_an_empty_answer(self):
        errors = (
            ks_exceptions.ConnectFailure(),
            ks_exceptions.EndpointNotFound(),
            exception.ConsumerAllocationRetrievalFailed(consumer_uuid='x', error='500'),
        )
        placement = self.placement()
        for error in errors:
            with mock.patch.object(
                self.client,
                'get_allocs_for_consumer',
                autospec=True,
                side_effect=error,
            ):
                told = self.assertRaises(consumers.Unsure, placement.held_by, uuids.me)
            self.assertEqual('Placement', told.whom)

    def test_nonsense_is_not_an_empty_answer(self):
        placement = self.placement()
        for told in (
            {},
            None,
            [],
            {'allocations': None},
            {'allocations': {uuids.parent: {}}},
            {'allocations': {uuids.parent: resources(VGPU='2')}},
            {'allocations': {uuids.parent: resources(VGPU=0)}},
        ):
            self.client.allocations = told
            self.assertRaises(consumers.Unsure, placement.held_by, uuids.me)
            self.client.here = {uuids.parent: {uuids.me: told}}
            self.assertRaises(consumers.Unsure, placement.held_on, [PARENT])


class NovaTest(test.TestCase):
    """On Nova's database."""

    def setUp(self):
        super().setUp()
        self.context = nova_context.get_admin_context()
        self.instance = objects.Instance(
            self.context,
            uuid=uuids.server,
            user_id='a user',
            project_id='a project',
            host='host',
            node=ROOT,
            compute_id=1,
            task_state='resize_prep',
            flavor=objects.Flavor(extra_specs={}),
        )
        self.instance.create()
        self.migration = objects.Migration(
            self.context,
            uuid=uuids.move,
            instance_uuid=uuids.server,
            status='migrating',
            migration_type='resize',
        )
        self.migration.create()

    def test_who_a_consumer_is(self):
        known = asking.Nova().known([uuids.move, uuids.stranger])
        server = consumers.Server(node=ROOT, task_state='resize_prep')
        move = consumers.Move(server=uuids.server, status='migrating', kind='resize')
        self.assertEqual({uuids.move: move, uuids.server: server}, known)

    def test_what_was_deleted_is_known_as_that(self):
        self.instance.destroy()
        known = asking.Nova().known([uuids.server, uuids.move])
        self.assertTrue(known[uuids.server].deleted)
        self.assertEqual(uuids.server, known[uuids.move].server)

    def test_an_error_is_not_an_unknown_consumer(self):
        for error in (
            oslo_messaging.MessagingTimeout(),
            db_exception.DBConnectionError(),
            exception.DeviceProfileError(name='x', msg='y'),
        ):
            for name in 'Instance', 'Migration':
                with mock.patch.object(
                    getattr(objects, name),
                    'get_by_uuid',
                    autospec=True,
                    side_effect=error,
                ):
                    told = self.assertRaises(
                        consumers.Unsure, asking.Nova().known, [uuids.stranger]
                    )
                self.assertEqual('Nova', told.whom)

    @mock.patch('nova.accelerator.cyborg.get_client', autospec=True)
    def test_cyborg_is_asked_where_the_flavor_wants_it(self, get_client):
        get_arqs = get_client.return_value.get_arqs_for_instance
        get_arqs.return_value = [
            {'attach_handle_type': 'PCI', 'attach_handle_uuid': None},
            {'attach_handle_type': 'MDEV', 'attach_handle_uuid': uuids.mdev},
        ]
        self.assertEqual(frozenset(), asking.Nova().accelerators(uuids.server))
        self.assertEqual(frozenset(), asking.Nova().accelerators(uuids.stranger))
        get_client.assert_not_called()
        self.instance.flavor.extra_specs = {'accel:device_profile': 'mine'}
        self.instance.save()
        self.assertEqual({uuids.mdev}, asking.Nova().accelerators(uuids.server))
        get_arqs.side_effect = exception.AcceleratorRequestOpFailed(op='x', msg='y')
        told = self.assertRaises(
            consumers.Unsure, asking.Nova().accelerators, uuids.server
        )
        self.assertEqual('Cyborg', told.whom)


GUEST = """
<domain type='kvm'><name>{name}</name><uuid>{uuid}</uuid><devices>
<hostdev type='mdev'><source><address uuid='{mdev}'/></source></hostdev>
</devices></domain>"""


class Guest:
    """As Nova's class."""

    def __init__(self, uuid, *xml, persistent=True):
        self.uuid = uuid
        self._xml = xml
        self._persistent = persistent

    def has_persistent_configuration(self):
        return self._persistent

    def get_xml_desc(self, dump_inactive=False):
        xml = self._xml[-1 if dump_inactive else 0]
        if isinstance(xml, Exception):
            raise xml
        return xml


def xml(mdev):
    return GUEST.format(name='a guest', uuid=uuids.guest, mdev=mdev)


def libvirt_error(code):
    return fakelibvirt.make_libvirtError(
        fakelibvirt.libvirtError, 'no', error_code=code
    )


class LibvirtTest(test.NoDBTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fakelibvirt.LibvirtFixture())
        self.host = mock.Mock()
        driver = mock.Mock(_host=self.host)
        self.sources = sources.Sources(driver)

    def test_the_mdevs_of_guests_now_and_at_their_next_start(self):
        self.host.list_guests.return_value = [
            Guest(uuids.one, xml(uuids.a), xml(uuids.b)),
            Guest(uuids.two, xml(uuids.c), xml(uuids.d), persistent=False),
        ]
        guests = self.sources.guests()
        self.host.list_guests.assert_called_once_with(only_running=False)
        self.assertEqual(
            {uuids.one: (uuids.a, uuids.b), uuids.two: (uuids.c,)}, guests.mdevs
        )
        self.assertEqual({}, guests.unread)
        self.assertEqual([uuids.two], list(self.sources.guests({uuids.two}).mdevs))

    def test_one_guest_that_cannot_be_read(self):
        self.host.list_guests.return_value = [
            Guest(uuids.broken, '<domain'),
            Guest(uuids.hung, libvirt_error(fakelibvirt.VIR_ERR_INTERNAL_ERROR)),
            Guest(uuids.gone, libvirt_error(fakelibvirt.VIR_ERR_NO_DOMAIN)),
            Guest(uuids.one, xml(uuids.a)),
        ]
        guests = self.sources.guests()
        self.assertEqual({uuids.one: (uuids.a,)}, guests.mdevs)
        self.assertEqual({uuids.broken, uuids.hung}, set(guests.unread))

    def test_libvirt_is_away(self):
        for error in (
            exception.HypervisorUnavailable(),
            libvirt_error(fakelibvirt.VIR_ERR_SYSTEM_ERROR),
        ):
            self.host.list_guests.side_effect = error
            self.host.list_instance_domains.side_effect = error
            self.host.list_all_devices.side_effect = error
            for ask in self.sources.guests, self.sources.domains, self.sources.defined:
                told = self.assertRaises(consumers.Unsure, ask)
                self.assertEqual('libvirt', told.whom)

    def test_what_libvirt_keeps_a_definition_of(self):
        def device(mdev, *, persistent):
            name = f'mdev_{mdev}_0000_84_00_0'.replace('-', '_')
            return types.SimpleNamespace(
                name=lambda: name, isPersistent=lambda: persistent
            )

        inactive = fakelibvirt.VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE
        live = [device(uuids.a, persistent=1), device(uuids.b, persistent=0)]
        dead = [device(uuids.c, persistent=1)]
        self.host.list_all_devices.side_effect = lambda f: (
            dead if f & inactive else live
        )
        self.assertEqual({uuids.a, uuids.c}, self.sources.defined())
