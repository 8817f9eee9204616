# SPDX-License-Identifier: Apache-2.0
"""The test case of a table of scenarios, each a list of steps."""

from nova_generic_mdev import fixture
from tests.nova import base


class Scenario(base.TestCase):
    """A server with three devices of two classes, in two groups."""

    def setUp(self):
        super().setUp()
        self.configure(
            nvidia_11={'device_addresses': ['0000:84:00.0']},
            nvidia_18={
                'mdev_class': 'CUSTOM_LARGE', 'device_addresses': ['0000:85:00.0'],
            },
        )  # fmt: skip
        self.start_host('one', fixture.pci_gpus(2))

    def flavor_of_three(self):
        """Two of one class and one of another, whichever parents they are on."""
        return self.flavor(
            resources1__VGPU='2', resources2__CUSTOM_LARGE='1', group_policy='none'
        )

    def follow(self, steps):
        """Boot a server on the first host, and take each step.

        After each, and after each nova-compute's next update, everything agrees.
        """
        server = self.boot(self.flavor_of_three(), 'one')
        self.assertEqual(3, len(self.guest_mdevs(server)))
        for step in steps:
            before = self.uuids('one')
            step.do(self, server)
            for _ in range(2):
                self.assert_all_agrees(*([server] if step.guest else []))
                if step.same:
                    self.assertEqual(before, self.uuids('one'))
                self.assert_nodes_sync()

    def set_down(self, hostname, *, down):
        """What an operator says of a nova-compute that is, or is not, down."""
        (service,) = self.admin_api.get_services(host=hostname, binary='nova-compute')
        self.admin_api.put_service_force_down(service['id'], down)


def table(**scenarios):
    """Give a test case one test for each scenario."""

    def add_tests(case):
        for name, steps in scenarios.items():
            _add_test(case, name, steps)
        return case

    return add_tests


def _add_test(case, name, steps):
    def test(self):
        self.follow(steps)

    test.__name__ = f'test_{name}'
    setattr(case, test.__name__, test)
