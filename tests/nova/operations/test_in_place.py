# SPDX-License-Identifier: Apache-2.0
"""Operations that leave a server on its host, and those that end it."""

from nova_generic_mdev import fixture
from tests.nova import base
from tests.nova.operations import case
from tests.nova.operations import steps
from tests.nova.operations.steps import Step

# After these it has no guest, and nothing is left over.
DELETE = Step(steps.delete, guest=False, same=False)
LOSE = Step(steps.lose_guest, guest=False)
OFFLOAD = Step(steps.offload, guest=False, same=False)
RESIZE = Step(steps.resize, same=False)


@case.table(
    soft_reboot=[Step(steps.soft_reboot)],
    hard_reboot=[Step(steps.hard_reboot)],
    hard_reboot_of_a_lost_guest=[LOSE, Step(steps.hard_reboot)],
    hard_reboot_with_lost_mdevs=[Step(steps.lose_mdevs)],
    hard_reboot_that_fails=[
        Step(steps.fail_to_reboot, guest=False),
        Step(steps.hard_reboot),
    ],
    rebuild=[Step(steps.rebuild)],
    rescue=[Step(steps.rescue), Step(steps.unrescue)],
    pause=[Step(steps.pause), Step(steps.unpause)],
    suspend=[Step(steps.suspend), Step(steps.resume)],
    stop=[Step(steps.stop), Step(steps.start)],
    restart_of_the_service=[Step(steps.restart_service), Step(steps.hard_reboot)],
    restart_with_a_stopped_server=[
        Step(steps.stop),
        Step(steps.restart_service),
        Step(steps.start),
    ],
    reboot_of_the_host=[Step(steps.reboot_host), Step(steps.hard_reboot)],
    reboot_of_the_host_that_starts_nothing=[Step(steps.reboot_host_and_start)],
    shelve=[Step(steps.shelve), OFFLOAD, Step(steps.unshelve, same=False)],
    soft_delete=[
        Step(steps.soft_delete),
        Step(steps.restore),
        Step(steps.soft_delete),
        Step(steps.force_delete, guest=False, same=False),
    ],
    delete=[DELETE],
    delete_when_stopped=[Step(steps.stop), DELETE],
    delete_when_suspended=[Step(steps.suspend), DELETE],
    delete_when_rescued=[Step(steps.rescue), DELETE],
    delete_of_a_lost_guest=[LOSE, DELETE],
    delete_when_shelved=[Step(steps.shelve), DELETE],
    delete_while_the_service_is_down=[
        Step(steps.delete_while_service_is_down, guest=False, same=False)
    ],
)
class InPlace(case.Scenario):
    """One host."""


@case.table(
    confirm=[RESIZE, Step(steps.confirm, same=False)],
    revert=[RESIZE, Step(steps.revert, same=False)],
    restart_before_confirm=[
        RESIZE,
        Step(steps.restart_service),
        Step(steps.confirm, same=False),
    ],
    restart_before_revert=[
        RESIZE,
        Step(steps.restart_service),
        Step(steps.revert, same=False),
    ],
    delete=[RESIZE, DELETE],
    less_confirm=[
        Step(steps.resize_to_less, same=False),
        Step(steps.confirm, same=False),
        Step(steps.hard_reboot),
    ],
    nothing_revert=[
        Step(steps.resize_to_nothing),
        Step(steps.revert),
        Step(steps.hard_reboot),
    ],
)
class ResizeInPlace(case.Scenario):
    """A resize that stays on its host: until it is confirmed both sides count."""

    def setUp(self):
        super().setUp()
        self.flags(allow_resize_to_same_host=True)


class Boots(base.TestCase):
    """Boots that fail, and many at once."""

    def setUp(self):
        super().setUp()
        self.configure(nvidia_18={})
        self.one = self.start_host('one', fixture.pci_gpus(2))
        self.three = self.flavor(resources__VGPU='3')

    def test_the_kernel_refuses_one_of_three(self):
        self.one.mdevs.fail_create(2, 28)
        self.boot(self.three, expected_state='ERROR')
        self.assert_all_agrees()
        self.assert_nodes_sync()
        self.assert_all_agrees(self.boot(self.three))

    def test_the_guest_does_not_start(self):
        with steps.refusing(self.one):
            self.boot(self.three, expected_state='ERROR')
        self.assert_all_agrees()
        self.assert_all_agrees(self.boot(self.three))

    def test_somebody_else_was_faster(self):
        for parent in self.one.sysnames:
            self.one.mdevs.fill(parent, 'nvidia-18')
        # Placement does not know it yet.
        self.boot(self.three, expected_state='ERROR')
        self.assert_nodes_sync()
        self.assertEqual([0, 0], [self.free('one', p) for p in self.one.sysnames])

    def test_a_rebuild_that_fails(self):
        """Nova takes what the server has from it, and leaves it on its host."""
        server = self.boot(self.three)
        before = self.guest_mdevs(server)
        steps.fail_to_rebuild(self, server)
        for _ in range(2):
            self.assertCountEqual(before, self.uuids('one'))
            self.assert_nodes_sync()
        self._delete_server(server)
        self.assert_all_agrees()

    def test_many_in_one_request(self):
        servers = self.boot(self.flavor(resources__VGPU='1'), count=4)
        self.assert_all_agrees(*servers)
        for server in servers:
            self._delete_server(server)
        self.assert_all_agrees()
