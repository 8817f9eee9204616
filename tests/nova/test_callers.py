# SPDX-License-Identifier: Apache-2.0
"""Every way on which this release of Nova takes a guest down is in the table."""

import inspect
import pathlib
import unittest

import nova
from nova.compute import task_states
from nova.compute import vm_states
from nova.virt import driver as virt_driver
from nova.virt.libvirt import driver as libvirt_driver

from nova_generic_mdev.adapters.nova import lifecycle
from tests.callers import sources
from tests.callers import table

_NOVA = pathlib.Path(nova.__file__).parent


class WaysTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.ways = sources.ways(_NOVA)
        cls.rows = (*table.situations_of(), *table.unseen())

    def test_each_way_is_in_the_table(self):
        known = {path for row in self.rows for path in row.paths}
        self.assertEqual(set(), self.ways - known, f'new ways: see {table.DATA.name}')

    def test_each_row_is_a_way(self):
        for row in self.rows:
            with self.subTest(row=getattr(row, 'name', row.paths)):
                # Releases differ in what a method is called on the way.
                self.assertTrue(self.ways & set(row.paths), row.paths)

    def test_nobody_else_takes_guests_down(self):
        self.assertEqual({sources.MANAGER}, sources.mentions(_NOVA))

    def test_each_row_is_decided_as_it_says(self):
        for row in table.situations_of():
            with self.subTest(row=row.name):
                rule = lifecycle.verdict(row.facts)
                self.assertEqual(
                    (row.rule, row.releases, row.hands_over),
                    (rule.name, rule.releases, rule.hands_over),
                )


class WordsTest(unittest.TestCase):
    """The states that the table and the rules name are Nova's."""

    def test_vm_states(self):
        used = {row.facts.vm_state for row in table.situations_of()}
        self.assertEqual(set(), used - _words(vm_states))

    def test_task_states(self):
        used = {row.facts.task_state for row in table.situations_of()} - {None}
        self.assertEqual(set(), used - _words(task_states))

    def test_groups_of_states(self):
        self.assertEqual(set(task_states.rebuild_states), lifecycle.REBUILDING)
        moving = {*task_states.resizing_states, task_states.RESIZE_REVERTING}
        self.assertEqual(moving, lifecycle.RESIZING)


def _words(module):
    values = (value for name, value in vars(module).items() if name.isupper())
    return {value for value in values if isinstance(value, str)}


class DriverTest(unittest.TestCase):
    """What the table takes for granted of Nova's driver."""

    def test_cleanup_is_told_of_a_live_migration(self):
        parameters = inspect.signature(libvirt_driver.LibvirtDriver.cleanup).parameters
        self.assertEqual(['self', 'context', 'instance'], [*parameters][:3])
        self.assertIn('migrate_data', parameters)

    def test_failed_spawn_cleanup_is_not_libvirts(self):
        self.assertIs(
            virt_driver.ComputeDriver.failed_spawn_cleanup,
            libvirt_driver.LibvirtDriver.failed_spawn_cleanup,
        )
