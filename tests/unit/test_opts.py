# SPDX-License-Identifier: Apache-2.0
"""Every option, in each of its groups, read well and read badly."""

from __future__ import annotations

import io
import pathlib
import re
import time

import pytest
from oslo_config import cfg
from oslo_config import generator

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import opts
from nova_generic_mdev import policy
from nova_generic_mdev.opts import definitions

ROOT = pathlib.Path(__file__).parents[2]
LONG = 'x' * 300


@pytest.fixture
def load(tmp_path):
    """Loads a text, or several files of it, into a configuration of its own."""

    def load(*texts: str, **sources) -> cfg.ConfigOpts:
        conf = cfg.ConfigOpts()
        conf.register_opt(cfg.StrOpt('state_path', default='/var/lib/nova'))
        opts.register(conf)
        files = []
        for number, text in enumerate(texts):
            path = tmp_path / f'{number}.conf'
            path.write_text(text, encoding='utf-8')
            files.append(f'--config-file={path}')
        conf(files, default_config_files=[], default_config_dirs=[], **sources)
        return conf

    return load


def enabled(types: str, rest: str = '') -> str:
    return f'[devices]\nenabled_mdev_types = {types}\n{rest}\n'


def only(conf: cfg.ConfigOpts) -> policy.TypeRule:
    """The one rule, where nothing is wrong."""
    read, problems = opts.policy_from(conf)
    assert problems == ()
    (rule,) = read.rules
    return rule


def places(problems) -> list[tuple[str, str]]:
    return [(p.group, p.option) for p in problems]


# What is read

VALUES = [
    ('device_addresses', '0000:84:00.0, mtty', ('0000:84:00.0', 'mtty')),
    ('mdev_class', 'mlx5', 'CUSTOM_MLX5'),
    ('max_instances', '3', 3),
    ('max_instances_per_device', '2', 2),
    ('traits', 'CUSTOM_A, CUSTOM_B', ('CUSTOM_A', 'CUSTOM_B')),
    ('drain', 'true', True),
    ('on_release', 'keep', policy.OnRelease.KEEP),
    (
        'attributes',
        'assign_adapter=5, assign_adapter=6, assign_domain=0x4',
        (('assign_adapter', '5'), ('assign_adapter', '6'), ('assign_domain', '0x4')),
    ),
    ('display', 'false', False),
    ('ramfb', 'true', True),
]
OPTIONS = [option for option, _, _ in VALUES]


def field(option: str) -> str:
    return 'resource_class' if option == 'mdev_class' else option


@pytest.mark.parametrize('prefix', ['mdev_', 'vgpu_'])
@pytest.mark.parametrize(('option', 'text', 'value'), VALUES, ids=OPTIONS)
def test_each_option_is_read_from_either_group(load, prefix, option, text, value):
    rule = only(load(enabled('a-1', f'[{prefix}a-1]\n{option} = {text}')))
    assert getattr(rule, field(option)) == value
    default = policy.TypeRule(mdev_type='a-1')
    for other in OPTIONS:
        if other != option:
            assert getattr(rule, field(other)) == getattr(default, field(other))


@pytest.mark.parametrize(('option', 'text', 'value'), VALUES, ids=OPTIONS)
def test_of_both_groups_at_once_ours_counts_option_by_option(load, option, text, value):
    legacy = {'mdev_class': 'old', 'max_instances': '9', 'traits': 'CUSTOM_OLD'}
    old = '\n'.join(f'{o} = {v}' for o, v in legacy.items())
    rule = only(load(enabled('a-1', f'[vgpu_a-1]\n{old}\n[mdev_a-1]\n{option}={text}')))
    expected = {
        'mdev_class': 'CUSTOM_OLD', 'max_instances': 9, 'traits': ('CUSTOM_OLD',)
    } | {option: value}  # fmt: skip
    for name, wanted in expected.items():
        assert getattr(rule, field(name)) == wanted


