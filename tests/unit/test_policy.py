# SPDX-License-Identifier: Apache-2.0
"""What an operator wants, held against what a host has."""

from __future__ import annotations

import collections

import hypothesis
import pytest
from hypothesis import strategies as st

from nova_generic_mdev import addresses
from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev import policy

A, B, C = '0000:84:00.0', '0000:84:00.4', '0000:af:00.0'
PCI = {a: names.node_device('pci', a) for a in (A, B, C)}
X, Y, Z = 'x-1', 'x-2', 'x-3'


def parent(subsystem='pci', sysname=A, types=(X, Y), count=4, api='vfio-pci'):
    return model.Parent(
        name=names.node_device(subsystem, sysname),
        sysname=sysname,
        subsystem=subsystem,
        types={
            t: model.MdevType(id=t, available_instances=count, device_api=api)
            for t in types
        },
        address=sysname if subsystem == 'pci' else None,
    )


PCI_A, PCI_B, PCI_C = (parent(sysname=address) for address in (A, B, C))
MTTY = parent('mtty', 'mtty')
CSS = parent('css', '0.0.0023')
MATRIX = parent('matrix', 'matrix')
ALL = (PCI_A, PCI_B, PCI_C, MTTY, CSS, MATRIX)


def rule(mdev_type=X, *where, **more):
    return policy.TypeRule(mdev_type=mdev_type, device_addresses=where, **more)


def resolve(*rules, parents=ALL):
    return policy.resolve(policy.Policy(rules=rules), parents)


def served(resolution):
    return {
        name: [r.mdev_type for r in rules] for name, rules in resolution.rules.items()
    }


def told(resolution):
    """Severity, fatal, group and option of each problem."""
    return [
        (p.severity.value + ('!' if p.fatal else ''), p.group, p.option)
        for p in resolution.problems
    ]


def error(mdev_type, option='device_addresses'):
    return 'error', f'mdev_{mdev_type}', option


def fatal(mdev_type, option='device_addresses'):
    return 'error!', f'mdev_{mdev_type}', option


def warning(mdev_type, option='device_addresses'):
    return 'warning', f'mdev_{mdev_type}', option


# Addresses


@pytest.mark.parametrize(
    ('address', 'expected'),
    [
        pytest.param(A, [PCI_A], id='a PCI address'),
        pytest.param('0000:AF:00.0', [PCI_C], id='a PCI address in upper case'),
        pytest.param('pci_0000_af_00_0', [PCI_C], id='its node device'),
        pytest.param('pci_0000_AF_00_0', [PCI_C], id='its node device in upper case'),
        pytest.param('mtty', [MTTY], id='a sysfs name'),
        pytest.param('mtty_mtty', [MTTY], id='a node device'),
        pytest.param('0.0.0023', [CSS], id="a subchannel's bus id"),
        pytest.param('css_0_0_0023', [CSS], id="a subchannel's node device"),
        pytest.param('matrix', [MATRIX], id='the matrix by its sysfs name'),
        pytest.param('ap_matrix', [MATRIX], id='the matrix by its node device'),
        pytest.param('0000:84:00.*', [PCI_A, PCI_B], id='a pattern of addresses'),
        pytest.param('0000:A[A-F]:*', [PCI_C], id='a pattern in upper case'),
        pytest.param('pci_0000_84_00_?', [PCI_A, PCI_B], id='a pattern of names'),
        pytest.param('m*', [MTTY, MATRIX], id='a pattern of sysfs names'),
        pytest.param('*', list(ALL), id='everything'),
        pytest.param('MTTY', [], id='a sysfs name has a case'),
        pytest.param('0000:84:00', [], id='half an address'),
        pytest.param('84:00.0', [], id='an address without a domain'),
        pytest.param('', [], id='nothing'),
    ],
)
def test_an_address_means(address, expected):
    assert list(addresses.parents_at(address, ALL)) == expected
    is_there = served(resolve(rule(X, address)))
    assert set(is_there) == {p.name for p in expected}


def test_two_parents_of_one_sysname_are_both_meant():
    twins = (parent('a', 'same'), parent('b', 'same'))
    assert set(served(resolve(rule(X, 'same'), parents=twins))) == {'a_same', 'b_same'}


