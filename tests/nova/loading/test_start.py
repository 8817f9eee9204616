# SPDX-License-Identifier: Apache-2.0
"""nova-compute starts with our driver, and does as ever with any other."""

import pathlib

import fixtures
import nova
import testtools

from tests.nova.loading import compute

SHORT_FORM = f"""
[devices]
enabled_mdev_types = {compute.MDEV_TYPE}
[mdev_{compute.MDEV_TYPE}]
mdev_class = mlx5
"""
OURS_IS_LOADED = f"Loading compute driver '{compute.OURS}'"
# What only our driver says, of a type that no parent has.
OURS_RUNS = rf'nova_generic_mdev.* {compute.MDEV_TYPE}'
BACKEND = 'OS_NOVA_DISABLE_EVENTLET_PATCHING'


class TestCase(testtools.TestCase):
    """A nova-compute of this environment."""

    def run_compute(self, *args, **kwargs):
        folder = self.useFixture(fixtures.TempDir()).path
        service = compute.Compute(folder, *args, **kwargs)
        self.addOnException(lambda _: self.addDetail('log', text(service.tail())))
        return self.useFixture(Running(service)).service

    def assert_starts(self, service):
        self.assertTrue(service.wait_for(compute.STARTED), 'it does not start')

    def assert_ends(self, service, *words):
        """It ends by itself, and its log has these words on one line."""
        self.assertIn(service.wait(), (1, 2), 'it does not end, or as if all were well')
        lines = [n for n in service.log().splitlines() if all(w in n for w in words)]
        self.assertNotEqual([], lines, f'no line of its log has {words}')


class Running(fixtures.Fixture):
    """A service that ends with its test."""

    def __init__(self, service):
        self.service = service

    def _setUp(self):
        self.service.__enter__()
        self.addCleanup(self.service.__exit__)


def text(string):
    return testtools.content.text_content(string)


def lets_choose_its_backend():
    """Whether this Nova's nova-compute lets a variable choose its backend."""
    script = pathlib.Path(nova.__path__[0], 'cmd/compute.py')
    return 'monkey_patch.patch(' in script.read_text()


class Ours(TestCase):
    """``compute_driver = generic_mdev.GenericMdevDriver``"""

    def assert_ours_starts(self, service):
        self.assert_starts(service)
        self.assertIn(OURS_IS_LOADED, service.log())
        self.assertRegex(service.log(), OURS_RUNS)

    def test_it_starts(self):
        self.assert_ours_starts(self.run_compute(more=SHORT_FORM))

    def test_it_starts_in_threads(self):
        if not lets_choose_its_backend():
            self.skipTest('this nova-compute has one backend')
        service = self.run_compute(more=SHORT_FORM, **{BACKEND: 'true'})
        self.assert_ours_starts(service)
        self.assertRegex(service.log(), r'oslo.service\.backend\._threading')

    def test_it_starts_under_eventlet_and_logs_our_options(self):
        service = self.run_compute(more=SHORT_FORM, **{BACKEND: 'false'})
        self.assert_ours_starts(service)
        # The last of ours: Nova logs them in the order of their names, and would
        # end at one that is refused.
        for option, value in (('mdev_class', 'mlx5'), ('traits', r'\[\]')):
            logged = rf'mdev_{compute.MDEV_TYPE}\.{option} += {value}'
            self.assertTrue(service.wait_for(logged), f'{option} is not logged')
        self.assertRegex(service.log(), r'oslo.service\.backend\._eventlet')
        self.assertIsNone(service.process.poll())

    def test_it_starts_without_any_type(self):
        service = self.run_compute()
        self.assert_starts(service)
        self.assertIn(OURS_IS_LOADED, service.log())

    def test_an_option_that_cannot_be_parsed_is_told_with_all_others(self):
        service = self.run_compute(
            more=SHORT_FORM + 'max_instances = none\non_release = reuse\n'
        )
        self.assert_ends(
            service,
            'InvalidConfiguration: 2 configuration problem(s)',
            f'[mdev_{compute.MDEV_TYPE}] max_instances',
            f'[mdev_{compute.MDEV_TYPE}] on_release',
        )

    def test_a_class_that_cannot_be_one_is_told(self):
        service = self.run_compute(more=SHORT_FORM + 'mdev_class = a class\n')
        self.assert_ends(service, 'InvalidConfiguration: 1', "'a class' is not")

    def test_without_libvirts_binding_it_says_so(self):
        service = self.run_compute(more=SHORT_FORM, ALONE_LIBVIRT='no')
        self.assert_ends(service, 'nova.virt.driver', 'libvirt')

    def test_a_wrong_name_is_told_the_right_one(self):
        service = self.run_compute('generic_mdev.Driver')
        self.assert_ends(
            service,
            'ImportError: Class Driver cannot be found',
            f'write compute_driver = {compute.OURS}',
        )


class Others(TestCase):
    """Where the driver is another one, it starts as ever."""

    def test_the_fake_driver(self):
        service = self.run_compute('fake.FakeDriver')
        self.assert_starts(service)
        self.assertIn('generic_mdev', service.log(), 'our plugin was not there')

    def test_the_in_tree_driver(self):
        self.assert_starts(self.run_compute('libvirt.LibvirtDriver'))

    def test_the_in_tree_driver_still_refuses_the_short_form(self):
        # As it does without us; and so the other tests can fail.
        service = self.run_compute('libvirt.LibvirtDriver', SHORT_FORM)
        self.assert_ends(service, "Value 'mlx5' doesn't match regex")