def test_the_options_are_those_of_the_design():
    assert [opt.name for opt in definitions.type_opts('a')] == OPTIONS


def test_the_legacy_list_of_types(load):
    assert only(load('[devices]\nenabled_vgpu_types = a-1')).mdev_type == 'a-1'


def test_of_both_lists_of_types_ours_counts(load):
    text = '[devices]\nenabled_vgpu_types = old\nenabled_mdev_types = new'
    assert only(load(text)).mdev_type == 'new'


def test_rules_are_in_the_order_of_the_types(load):
    read, _ = opts.policy_from(load(enabled('c, a, b')))
    assert [rule.mdev_type for rule in read.rules] == ['c', 'a', 'b']


def test_overrides(load):
    conf = load()
    conf.set_override('enabled_mdev_types', ['a-1'], group='devices')
    assert only(conf) == policy.TypeRule(mdev_type='a-1')
    conf.set_override('max_instances', 7, group='mdev_a-1')
    conf.set_override('drain', True, group='mdev_a-1')
    assert only(conf) == policy.TypeRule(mdev_type='a-1', max_instances=7, drain=True)


def test_two_configurations_do_not_know_of_each_other(load):
    one = load(enabled('a-1', '[mdev_a-1]\nmax_instances = 1'))
    other = load(enabled('a-1', '[mdev_a-1]\nmax_instances = 2'))
    assert (only(one).max_instances, only(other).max_instances) == (1, 2)


def test_an_override_stays_in_its_configuration(load):
    one, other = load(), load()
    one.set_override('enabled_mdev_types', ['a-1'], group='devices')
    one.set_override('reuse_found', False, group='generic_mdev')
    assert opts.policy_from(other) == (policy.Policy(), ())


def test_reading_twice_gives_the_same(load):
    conf = load(enabled('a-1, b', '[mdev_a-1]\nmax_instances = x\n[mdev_c]\ny=1'))
    assert opts.policy_from(conf) == opts.policy_from(conf)


def test_nothing_need_be_registered_before():
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[])
    assert opts.policy_from(conf) == (policy.Policy(), ())


def test_a_configuration_that_was_never_loaded():
    conf = cfg.ConfigOpts()
    opts.register(conf)
    conf.set_override('enabled_mdev_types', ['a-1'], group='devices')
    assert only(conf).mdev_type == 'a-1'


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        pytest.param('VGPU', 'VGPU', id='the standard class'),
        pytest.param('vGpu', 'VGPU', id='the standard class in any case'),
        pytest.param('CUSTOM_MLX5', 'CUSTOM_MLX5', id='a custom class'),
        pytest.param('custom_mlx5', 'CUSTOM_MLX5', id='a custom class in lower case'),
        pytest.param('mlx5', 'CUSTOM_MLX5', id='the short form'),
        pytest.param('CUSTOM_CUSTOM_MLX5', 'CUSTOM_MLX5', id='never twice custom'),
        pytest.param('PGPU', 'CUSTOM_PGPU', id='another standard class is ours'),
        pytest.param('x' * 248, 'CUSTOM_' + 'X' * 248, id='as long as it may be'),
    ],
)
def test_a_class(load, text, value):
    conf = load(enabled('a-1', f'[mdev_a-1]\nmdev_class = {text}'))
    assert only(conf).resource_class == value


@pytest.mark.parametrize(
    ('mdev_type', 'group'),
    [
        pytest.param('with space-1', 'mdev_with space-1', id='spaces'),
        pytest.param('größe-1', 'mdev_größe-1', id='unicode'),
        pytest.param('i915-GVTg_V5_4', 'mdev_i915-GVTg_V5_4', id='upper case'),
        pytest.param('i915-GVTg_V5_4', 'mdev_i915-gvtg_v5_4', id='a group in its own'),
        pytest.param('a.b-1', 'MDEV_a.b-1', id='a prefix in upper case'),
        pytest.param('x' * 255, 'mdev_' + 'x' * 255, id='255 characters'),
    ],
)
def test_a_type_may_be_called(load, mdev_type, group):
    conf = load(enabled(mdev_type, f'[{group}]\nmax_instances = 3'))
    assert only(conf) == policy.TypeRule(mdev_type=mdev_type, max_instances=3)