def test_a_clash_on_each_of_two_parents_of_one_sysname():
    twins = (parent('a', 'same'), parent('b', 'same'))
    both = resolve(rule(X, 'same'), rule(Y, 'a_same', 'b_same'), parents=twins)
    assert told(both) == [fatal(Y)] * 2


# Which rule holds where


@pytest.mark.parametrize(
    ('rules', 'expected'),
    [
        pytest.param(
            [rule(X)],
            {p.name: [X] for p in ALL},
            id='a default holds wherever its type is',
        ),
        pytest.param(
            [rule(X), rule(Y, A)],
            {p.name: [Y] if p is PCI_A else [X] for p in ALL},
            id='a default leaves what another rule names',
        ),
        pytest.param(
            [rule(X), rule(Y, '0000:*')],
            {p.name: [Y] if p.address else [X] for p in ALL},
            id='a default leaves what another rule fits',
        ),
        pytest.param(
            [rule(X), rule(Y, A, drain=True)],
            {p.name: [Y] if p is PCI_A else [X] for p in ALL},
            id='a default leaves what another rule drains',
        ),
        pytest.param(
            [rule(X, A, resource_class='CUSTOM_ONE'), rule(Y, A)],
            {PCI[A]: [X, Y]},
            id='two classes on one parent',
        ),
        pytest.param(
            [rule(Y, A), rule(X, A, drain=True)],
            {PCI[A]: [Y, X]},
            id='a type is exchanged: the old one drains',
        ),
        pytest.param(
            [rule(X, A, drain=True), rule(Y, A)],
            {PCI[A]: [X, Y]},
            id='a type is exchanged: the old one comes first',
        ),
        pytest.param(
            [rule(X, A, drain=True), rule(Y, A, drain=True)],
            {PCI[A]: [X, Y]},
            id='both drain',
        ),
        pytest.param(
            [rule(X, A, '0000:84:00.*', PCI[A])],
            {PCI[A]: [X], PCI[B]: [X]},
            id='one parent in three forms is one',
        ),
        pytest.param([], {}, id='nothing is enabled'),
    ],
)
def test_rules_hold(rules, expected):
    resolution = resolve(*rules)
    assert served(resolution) == expected
    assert resolution.problems == ()


def test_the_rule_of_a_class_is_the_one_that_does_not_drain():
    old, new = rule(X, A, drain=True), rule(Y, A)
    resolution = resolve(old, new)
    assert resolution.rule(PCI[A], 'VGPU') == new
    assert resolution.rule(PCI[A], 'CUSTOM_ONE') is None
    assert resolution.rule(PCI[B], 'VGPU') is None


# What is wrong

NARROW = parent(sysname=A, types=(X,))
UNREADABLE = parent(sysname=A, count=None)


