# SPDX-License-Identifier: Apache-2.0
"""Stock nova-compute finds our driver however we are installed, and else is told."""

import pathlib
import tempfile

import fixtures

from tests.nova.loading import compute
from tests.nova.loading import test_start
from tests.sites import site

OTHER = 'fake.FakeDriver'
NOT_FOUND = "No module named 'nova.virt.generic_mdev'"


class TestCase(test_start.TestCase):
    """A fresh environment a test; one build of our wheel."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.wheel = site.wheel(folder.name)

    def make(self, **kwargs):
        self.site = site.Site(self.useFixture(fixtures.TempDir()).path, **kwargs)

    def start(self, *args, **kwargs):
        return self.run_compute(*args, prefix=self.site.prefix, **kwargs)

    def where(self, package):
        """The directory of packages that one is imported from."""
        path = pathlib.Path(self.site.ask(f'{package}.__file__', package))
        return path.parent.parent


class Installed(TestCase):
    """In each way, nova-compute starts with our driver."""

    def assert_ours_starts(self):
        service = self.start(more=test_start.SHORT_FORM)
        self.assert_starts(service)
        self.assertIn(test_start.OURS_IS_LOADED, service.log())
        self.assertRegex(service.log(), test_start.OURS_RUNS)

    def test_a_wheel_beside_nova(self):
        self.make()
        self.site.install(self.wheel)
        self.assertEqual(self.site.packages, self.where('nova'))
        self.assertEqual(self.site.packages, self.where('nova_generic_mdev'))
        self.assert_ours_starts()

    def test_a_wheel_and_nova_elsewhere(self):
        self.make(apart=True)
        self.site.install(self.wheel)
        self.assertNotEqual(self.site.packages, self.where('nova'))
        self.assertEqual(self.site.packages, self.where('nova_generic_mdev'))
        self.assert_ours_starts()

    def test_a_tree_beside_nova(self):
        self.make()
        tree = site.tree(self.useFixture(fixtures.TempDir()).path)
        self.site.install('--editable', tree)
        self.assertEqual(self.site.packages, self.where('nova'))
        self.assertEqual(tree, self.where('nova_generic_mdev'))
        self.assert_ours_starts()

    def test_a_tree_and_nova_elsewhere(self):
        self.make(apart=True)
        tree = site.tree(self.useFixture(fixtures.TempDir()).path)
        self.site.install('--editable', tree)
        self.assertNotEqual(self.site.packages, self.where('nova'))
        self.assertEqual(tree, self.where('nova_generic_mdev'))
        self.assert_ours_starts()


class Broken(TestCase):
    """What is only half there ends no nova-compute that has another driver."""

    def setUp(self):
        super().setUp()
        self.make()

    def break_module(self, name, source):
        """Put a source in the place of a module of ours; None: nothing at all."""
        self.site.install(self.wheel)
        path = self.site.packages / 'nova_generic_mdev' / f'{name}.py'
        path.unlink()
        if source is not None:
            path.write_text(source)

    def assert_others_start(self, *told):
        service = self.start(OTHER)
        self.assert_starts(service)
        for words in told:
            self.assertIn(words, service.log())

    def test_we_are_not_installed(self):
        self.assert_others_start()
        self.assert_ends(self.start(), NOT_FOUND)

    def test_the_entry_point_leads_nowhere(self):
        self.break_module('adapters/nova/loading', None)
        self.assert_others_start("Could not load 'generic_mdev'")
        self.assert_ends(self.start(), NOT_FOUND)

    def test_the_entry_point_cannot_be_imported(self):
        self.break_module('adapters/nova/loading', 'raise RuntimeError("broken")\n')
        self.assert_others_start("Could not load 'generic_mdev': broken")
        self.assert_ends(self.start(), NOT_FOUND)

    def test_a_module_of_the_driver_is_not_there(self):
        self.break_module('engine/engine', None)
        self.assert_others_start()
        self.assert_ends(
            self.start(),
            f'ImportError: compute_driver = {compute.OURS} cannot be loaded',
            'install nova-generic-mdev where nova-compute runs',
        )

    def test_the_driver_does_not_fit_this_nova(self):
        self.break_module('adapters/nova/driver', 'from nova.virt import nothing\n')
        self.assert_others_start()
        self.assert_ends(
            self.start(),
            f'ImportError: compute_driver = {compute.OURS} cannot be loaded',
            'do not go together; Nova must be 31 (2025.1) or newer',
        )
