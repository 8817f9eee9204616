# SPDX-License-Identifier: Apache-2.0
"""The scenario of the specification: a server that talks to its device."""

from __future__ import annotations

from tempest import config as tempest_config
from tempest.lib import decorators

from nova_generic_mdev.tempest import config
from nova_generic_mdev.tempest import consoles
from nova_generic_mdev.tempest.tests import base

CONF = tempest_config.CONF


class DeviceTest(base.BaseTest):
    """What the guest sees of its device."""

    @classmethod
    def skip_checks(cls) -> None:
        """A guest that talks to its device, and a console that is there."""
        super().skip_checks()
        ours = CONF.generic_mdev
        features = CONF.compute_feature_enabled
        if not ours.image_ref:
            raise cls.skipException(
                'no image talks to its device: [generic_mdev] image_ref'
            )
        if ours.console == 'output' and not features.console_output:
            raise cls.skipException(
                'no console output: [compute-feature-enabled] console_output'
            )
        if ours.console == 'websocket' and not features.serial_console:
            raise cls.skipException(
                'no serial console: [compute-feature-enabled] serial_console'
            )

    @decorators.attr(type='slow')
    @decorators.idempotent_id('5e1f6b1a-6a4e-4cf2-9c5c-0b63a1a1c021')
    def test_device_answers_before_and_after_a_hard_reboot(self) -> None:
        """Boot, echo, hard reboot, echo, delete, capacity back."""
        before = self.left()
        server = self.boot(self.make_flavor())
        self.assert_device_answers(server)
        held = self.offers.held_by(server)

        self.servers.reboot_server(server, type='HARD')
        self.wait_for_status(server, 'ACTIVE')
        self.assert_device_answers(server)
        self.assertEqual(held, self.offers.held_by(server))

        self.delete(server)
        self.assert_nothing_held(server)
        self.assert_is_left(before)

    def assert_device_answers(self, server: str) -> None:
        """The console shows that what was written to the device came back."""
        ours = CONF.generic_mdev
        timeout = ours.console_timeout
        steps = config.steps_of(ours.console_dialogue)
        with consoles.opened(self.servers, server, ours.console) as console:
            position = consoles.talk(console, steps, timeout)
            consoles.wait_for(console, ours.console_pattern, timeout, after=position)