@pytest.mark.parametrize(
    ('rules', 'parents', 'problems', 'expected'),
    [
        pytest.param(
            [rule(X, A), rule(Y)],
            ALL,
            [warning(Y)],
            {PCI[A]: [X]},
            id='a default that is not the first',
        ),
        pytest.param(
            [rule(X), rule(Y)],
            [PCI_A],
            [warning(Y)],
            {PCI[A]: [X]},
            id='a second default',
        ),
        pytest.param(
            [rule(X), rule(Y), rule(Z)],
            [PCI_A],
            [warning(Y), warning(Z)],
            {PCI[A]: [X]},
            id='a second and a third default',
        ),
        pytest.param(
            [rule(X, A), rule(Y, A)],
            ALL,
            [fatal(Y)],
            {PCI[A]: [X]},
            id='one class twice by the same name',
        ),
        pytest.param(
            [rule(X, A), rule(Y, PCI[A])],
            ALL,
            [fatal(Y)],
            {PCI[A]: [X]},
            id='one class twice by an address and a node device',
        ),
        pytest.param(
            [rule(X, 'mtty'), rule(Y, 'mtty_mtty')],
            ALL,
            [fatal(Y)],
            {MTTY.name: [X]},
            id='one class twice by a sysfs name and a node device',
        ),
        pytest.param(
            [rule(X, C), rule(Y, C.upper())],
            ALL,
            [fatal(Y)],
            {PCI[C]: [X]},
            id='one class twice in two cases',
        ),
        pytest.param(
            [rule(X, C.upper()), rule(Y, PCI[C])],
            [],
            [fatal(Y), warning(X), warning(Y)],
            {},
            id='one class twice on a parent that is not there',
        ),
        pytest.param(
            [rule(X, A), rule(Y, A), rule(Z, A)],
            [parent(sysname=A, types=(X, Y, Z))],
            [fatal(Y), fatal(Z)],
            {PCI[A]: [X]},
            id='one class three times',
        ),
        pytest.param(
            [rule(X, '0000:84:*'), rule(Y, A)],
            ALL,
            [error(Y)],
            {PCI[A]: [X], PCI[B]: [X]},
            id='a name after a pattern yields',
        ),
        pytest.param(
            [rule(X, A), rule(Y, '0000:84:*')],
            ALL,
            [error(Y)],
            {PCI[A]: [X], PCI[B]: [Y]},
            id='a pattern after a name yields, on that parent',
        ),
        pytest.param(
            [rule(X, '0000:84:*'), rule(Y, 'pci*')],
            ALL,
            [error(Y), error(Y)],
            {PCI[A]: [X], PCI[B]: [X], PCI[C]: [Y]},
            id='a pattern after a pattern yields, on each parent',
        ),
        pytest.param(
            [rule(Z, A), rule(X, B)],
            ALL,
            [error(Z)],
            {PCI[B]: [X]},
            id='a named parent does not support the type',
        ),
        pytest.param(
            [rule(Y, '0000:84:*')],
            [NARROW, PCI_B],
            [],
            {PCI[B]: [Y]},
            id='a pattern passes over what does not support the type',
        ),
        pytest.param(
            [rule(Y, A), rule(X, 'pci*')],
            [NARROW],
            [error(Y)],
            {PCI[A]: [X]},
            id='a rule that cannot hold takes no place',
        ),
        pytest.param(
            [rule(X, '0000:01:00.0')],
            ALL,
            [warning(X)],
            {},
            id='an address that is not there',
        ),
        pytest.param(
            [rule(X, '0000:01:00.0', '0000:01:00.0', A)],
            ALL,
            [warning(X)],
            {PCI[A]: [X]},
            id='an address that is not there, twice',
        ),
        pytest.param(
            [rule(X, '0000:01:*')],
            ALL,
            [warning(X)],
            {},
            id='a pattern that nothing fits',
        ),
        pytest.param(
            [rule(Y, '0000:84:00.0*')],
            [NARROW],
            [warning(Y)],
            {},
            id='a pattern that fits what does not support the type',
        ),
        pytest.param(
            [rule(X, A)],
            [UNREADABLE],
            [error(X)],
            {PCI[A]: [X]},
            id='a count that cannot be read',
        ),
        pytest.param(
            [rule(Z)],
            ALL,
            [('warning', 'devices', 'enabled_mdev_types')],
            {},
            id='a default that nothing supports',
        ),
        pytest.param(
            [rule(Y), rule(X, A)],
            [PCI_A],
            [('warning', 'devices', 'enabled_mdev_types')],
            {PCI[A]: [X]},
            id='a default of which all parents are named by others',
        ),
        pytest.param(
            [rule(X, A, traits=('HW_NOT_STANDARD',))],
            ALL,
            [warning(X, 'traits')],
            {PCI[A]: [X]},
            id='an unknown standard trait',
        ),
        pytest.param(
            [rule(X, A, traits=('custom_lower', 'CUSTOM-DASH', 'CUSTOM_' + 'X' * 249))],
            ALL,
            [warning(X, 'traits')] * 3,
            {PCI[A]: [X]},
            id='illegal traits',
        ),
        pytest.param(
            [rule('x-1', A), rule('x.1', B), rule('X_1', C)],
            [parent(sysname=a, types=('x-1', 'x.1', 'X_1')) for a in (A, B, C)],
            [warning('x.1', 'traits'), warning('X_1', 'traits')],
            {PCI[A]: ['x-1'], PCI[B]: ['x.1'], PCI[C]: ['X_1']},
            id='three types that normalise to one trait',
        ),
        pytest.param(
            [rule(X, A, attributes=(('assign_adapter', '5'),))],
            ALL,
            [error(X, 'attributes')],
            {},
            id='exclusive attributes without a limit',
        ),
        pytest.param(
            [rule(X, A, attributes=(('ap_config', '0x05,0x04,0x00'),))],
            ALL,
            [error(X, 'attributes')],
            {},
            id='the exclusive ones all at once',
        ),
        pytest.param(
            [rule(X, A, attributes=(('assign_domain', '5'),), max_instances=2)],
            ALL,
            [error(X, 'attributes')],
            {},
            id='exclusive attributes with a limit of two',
        ),
        pytest.param(
            [rule(X, A, attributes=(('assign_domain', '5'),), max_instances=1)],
            ALL,
            [],
            {PCI[A]: [X]},
            id='exclusive attributes with a limit of one',
        ),
        pytest.param(
            [rule(X, A, attributes=(('buffer', '5'),))],
            ALL,
            [],
            {PCI[A]: [X]},
            id='attributes that are not exclusive',
        ),
        pytest.param(
            [rule(X, A, display=True, ramfb=True), rule(Y, B, display=False)],
            ALL,
            [],
            {PCI[A]: [X], PCI[B]: [Y]},
            id='displays',
        ),
        pytest.param(
            [rule(X, A, ramfb=True), rule(Y, B, display=False, ramfb=True)],
            ALL,
            [error(X, 'ramfb'), error(Y, 'ramfb')],
            {},
            id='a boot display that is no display',
        ),
        pytest.param(
            [rule(X, A, ramfb=False)], ALL, [], {PCI[A]: [X]}, id='no boot display'
        ),
        pytest.param(
            [rule(X, 'm*', display=True)],
            (MTTY, parent('matrix', 'matrix', api='vfio-ap')),
            [error(X, 'display')],
            {'mtty_mtty': [X]},
            id='a display on one parent that can have it, and on one that cannot',
        ),
        pytest.param(
            [
                rule(X, A, display=False),
                rule(Y, A, resource_class='CUSTOM_Y', ramfb=False),
            ],
            [parent(api='vfio-ccw')],
            [error(X, 'display'), error(Y, 'ramfb')],
            {},
            id='no display, of what never is one',
        ),
        pytest.param(
            [rule(X, A, display=True)],
            [parent(api=None)],
            [],
            {PCI[A]: [X]},
            id='a display, of what does not tell',
        ),
    ],
)
def test_problems(rules, parents, problems, expected):
    resolution = resolve(*rules, parents=parents)
    assert told(resolution) == problems
    assert served(resolution) == expected