@pytest.mark.parametrize(
    ('text', 'addresses'),
    [
        pytest.param('', (), id='nothing'),
        pytest.param('mtty,', ('mtty',), id='a comma at the end'),
        pytest.param(',mtty,,mdpy', ('mtty', 'mdpy'), id='commas too many'),
        pytest.param(',', (), id='a comma alone'),
        pytest.param('mtty,\n  mdpy', ('mtty', 'mdpy'), id='on two lines'),
    ],
)
def test_a_list(load, text, addresses):
    conf = load(enabled('a-1,', f'[mdev_a-1]\ndevice_addresses = {text}'))
    assert only(conf).device_addresses == addresses


# What cannot be read

BAD = {
    'mdev_class': ['ml-x5', '', 'CUSTOM_', '-', 'grö', 'x' * 249, '$nothing'],
    'max_instances': ['0', '-1', 'x', '1.5', '$nothing', '$max_instances'],
    'max_instances_per_device': ['0', 'many'],
    'drain': ['perhaps', '2', '$nothing'],
    'on_release': ['never', 'REMOVE'],
    'attributes': [
        'x', '=5', 'a b=1', '..=1', '../remove=1', 'x=$nothing', 'a=1\n  2',
        'remove=1', 'uevent=add', 'driver_override=vfio',
    ],
    'device_addresses': ['$nothing'],
    'traits': ['$nothing'],
    'display': ['perhaps'],
    'ramfb': ['on and off', '$nothing'],
}  # fmt: skip


@pytest.mark.parametrize('prefix', ['mdev_', 'vgpu_'])
@pytest.mark.parametrize(
    ('option', 'text'),
    [(option, text) for option, texts in BAD.items() for text in texts],
)
def test_a_value_that_cannot_be_parsed(load, prefix, option, text):
    conf = load(enabled('a-1', f'[{prefix}a-1]\n{option} = {text}'))
    read, (problem,) = opts.policy_from(conf)
    assert (problem.group, problem.option) == ('mdev_a-1', option)
    assert (problem.severity, problem.fatal) == (model.Severity.ERROR, True)
    assert problem.problem
    assert problem.remedy
    (rule,) = read.rules
    assert rule.unparsed == {option}
    assert not rule.is_served


def test_a_dollar_sign_that_refers_to_nothing_is_told_as_such(load):
    conf = load(enabled('a-1', '[mdev_a-1]\nattributes = price=$nothing'))
    _, (problem,) = opts.policy_from(conf)
    assert '"$" in its value means an option' in problem.problem
    assert 'nothing' in problem.problem


def test_a_dollar_sign_is_written_twice(load):
    rule = only(load(enabled('a-1', '[mdev_a-1]\nattributes = price=$$5')))
    assert rule.attributes == (('price', '$5'),)


def test_each_attribute_that_cannot_be_parsed_is_told(load):
    conf = load(enabled('a-1', '[mdev_a-1]\nattributes = x, y=1, z'))
    _, problems = opts.policy_from(conf)
    assert [p.problem.split()[0] for p in problems] == ["'x'", "'z'"]


@pytest.mark.parametrize('first', BAD)
def test_all_mistakes_are_told_at_once_whichever_is_the_first(load, first):
    order = [first, *(option for option in BAD if option != first)]
    groups = '\n'.join(
        f'[mdev_t-{n}]\n{option} = {BAD[option][0]}' for n, option in enumerate(order)
    )
    types = ', '.join(f't-{n}' for n in range(len(order)))
    own = '[generic_mdev]\nbackend = x\nreuse_found = x\nstate_path = here'
    conf = load(enabled(f'{types}, ..', f'{groups}\n{own}\n[mdev_misspelt]\n'))
    read, problems = opts.policy_from(conf)
    assert set(places(problems)) == {
        ('devices', 'enabled_mdev_types'),
        *((f'mdev_t-{n}', option) for n, option in enumerate(order)),
        *(('generic_mdev', o) for o in ('backend', 'reuse_found', 'state_path')),
        ('mdev_misspelt', ''),
    }
    assert len(read.rules) == len(order)


