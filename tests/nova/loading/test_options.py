# SPDX-License-Identifier: Apache-2.0
"""Our options of a type where Nova registers its own, and what they say."""

import importlib.util
import inspect
import logging
import sys

import fixtures
import nova.compute.manager
import nova.conf
import testtools
from nova import exception
from nova import test
from oslo_config import cfg

from nova_generic_mdev.adapters.nova import driver
from nova_generic_mdev.adapters.nova import options
from nova_generic_mdev.opts import definitions

TYPE = 'nvidia-35'
GROUP = f'mdev_{TYPE}'
OPTIONS = [opt.name for opt in definitions.type_opts(TYPE)]
# One of each that Nova's own class refuses, and a value that any option has.
WRITTEN = {
    'device_addresses': ('0000:84:00.0', ['0000:84:00.0']),
    'mdev_class': ('mlx5', 'mlx5'),
    'max_instances': ('4', 4),
    'max_instances_per_device': ('2', 2),
    'traits': ('CUSTOM_FAST', ['CUSTOM_FAST']),
    'drain': ('true', True),
    'on_release': ('keep', 'keep'),
    'display': ('true', True),
    'ramfb': ('true', True),
    'attributes': ('assign_adapter=5', ['assign_adapter=5']),
}


def novas_own():
    """Nova's module as it is without us."""
    spec = importlib.util.find_spec('nova.conf.devices')
    own = importlib.util.spec_from_file_location('novas_own_devices', spec.origin)
    module = importlib.util.module_from_spec(own)
    own.loader.exec_module(module)
    return module


class TestCase(testtools.TestCase):
    """A configuration of its own."""

    def configure(self, text='', **written):
        """A configuration that was read from a file, as nova-compute's is."""
        lines = [f'{name} = {value}' for name, value in written.items()]
        path = f'{self.useFixture(fixtures.TempDir()).path}/nova.conf'
        head = f'[devices]\nenabled_mdev_types = {TYPE}\n[{GROUP}]\n'
        with open(path, 'w') as file:
            file.write(text or '\n'.join([head, *lines]))
        conf = cfg.ConfigOpts()
        conf.register_opt(cfg.StrOpt('state_path', default='/var/lib/nova'))
        novas_own().register_opts(conf)
        conf([], default_config_files=[path], default_config_dirs=[])
        return conf

    def values(self, conf):
        return {name: conf[GROUP][name] for name in OPTIONS}

    def refused(self, conf):
        return str(
            self.assertRaises(exception.InvalidConfiguration, options.policy, conf)
        )


class Registering(TestCase):
    """``nova.conf.devices.register_dynamic_opts``"""

    def test_nova_calls_ours(self):
        self.assertIs(
            options.register_dynamic_opts, nova.conf.devices.register_dynamic_opts
        )

    def test_the_signature_is_novas(self):
        novas = inspect.signature(novas_own().register_dynamic_opts)
        ours = inspect.signature(nova.conf.devices.register_dynamic_opts)
        self.assertEqual(list(novas.parameters), list(ours.parameters))

    def test_nova_names_it_by_its_module_only(self):
        by_name = {
            name
            for name, module in sys.modules.items()
            if name.startswith('nova.') and hasattr(module, 'register_dynamic_opts')
        }
        self.assertEqual({'nova.conf.devices', 'nova.conf.neutron'}, by_name)

    def test_all_options_are_there(self):
        conf = self.configure(**{name: value for name, (value, _) in WRITTEN.items()})
        options.register_dynamic_opts(conf)
        expected = {name: value for name, (_, value) in WRITTEN.items()}
        self.assertEqual(expected, self.values(conf))

    def test_the_legacy_group_has_all_of_them(self):
        lines = [f'{name} = {value}' for name, (value, _) in WRITTEN.items()]
        head = f'[devices]\nenabled_vgpu_types = {TYPE}\n[vgpu_{TYPE}]\n'
        conf = self.configure('\n'.join([head, *lines]))
        options.register_dynamic_opts(conf)
        expected = {name: value for name, (_, value) in WRITTEN.items()}
        self.assertEqual(expected, self.values(conf))

    def test_again_is_harmless(self):
        conf = self.configure(mdev_class='mlx5')
        options.register_dynamic_opts(conf)
        conf.set_override('drain', True, GROUP)
        options.register_dynamic_opts(conf)
        self.assertEqual('mlx5', conf[GROUP].mdev_class)
        self.assertTrue(conf[GROUP].drain)

    def test_two_configurations_know_nothing_of_each_other(self):
        one, other = self.configure(), self.configure()
        for conf in (one, other):
            options.register_dynamic_opts(conf)
        one.set_override('max_instances', 3, GROUP)
        self.assertIsNone(other[GROUP].max_instances)

    def test_a_list_of_types_that_cannot_be_read_is_left_to_who_tells_it(self):
        conf = self.configure('[devices]\nenabled_mdev_types = $nothing\n')
        options.register_dynamic_opts(conf)
        self.assertIn('[devices] enabled_mdev_types', self.refused(conf))


