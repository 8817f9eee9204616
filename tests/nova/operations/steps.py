# SPDX-License-Identifier: Apache-2.0
"""What users, operators and fate do to a server, one at a time.

A step is called with the test case and the server.  It ends when Nova is done.
"""

import contextlib
import dataclasses
import typing as ty

from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.api import client as api_client

from tests.nova import base
from tests.nova import guests

OTHER_IMAGE = 'a2459075-d96c-40d5-893e-577ff92e721c'


@dataclasses.dataclass(frozen=True)
class Step:
    """One step, and what is so after it.

    :param guest: whether the server has a guest
    :param same: whether it has the very mdevs that it had before
    """

    do: ty.Callable
    guest: bool = True
    same: bool = True


def soft_reboot(case, server):
    case._reboot_server(server)


def hard_reboot(case, server):
    case._reboot_server(server, hard=True)


def lose_guest(case, server):
    """Its domain is gone, with what was defined of it."""
    case.libvirtds['one'].lose_guest(server['id'])


def rebuild(case, server):
    case._rebuild_server(server, OTHER_IMAGE)


def rescue(case, server):
    case._rescue_server(server)


def unrescue(case, server):
    case._unrescue_server(server)


def pause(case, server):
    case.admin_api.post_server_action(server['id'], {'pause': None})
    case._wait_for_state_change(server, 'PAUSED')


def unpause(case, server):
    case.admin_api.post_server_action(server['id'], {'unpause': None})
    case._wait_for_state_change(server, 'ACTIVE')


def suspend(case, server):
    case._suspend_server(server)


def resume(case, server):
    case._resume_server(server)


def stop(case, server):
    case._stop_server(server)


def start(case, server):
    case._start_server(server)


def shelve(case, server):
    """Shelve it, and leave it on its host."""
    case.flags(shelved_offload_time=-1)
    case._shelve_server(server, expected_state='SHELVED')


def offload(case, server):
    case._shelve_offload_server(server)


def unshelve(case, server):
    case._unshelve_server(server)


def restart_service(case, server):
    case.restart('one')


def reboot_host(case, server):
    """Guests stop and mdevs are gone; Nova starts what ran."""
    case.flags(resume_guests_state_on_host_boot=True)
    case.restart('one', case.libvirtds['one'].power_cycle)
    case._wait_for_state_change(server, 'ACTIVE')


def reboot_host_and_start(case, server):
    """Guests stop and mdevs are gone; the user starts the server."""
    case.restart('one', case.libvirtds['one'].power_cycle)
    case._stop_server(server)
    case._start_server(server)


def fail_to_reboot(case, server):
    """Its guest does not start any more, once."""
    with refusing(case.libvirtds['one']):
        attempt(case, server, {'reboot': {'type': 'HARD'}})


def fail_to_rebuild(case, server):
    with refusing(case.libvirtds['one']):
        attempt(case, server, {'rebuild': {'imageRef': base.IMAGE}})


def attempt(case, server, action):
    """Ask for something that fails: in one process, the API may say so itself."""
    with contextlib.suppress(api_client.OpenStackApiException):
        case.admin_api.post_server_action(server['id'], action)
    case._wait_for_state_change(server, 'ERROR')


def refusing(connection):
    """No guest starts on a host while a block runs."""

    def refuse(guest):
        code = fakelibvirt.VIR_ERR_INTERNAL_ERROR
        raise guests.error(code, 'no such machine')

    return base.patched_object(connection, 'before_start', refuse)


def cold_migrate(case, server):
    case._migrate_server(server)


def resize(case, server):
    """To a flavor that asks for the same devices."""
    case._resize_server(server, case.flavor_of_three())


def resize_to_less(case, server):
    """To a flavor that asks for one of them."""
    case._resize_server(server, case.flavor(resources__VGPU='1'))


def resize_to_nothing(case, server):
    case._resize_server(server, case.flavor())


def confirm(case, server):
    case.confirm(server, source='one')


def revert(case, server):
    case._revert_resize(server)


def live_migrate(case, server):
    case._live_migrate(server)


def delete(case, server):
    case._delete_server(server)


def soft_delete(case, server):
    """It can be had back for an hour."""
    case.flags(reclaim_instance_interval=3600)
    case.admin_api.delete_server(server['id'])
    case._wait_for_state_change(server, 'SOFT_DELETED')


def restore(case, server):
    case.admin_api.post_server_action(server['id'], {'restore': None})
    case._wait_for_state_change(server, 'ACTIVE')


def force_delete(case, server):
    case.admin_api.post_server_action(server['id'], {'forceDelete': None})
    case._wait_until_deleted(server)


def lose_mdevs(case, server):
    """Its mdevs are gone, though not its guest; the user reboots it."""
    for uuid in case.uuids('one'):
        case.libvirtds['one'].mdevs.lose_mdev(uuid)
    hard_reboot(case, server)


def delete_while_service_is_down(case, server):
    """The API deletes it by itself; nova-compute finds out when it starts."""
    case.stop_service('one')
    case.set_down('one', down=True)
    case._delete_server(server)
    case.set_down('one', down=False)
    case.start_host('one', None)
    # What Nova does every half an hour.
    manager = case.computes['one'].manager
    manager._cleanup_running_deleted_instances(case.context)


def reboot_source(case, server):
    """The host that it came from is switched off and on."""
    case.restart('one', case.libvirtds['one'].power_cycle)


def evacuate(case, server):
    """Its nova-compute dies, it is built again on the other host, and it returns."""
    case.stop_service('one')
    case.set_down('one', down=True)
    case._evacuate_server(server, expected_host='two')
    case.assert_has_its_mdevs(server)
    case._start_server(server)
    case.assert_has_its_mdevs(server)
    case.start_host('one', None)
    case.set_down('one', down=False)


def unshelve_elsewhere(case, server):
    """Its host is disabled meanwhile."""
    (service,) = case.admin_api.get_services(host='one', binary='nova-compute')
    case.admin_api.put_service(service['id'], {'status': 'disabled'})
    case._unshelve_server(server)
    case.assertEqual('two', case.where(server))
