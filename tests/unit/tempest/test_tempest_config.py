# SPDX-License-Identifier: Apache-2.0
"""The options of the plugin for tempest, and what is read from them."""

from __future__ import annotations

import pathlib
import re

import pytest
from oslo_config import cfg
from tempest.lib import exceptions

from nova_generic_mdev.tempest import config
from nova_generic_mdev.tempest import plugin


@pytest.fixture
def conf() -> cfg.ConfigOpts:
    """tempest's configuration, as far as it is ours."""
    conf = cfg.ConfigOpts()
    plugin.Plugin().register_opts(conf)
    conf([])
    return conf


def test_options_are_in_their_own_group(conf: cfg.ConfigOpts):
    assert conf.generic_mdev.resource_class == 'CUSTOM_MTTY'


def test_sample_configuration_has_them():
    ((group, options),) = plugin.Plugin().get_opt_lists()
    assert group == 'generic_mdev'
    assert 'console_pattern' in {option.name for option in options}


def test_tests_are_found_by_the_name_of_the_package():
    tests, top = map(pathlib.Path, plugin.Plugin().load_tests())
    assert (tests / 'scenario/test_device.py').is_file()
    assert tests.relative_to(top) == pathlib.Path('nova_generic_mdev/tempest/tests')


@pytest.mark.parametrize(
    ('line', 'echoed'),
    [
        pytest.param("port c000 wrote 'hi' read 'hi' ok", True, id='came back'),
        pytest.param("port c000 wrote 'hi' read 'ho' ok", False, id='another text'),
        pytest.param("port c000 wrote 'hi' read 'hi' WRONG", False, id='guest objects'),
        pytest.param('guest: done', False, id='nothing about it'),
    ],
)
def test_default_pattern(conf: cfg.ConfigOpts, line: str, echoed: bool):
    assert bool(re.search(conf.generic_mdev.console_pattern, line)) is echoed


def test_specs():
    lines = ['trait:CUSTOM_A=required', 'hw:mem_page_size = small', 'empty=']
    assert config.specs_of(lines) == {
        'trait:CUSTOM_A': 'required',
        'hw:mem_page_size': 'small',
        'empty': '',
    }


def test_steps_keep_their_order():
    lines = ['login: => root', r'\$ $ => echo a=b > /dev/ttyS1']
    assert config.steps_of(lines) == [
        ('login:', 'root'),
        (r'\$ $', 'echo a=b > /dev/ttyS1'),
    ]


@pytest.mark.parametrize('line', ['nonsense', '= value', ''])
def test_specs_that_are_none(line: str):
    with pytest.raises(exceptions.InvalidConfiguration, match='flavor_specs'):
        config.specs_of([line])


@pytest.mark.parametrize('line', ['login: root', '=> root'])
def test_steps_that_are_none(line: str):
    with pytest.raises(exceptions.InvalidConfiguration, match='console_dialogue'):
        config.steps_of([line])