def test_all_mistakes_of_one_group_are_told_at_once(load):
    group = '\n'.join(f'{option} = {texts[0]}' for option, texts in BAD.items())
    _, problems = opts.policy_from(load(enabled('a-1', f'[mdev_a-1]\n{group}')))
    assert {option for _, option in places(problems)} == set(BAD)


@pytest.mark.parametrize(
    ('types', 'rules', 'fatal'),
    [
        pytest.param('.., a', ['a'], True, id='the parent directory'),
        pytest.param('a/b, a', ['a'], True, id='a slash'),
        pytest.param(f'a, {LONG}', ['a'], True, id='300 characters'),
        pytest.param('a\n  b', [], True, id='two lines without a comma'),
        pytest.param('a, b, a', ['a', 'b'], False, id='twice'),
        pytest.param('A-1, a-1', ['A-1'], True, id='twice but for the case'),
        pytest.param('$nothing, a', [], True, id='a reference to nothing'),
    ],
)
def test_a_type_that_cannot_be(load, types, rules, fatal):
    read, (problem,) = opts.policy_from(load(enabled(types)))
    assert [rule.mdev_type for rule in read.rules] == rules
    assert (problem.group, problem.option) == ('devices', 'enabled_mdev_types')
    assert problem.fatal is fatal
    assert len(str(problem)) < 400


def test_a_list_of_types_that_cannot_be_read_is_one_problem(load):
    conf = load(enabled('$nothing', '[mdev_a]\nmax_instances = 1'))
    _, problems = opts.policy_from(conf)
    assert places(problems) == [('devices', 'enabled_mdev_types')]


# What nobody reads


@pytest.mark.parametrize(
    ('text', 'place', 'word'),
    [
        pytest.param('[mdev_a-2]', ('mdev_a-2', ''), 'a-2', id='a type misspelt'),
        pytest.param('[vgpu_a-2]', ('vgpu_a-2', ''), 'a-2', id='in the legacy group'),
        pytest.param('[mdev_]', ('mdev_', ''), "''", id='a type left out'),
        pytest.param('[MDEV_A-2]', ('MDEV_A-2', ''), 'A-2', id='in upper case'),
        pytest.param(
            '[mdev_a-1]\nmax_instance = 3',
            ('mdev_a-1', 'max_instance'),
            'max_instances?',
            id='an option misspelt',
        ),
        pytest.param(
            '[vgpu_a-1]\ndevice_adresses = x',
            ('vgpu_a-1', 'device_adresses'),
            'device_addresses?',
            id='an option misspelt in the legacy group',
        ),
        pytest.param(
            '[mdev_a-1]\nmax-instances = 3',
            ('mdev_a-1', 'max-instances'),
            'max_instances?',
            id='a dash for an underscore',
        ),
        pytest.param(
            '[generic_mdev]\nzzz = 3',
            ('generic_mdev', 'zzz'),
            'backend, reuse_found, state_path',
            id='an option that is like none',
        ),
        pytest.param(
            '[devices]\nenabled_mdev_type = b',
            ('devices', 'enabled_mdev_type'),
            'enabled_mdev_types?',
            id='the list of types misspelt',
        ),
    ],
)
def test_what_nobody_reads_is_a_warning(load, text, place, word):
    read, (problem,) = opts.policy_from(load(enabled('a-1', text)))
    assert (problem.group, problem.option) == place
    assert problem.severity is model.Severity.WARNING
    assert word in str(problem)
    assert [rule.mdev_type for rule in read.rules] == ['a-1']


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('[DEFAULT]\ndebug = true', id='of the service'),
        pytest.param('[libvirt]\nvirt_type = kvm', id='of the driver'),
        pytest.param('[mdevice]\nx = 1', id='called alike'),
        pytest.param('[devices]\nenabled_vgpu_types = a-1', id='the legacy list'),
    ],
)
def test_what_others_read_is_not_ours_to_judge(load, text):
    only(load(enabled('a-1', text)))