@pytest.mark.parametrize(
    ('broken', 'others', 'problems'),
    [
        pytest.param(
            rule(X, A, unparsed=frozenset({'max_instances'})),
            [rule(Y, A)],
            [fatal(Y)],
            id='it clashes all the same',
        ),
        pytest.param(
            rule(X, A, unparsed=frozenset({'mdev_class'})),
            [rule(Y, A)],
            [],
            id='it does not clash where its class is not known',
        ),
        pytest.param(
            rule(X, A, unparsed=frozenset({'drain'})),
            [rule(Y, A)],
            [],
            id='it does not clash where it may drain',
        ),
        pytest.param(
            rule(X, '0000:01:00.0', unparsed=frozenset({'mdev_class'})),
            [],
            [warning(X)],
            id='its addresses are looked for',
        ),
        pytest.param(
            rule(X, unparsed=frozenset({'mdev_class'})),
            [rule(Y)],
            [warning(Y)],
            id='it is the default all the same',
        ),
        pytest.param(
            rule(Z, unparsed=frozenset({'device_addresses'})),
            [rule(Y, A)],
            [],
            id='it is no default where its addresses are not known',
        ),
        pytest.param(
            rule(
                X,
                A,
                attributes=(('assign_adapter', '5'),),
                unparsed=frozenset({'max_instances'}),
            ),
            [],
            [],
            id='its attributes may be for one mdev only',
        ),
        pytest.param(
            rule(X, A, ramfb=True, unparsed=frozenset({'display'})),
            [],
            [],
            id='it may be a display',
        ),
    ],
)
def test_a_rule_that_cannot_be_parsed_is_checked_and_gives_nothing(
    broken, others, problems
):
    resolution = resolve(broken, *others)
    assert told(resolution) == problems
    assert broken.mdev_type not in {t for ts in served(resolution).values() for t in ts}


def test_a_policy_is_checked_without_a_host():
    wrong = policy.Policy(
        rules=(
            rule(X, A, traits=('NOPE',)),
            rule(Y, A.upper(), PCI[B]),
            rule(Z),
        )
    )
    found = policy.check(wrong)
    assert [(p.group, p.option, p.fatal) for p in found] == [
        (f'mdev_{Z}', 'device_addresses', False),
        (f'mdev_{X}', 'traits', False),
        (f'mdev_{Y}', 'device_addresses', True),
    ]