class AfterNova(TestCase):
    """Nova registered its own before our driver was imported."""

    def configure(self, text='', **written):
        conf = super().configure(text, **written)
        novas_own().register_dynamic_opts(conf)
        return conf

    def test_novas_class_refuses_the_short_form(self):
        # Or the tests below could not fail.
        conf = self.configure(mdev_class='mlx5')
        self.assertRaises(ValueError, lambda: conf[GROUP].mdev_class)
        self.assertRaises(
            ValueError, conf.log_opt_values, logging.getLogger(), logging.DEBUG
        )

    def test_ours_are_in_their_place(self):
        conf = self.configure(**{name: value for name, (value, _) in WRITTEN.items()})
        options.register_dynamic_opts(conf)
        expected = {name: value for name, (_, value) in WRITTEN.items()}
        self.assertEqual(expected, self.values(conf))

    def test_all_values_can_be_logged(self):
        conf = self.configure(mdev_class='mlx5')
        options.register_dynamic_opts(conf)
        log = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))
        conf.log_opt_values(logging.getLogger(), logging.DEBUG)
        self.assertRegex(log.output, rf'{GROUP}\.mdev_class += mlx5')

    def test_an_override_stays(self):
        conf = self.configure(max_instances='2')
        conf.set_override('max_instances', 7, GROUP)
        options.register_dynamic_opts(conf)
        self.assertEqual(7, conf[GROUP].max_instances)
        conf.clear_override('max_instances', GROUP)
        self.assertEqual(2, conf[GROUP].max_instances)

    def test_what_was_read_before_is_read_anew(self):
        conf = self.configure(mdev_class='CUSTOM_FAST')
        self.assertEqual('CUSTOM_FAST', conf[GROUP].mdev_class)
        options.register_dynamic_opts(conf)
        conf.set_override('mdev_class', 'fast', GROUP)
        self.assertEqual('fast', conf[GROUP].mdev_class)


class Policy(TestCase):
    """What the configuration says."""

    def rule(self, conf):
        (rule,) = options.policy(conf).rules
        return rule

    def test_the_file_says_it(self):
        rule = self.rule(self.configure(mdev_class='mlx5', max_instances='4'))
        self.assertEqual('CUSTOM_MLX5', rule.resource_class)
        self.assertEqual(4, rule.max_instances)

    def test_an_override_says_it(self):
        conf = self.configure(mdev_class='mlx5')
        options.register_dynamic_opts(conf)
        conf.set_override('mdev_class', 'CUSTOM_FAST', GROUP)
        conf.set_override('device_addresses', ['0000:84:00.0'], GROUP)
        rule = self.rule(conf)
        self.assertEqual('CUSTOM_FAST', rule.resource_class)
        self.assertEqual(('0000:84:00.0',), tuple(rule.device_addresses))

    def test_an_override_of_the_types_says_it(self):
        conf = self.configure()
        conf.set_override('enabled_mdev_types', ['mtty-2'], 'devices')
        self.assertEqual('mtty-2', self.rule(conf).mdev_type)

    def test_novas_own_registration_hinders_nothing(self):
        conf = self.configure(mdev_class='mlx5')
        novas_own().register_dynamic_opts(conf)
        self.assertEqual('CUSTOM_MLX5', self.rule(conf).resource_class)

    def test_a_fatal_problem_is_told_with_all_others(self):
        conf = self.configure(mdev_class='a class', drain='perhaps', traits='HW_NOPE')
        told = self.refused(conf)
        for option in ('mdev_class', 'drain', 'traits'):
            self.assertIn(f'[{GROUP}] {option}: ', told)

    def test_what_it_says_may_be_fatal_too(self):
        both = 'device_addresses = 0000:84:00.0'
        conf = self.configure(
            f'[devices]\nenabled_mdev_types = {TYPE}, nvidia-36\n'
            f'[{GROUP}]\n{both}\n[mdev_nvidia-36]\n{both}\n'
        )
        options.refuse_unparsed(conf)
        self.assertIn('pci_0000_84_00_0 gives VGPU twice', self.refused(conf))

    def test_what_cannot_be_parsed_is_refused_first(self):
        conf = self.configure(max_instances='none', traits='HW_NOPE')
        told = str(
            self.assertRaises(
                exception.InvalidConfiguration, options.refuse_unparsed, conf
            )
        )
        self.assertIn('2 configuration problem(s)', told)

    def test_a_warning_is_logged(self):
        log = self.useFixture(fixtures.FakeLogger(level=logging.WARNING))
        options.policy(self.configure(traits='HW_NOPE'))
        self.assertIn(f'[{GROUP}] traits: ', log.output)

    def test_a_problem_is_told_once(self):
        log = self.useFixture(fixtures.FakeLogger(level=logging.WARNING))
        _policy, problems = options.opts.policy_from(self.configure(drian='true'))
        problem, *others = problems
        self.assertEqual([], others)
        problems = options.Problems()
        problems.tell([problem])
        problems.tell([problem, problem])
        self.assertEqual(1, log.output.count('drian'))


class NovasConf(test.NoDBTestCase):
    """Nova's own CONF, as its tests handle it: again and again."""

    def look(self):
        types = ['nvidia-35', 'nvidia-36']
        self.flags(enabled_mdev_types=types, group='devices')
        nova.conf.devices.register_dynamic_opts(nova.conf.CONF)
        self.flags(mdev_class='fast', group=GROUP)
        classes = [r.resource_class for r in options.policy().rules]
        self.assertEqual(['CUSTOM_FAST', 'VGPU'], classes)

    def test_once(self):
        self.look()

    def test_and_again(self):
        self.look()

    def test_nothing_is_left_of_it(self):
        self.assertEqual((), options.policy().rules)

    def test_our_own_group_is_there_once_the_driver_is_imported(self):
        self.assertTrue(issubclass(driver.GenericMdevDriver, object))
        self.flags(backend='sysfs', group='generic_mdev')
        self.assertEqual('sysfs', nova.conf.CONF.generic_mdev.backend)