def test_each_file_is_searched(load, tmp_path):
    folder = tmp_path / 'conf.d'
    folder.mkdir()
    (folder / 'a.conf').write_text('[mdev_a-1]\nmax_instance = 3\n')
    (folder / 'a.txt').write_text('[mdev_a-1]\nno_configuration = 3\n')
    base = tmp_path / 'nova.conf'
    base.write_text(enabled('a-1', '[mdev_a-1]\ndrian = true'))
    conf = cfg.ConfigOpts()
    conf([f'--config-file={base}', f'--config-dir={folder}'])
    _, problems = opts.policy_from(conf)
    assert places(problems) == [('mdev_a-1', 'drian'), ('mdev_a-1', 'max_instance')]


def test_a_file_that_went_since_it_was_loaded(load, tmp_path):
    conf = load(enabled('a-1', '[mdev_a-1]\ndrian = true'))
    (tmp_path / '0.conf').unlink()
    assert only(conf).mdev_type == 'a-1'


# Our own group


@pytest.mark.parametrize(
    ('text', 'path'),
    [
        pytest.param('', '/var/lib/nova/mdev', id='below what Nova has'),
        pytest.param('[DEFAULT]\nstate_path = /n', '/n/mdev', id='below where Nova is'),
        pytest.param('[generic_mdev]\nstate_path = /own', '/own', id='our own'),
        pytest.param('[generic_mdev]\nstate_path =', '/var/lib/nova/mdev', id='empty'),
    ],
)
def test_the_state_path(load, text, path):
    assert opts.state_path(load(text)) == path


@pytest.mark.parametrize(
    'value',
    [
        pytest.param('here', id='relative'),
        pytest.param('$state_path/mdev', id='the option itself'),
        pytest.param('$nothing/mdev', id='no option'),
    ],
)
def test_a_state_path_that_cannot_be(load, value):
    conf = load(f'[generic_mdev]\nstate_path = {value}')
    with pytest.raises(exceptions.ConfigError) as caught:
        opts.state_path(conf)
    assert caught.value.problems == opts.policy_from(conf)[1]
    assert places(caught.value.problems) == [('generic_mdev', 'state_path')]


def test_a_state_path_of_nova_that_cannot_be(load):
    with pytest.raises(exceptions.ConfigError) as caught:
        opts.state_path(load('[DEFAULT]\nstate_path = $nothing'))
    assert places(caught.value.problems) == [('DEFAULT', 'state_path')]


@pytest.mark.parametrize(
    ('text', 'expected'), [('', True), ('true', True), ('false', False), ('x', True)]
)
def test_whether_found_mdevs_are_reused(load, text, expected):
    line = f'reuse_found = {text}' if text else ''
    read, problems = opts.policy_from(load(f'[generic_mdev]\n{line}'))
    assert read.reuse_found is expected
    assert bool(problems) is (text == 'x')


@pytest.mark.parametrize(
    ('backend', 'severity'),
    [
        ('auto', None),
        ('sysfs', None),
        ('libvirt', None),
        ('x', model.Severity.ERROR),
    ],
)
def test_the_backend(load, backend, severity):
    _, problems = opts.policy_from(load(f'[generic_mdev]\nbackend = {backend}'))
    assert [p.severity for p in problems] == ([severity] if severity else [])


# Beside Nova