@pytest.mark.parametrize(
    ('rules', 'parents', 'words'),
    [
        pytest.param(
            [rule(Z, A)],
            [PCI_A],
            [PCI[A], Z, 'x-1, x-2'],
            id='unsupported: the parent, the type, and what it supports',
        ),
        pytest.param(
            [rule('t-99', A)],
            [parent(sysname=A, types=[f't-{n:02}' for n in range(20)])],
            ['t-07, and 12 more'],
            id='unsupported: not all of many types',
        ),
        pytest.param(
            [rule(Z, A)],
            [parent(sysname=A, types=())],
            ['none'],
            id='unsupported: a parent without types',
        ),
        pytest.param(
            [rule(X, A), rule(Y, A)],
            [PCI_A],
            [PCI[A], X, Y, 'VGPU', 'mdev_class', 'drain'],
            id='a clash: who, where, and each way out',
        ),
        pytest.param(
            [rule(X, '0000:84:*'), rule(Y, A)],
            [PCI_A],
            [PCI[A], X, Y, 'VGPU', 'narrow the pattern'],
            id='a clash by a pattern',
        ),
        pytest.param(
            [rule(X, '0000:01:*')],
            [],
            ['0000:01:*', X, 'parent list'],
            id='a pattern without a match',
        ),
        pytest.param(
            [rule(X, f'{A}\n{B}')],
            ALL,
            [repr(f'{A}\n{B}')],
            id='a list without its commas is on one line',
        ),
        pytest.param(
            [rule(X, A, traits=('fast',))],
            ALL,
            ["'fast'", 'CUSTOM_FAST'],
            id='a trait and the legal one nearest to it',
        ),
        pytest.param(
            [rule(Y), rule(X, A)],
            [PCI_A],
            [Y, PCI[A], 'other groups'],
            id='a default with nothing left',
        ),
    ],
)
def test_a_problem_says_what_where_and_what_next(rules, parents, words):
    (problem,) = resolve(*rules, parents=parents).problems
    assert '\n' not in str(problem)
    for word in words:
        assert word in str(problem)


# Rules are validated when made


@pytest.mark.parametrize(
    'fields',
    [
        pytest.param({'mdev_type': '..'}, id='a type that is no name'),
        pytest.param({'resource_class': 'mlx5'}, id='a class in its short form'),
        pytest.param({'resource_class': 'CUSTOM_'}, id='a class without a name'),
        pytest.param({'max_instances': 0}, id='a limit of none'),
        pytest.param({'max_instances_per_device': -1}, id='a negative limit'),
    ],
)
def test_a_rule_cannot_be(fields):
    with pytest.raises(exceptions.MdevError):
        policy.TypeRule(**{'mdev_type': X, **fields})


def test_a_type_has_one_rule():
    with pytest.raises(exceptions.InvalidValue):
        policy.Policy(rules=(rule(X, A), rule(X, B)))


@pytest.mark.parametrize(
    ('limits', 'expected'),
    [
        pytest.param((None, None), None, id='none'),
        pytest.param((3, None), 3, id='of the host'),
        pytest.param((None, 2), 2, id='of a device'),
        pytest.param((3, 2), 2, id='the lower of both'),
    ],
)
def test_the_limit_of_a_provider(limits, expected):
    of_host, of_device = limits
    limited = rule(X, max_instances=of_host, max_instances_per_device=of_device)
    assert limited.limit == expected


# For all

TYPES = ('t-1', 't-2', 'T.2', 't-3')
SITES = (
    ('pci', A),
    ('pci', B),
    ('pci', C),
    ('mtty', 'mtty'),
    ('a', 'same'),
    ('b', 'same'),
)
SPELLINGS = (
    A, C.upper(), PCI[A], PCI[B].upper().replace('PCI', 'pci'), 'mtty', 'mtty_mtty',
    'same', 'a_same', '0000:84:*', 'pci*', '*', '[', 'nowhere', '0000:01:00.0',
)  # fmt: skip

