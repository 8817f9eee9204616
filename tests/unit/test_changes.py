# SPDX-License-Identifier: Apache-2.0
"""What a changed configuration does to what is in use, each kind in words."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given

from nova_generic_mdev import changes
from nova_generic_mdev import model
from nova_generic_mdev import policy
from tests.unit import scenes
from tests.unit.scenes import B
from tests.unit.scenes import Mdev
from tests.unit.scenes import Scene
from tests.unit.scenes import rule

P = {'p': {'t-1': 2, 't-2': 2}}
HELD = (Mdev('p', 't-1', holder=0), Mdev('p', 't-1', holder=1))


def of(scene, published=()):
    rules = policy.Policy(rules=scene.rules)
    return changes.of(
        rules, scene.resolution, scene.snapshot, scene.claims, published, 'cn'
    )


def told(scene, published=()):
    return [(p.group, p.option, p.problem) for p in of(scene, published)]


@pytest.mark.parametrize(
    ('scene', 'expected'),
    [
        pytest.param(Scene(parents=P, mdevs=HELD), [], id='nothing changes'),
        pytest.param(
            Scene(parents=P, mdevs=HELD, rules=(rule(drain=True),)),
            [
                (
                    'mdev_t-1', 'drain',
                    '2 in use of t-1 on dev_p will be drained: drain is set',
                )
            ],
            id='the type drains',
        ),
        pytest.param(
            Scene(parents=P, mdevs=HELD, rules=(rule('t-2'),)),
            [
                (
                    'devices', 'enabled_mdev_types',
                    '2 in use of t-1 on dev_p will be drained: the type is not '
                    'enabled any more',
                )
            ],
            id='another type of the class',
        ),
        pytest.param(
            Scene(
                parents={'p': {'t-1': 0, 't-2': 0}}, mdevs=HELD, rules=(rule('t-2'),)
            ),
            [
                (
                    'devices', 'enabled_mdev_types',
                    '2 in use of t-1 on dev_p will be drained: the type is not '
                    'enabled any more',
                ),
                ('mdev_t-2', 'device_addresses', 't-2 has no room on dev_p yet'),
            ],
            id='another type that has to wait',
        ),
        pytest.param(
            Scene(parents=P, mdevs=HELD, rules=()),
            [
                (
                    'devices', 'enabled_mdev_types',
                    '2 in use of t-1 on dev_p will be drained: the type is not '
                    'enabled any more',
                ),
                (
                    '', '',
                    'inventory CUSTOM_A of cn_dev_p goes when its last user goes: '
                    '2 in use',
                ),
            ],
            id='no type any more',
        ),
        pytest.param(
            Scene(
                parents={**P, 'q': {'t-1': 2}}, mdevs=HELD,
                rules=(rule(device_addresses=('q',)),),
            ),
            [
                (
                    'mdev_t-1', 'device_addresses',
                    '2 in use of t-1 on dev_p will be drained: the type is not '
                    'served there any more',
                ),
                (
                    '', '',
                    'inventory CUSTOM_A of cn_dev_p goes when its last user goes: '
                    '2 in use',
                ),
            ],
            id='for another parent',
        ),
        pytest.param(
            Scene(parents=P, mdevs=HELD, rules=(rule(resource_class=B),)),
            [
                (
                    '', '',
                    'inventory CUSTOM_A of cn_dev_p goes when its last user goes: '
                    '2 in use',
                )
            ],
            id='another class',
        ),
        pytest.param(
            Scene(parents=P, mdevs=HELD, rules=(rule(max_instances=1),)),
            [
                (
                    'mdev_t-1', 'max_instances',
                    '2 in use of t-1 on this host, more than 1',
                )
            ],
            id='a limit below what is in use',
        ),
        pytest.param(
            Scene(
                parents=P, mdevs=HELD, devices={'p': 'dev_card'},
                rules=(rule(max_instances_per_device=1),),
            ),
            [
                (
                    'mdev_t-1', 'max_instances_per_device',
                    '2 in use of t-1 on dev_card, more than 1',
                )
            ],
            id='a limit per device below what is in use',
        ),
        pytest.param(
            Scene(parents=P, mdevs=HELD, drained='p'),
            [
                (
                    '', '',
                    '2 in use of t-1 on dev_p will be drained: the parent is drained',
                )
            ],
            id='the parent is drained',
        ),
        pytest.param(
            Scene(parents={}, mdevs=HELD), [], id='the parent is not there'
        ),
        pytest.param(
            Scene(
                parents=P, rules=(),
                mdevs=(Mdev('p', 't-1', holder=0, owner='accelerator'),),
            ),
            [],
            id="an accelerator service's",
        ),
    ],
)  # fmt: skip
def test_each_change_is_told(scene, expected):
    assert told(scene) == expected
    assert {p.severity for p in of(scene)} <= {model.Severity.INFO}


def test_a_provider_that_goes_is_told():
    scene = Scene(parents=P, rules=())
    assert told(scene, {'dev_p', 'dev_away'}) == [
        ('', '', 'provider cn_dev_p goes: no type is served there')
    ]
    assert told(dataclasses.replace(scene, rules=(rule(),)), {'dev_p'}) == []


@given(scene=scenes.scenes())
def test_what_is_given_as_it_was_is_never_told(scene):
    scene = dataclasses.replace(scene, drained=())
    for problem in of(scene, {'dev_p'}):
        words = problem.problem.split(' ')
        if 'drained:' in words:
            parent = words[words.index('on') + 1]
            rules = scene.resolution.rules.get(parent, ())
            assert not any(r.mdev_type == words[4] and not r.drain for r in rules)
    assert not [p for p in of(dataclasses.replace(scene, mdevs=())) if p.group]