NOVA = [
    cfg.ListOpt('enabled_mdev_types', default=[], deprecated_name='enabled_vgpu_types'),
]
NOVA_TYPE = [
    cfg.ListOpt('device_addresses', default=[], deprecated_group='vgpu_a-1'),
    cfg.StrOpt('mdev_class', default='VGPU', regex='^(VGPU|CUSTOM_[A-Z0-9_]+)$'),
    cfg.IntOpt('max_instances', min=1),
]
BESIDE = enabled(
    'a-1',
    '[mdev_a-1]\nmdev_class = CUSTOM_X\nmax_instances = 3\ntraits = CUSTOM_T\n'
    '[vgpu_a-1]\ndevice_addresses = mtty',
)


@pytest.mark.parametrize('registered', ['before ours', 'between ours and reading'])
def test_nova_may_register_its_own_first(tmp_path, registered):
    path = tmp_path / 'nova.conf'
    path.write_text(BESIDE)
    conf = cfg.ConfigOpts()
    if registered == 'before ours':
        conf.register_opts(NOVA, group='devices')
    opts.register(conf)
    conf.register_opts(NOVA_TYPE, group='mdev_a-1')
    conf([f'--config-file={path}'])
    assert only(conf) == policy.TypeRule(
        mdev_type='a-1',
        resource_class='CUSTOM_X',
        device_addresses=('mtty',),
        max_instances=3,
        traits=('CUSTOM_T',),
    )


def test_what_nova_refuses_is_a_problem(tmp_path):
    path = tmp_path / 'nova.conf'
    path.write_text(enabled('a-1', '[mdev_a-1]\nmdev_class = mlx5'))
    conf = cfg.ConfigOpts()
    conf.register_opts(NOVA_TYPE, group='mdev_a-1')
    conf([f'--config-file={path}'])
    assert places(opts.policy_from(conf)[1]) == [('mdev_a-1', 'mdev_class')]


# Many


def test_thousands_of_types(load):
    types = [f't-{n}' for n in range(3000)]
    groups = '\n'.join(f'[mdev_{t}]\nmdev_class = C_{t[2:]}' for t in types)
    conf = load(enabled(','.join(types), groups))
    before = time.process_time()
    read, problems = opts.policy_from(conf)
    took = time.process_time() - before
    assert problems == ()
    assert len(read.rules) == 3000
    # About 2 ms for each; what grows with their square would take minutes.
    assert took < 60


# The sample


def generated() -> str:
    conf = cfg.ConfigOpts()
    generator.register_cli_opts(conf)
    conf([f'--config-file={ROOT}/conf/nova-generic-mdev.conf'])
    text = io.StringIO()
    generator.generate(conf, output_file=text)
    return text.getvalue()


@pytest.mark.parametrize(
    ('group', 'option'),
    [(group.name, opt.name) for group, options in opts.list_opts() for opt in options],
)
def test_the_generator_lists(group, option):
    text = generated()
    start = text.index(f'\n[{group}]')
    end = text.find('\n[', start + 1)
    assert f'\n#{option} =' in text[start : end if end > 0 else None]


def test_the_sample_is_the_generated_one():
    assert (ROOT / 'conf/nova-generic-mdev.conf.sample').read_text() == generated()


def test_every_line_of_the_sample_can_be_used(load):
    """As an operator does: take the ``#`` away and put a type's name in."""
    lines = [
        line.removeprefix('#')
        for line in generated().replace('<type>', 'a-1').splitlines()
        if re.match(r'\[|#[a-z_]+ =', line) and '<None>' not in line
    ]
    text = '\n'.join(lines).replace('enabled_mdev_types =', 'enabled_mdev_types = a-1')
    conf = load(text)
    assert only(conf) == policy.TypeRule(mdev_type='a-1')
    assert opts.state_path(conf) == '/var/lib/nova/mdev'
    # Every group, and every option that has a default: the two limits and the
    # three of the helper have none.
    assert len(lines) == 5 + 15 - 5