hosts = st.lists(st.sampled_from(SITES), unique=True).flatmap(
    lambda sites: st.tuples(
        *(
            st.builds(
                parent,
                st.just(subsystem),
                st.just(sysname),
                st.sets(st.sampled_from(TYPES)),
                st.one_of(st.none(), st.integers(0, 3)),
            )
            for subsystem, sysname in sites
        )
    )
)


@st.composite
def policies(draw):
    enabled = draw(st.permutations(TYPES))[: draw(st.integers(0, len(TYPES)))]
    rules = [
        policy.TypeRule(
            mdev_type=mdev_type,
            resource_class=draw(st.sampled_from(['VGPU', 'CUSTOM_ONE'])),
            device_addresses=tuple(
                draw(st.lists(st.sampled_from(SPELLINGS), max_size=3))
            ),
            drain=draw(st.booleans()),
            max_instances=draw(st.sampled_from([None, 1, 2])),
            attributes=draw(st.sampled_from([(), (('assign_adapter', '1'),)])),
            display=draw(st.sampled_from([None, None, True])),
            ramfb=draw(st.sampled_from([None, None, True])),
        )
        for mdev_type in enabled
    ]
    return policy.Policy(rules=tuple(rules))


@hypothesis.given(wanted=policies(), parents=hosts, data=st.data())
def test_any_order_of_the_parents_gives_the_same(wanted, parents, data):
    shuffled = data.draw(st.permutations(parents))
    assert policy.resolve(wanted, parents) == policy.resolve(wanted, shuffled)


@hypothesis.given(wanted=policies(), parents=hosts, data=st.data())
def test_of_some_parents_the_rules_are_those_that_hold_among_all(wanted, parents, data):
    some = (
        data.draw(st.lists(st.sampled_from(parents), unique_by=id)) if parents else []
    )
    drained = {p.name for p in parents[:1]}
    of_all = policy.resolve(wanted, parents, drained).rules
    asked = {p.name for p in some}
    assert policy.rules_on(wanted, some, drained) == policy.Resolution(
        rules={name: rules for name, rules in of_all.items() if name in asked},
        drained=frozenset(drained),
    )


def test_what_others_are_called_costs_nothing(monkeypatch):
    """A host has hundreds of addresses, and an allocation is about one parent."""
    elsewhere = tuple(f'0000:{bus:02x}:00.0' for bus in range(128))
    wanted = policy.Policy(rules=(rule(X, A, *elsewhere), rule(Y, A, *elsewhere)))
    policy.rules_on(wanted, [PCI_A])
    looked = collections.Counter()
    spelled = names.pci_address_of
    monkeypatch.setattr(
        names, 'pci_address_of', lambda a: looked.update([a]) or spelled(a)
    )
    monkeypatch.setattr(names, 'is_pattern', lambda _: pytest.fail('read once more'))
    assert served(policy.rules_on(wanted, [PCI_A])) == {PCI_A.name: [X]}
    assert looked.total() <= 3


@hypothesis.given(wanted=policies(), parents=hosts)
def test_a_class_is_given_by_one_rule_at_most(wanted, parents):
    for rules in policy.resolve(wanted, parents).rules.values():
        giving = collections.Counter(r.resource_class for r in rules if not r.drain)
        assert not giving or max(giving.values()) == 1


@hypothesis.given(wanted=policies(), parents=hosts)
def test_a_rule_holds_only_where_its_type_is(wanted, parents):
    types = {p.name: p.types for p in parents}
    for name, rules in policy.resolve(wanted, parents).rules.items():
        assert all(r.mdev_type in types[name] for r in rules)


@hypothesis.given(wanted=policies(), parents=hosts)
def test_a_rule_that_holds_nowhere_has_a_problem(wanted, parents):
    resolution = policy.resolve(wanted, parents)
    holding = {r.mdev_type for rules in resolution.rules.values() for r in rules}
    for index, one in enumerate(wanted.rules):
        if one.mdev_type not in holding:
            assert any(
                p.group == one.group
                or (index == 0 and p.group == 'devices' and one.mdev_type in p.problem)
                for p in resolution.problems
            )


@hypothesis.given(wanted=policies(), parents=hosts)
def test_what_is_wrong_without_a_host_is_wrong_on_each(wanted, parents):
    found = policy.resolve(wanted, parents).problems
    alone = policy.check(wanted)
    # A host can only tell more names of one device.
    assert {(p.group, p.option) for p in alone} <= {(p.group, p.option) for p in found}
