# SPDX-License-Identifier: Apache-2.0
"""What Placement has to say in an audit, and how Nova's configuration leads to it."""

from __future__ import annotations

import pytest
from oslo_config import cfg

from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import policy
from nova_generic_mdev import record
from nova_generic_mdev.adapters import placement
from nova_generic_mdev.adapters.placement import witness
from tests.unit import scenes
from tests.unit import worlds
from tests.unit.adapters import fake_placement
from tests.unit.worlds import CLASS
from tests.unit.worlds import PROVIDER
from tests.unit.worlds import ROOT

ME = scenes.CONSUMERS[0]


@pytest.fixture
def fake():
    made = fake_placement.Fake()
    made.make(ROOT)
    return made


@pytest.fixture
def host():
    rules = worlds.rules()
    snapshot = fixture.mtty().snapshot()
    return placement.Host(
        policy=rules,
        resolution=policy.resolve(rules, snapshot.parents.values()),
        snapshot=snapshot,
        claims=record.Claims(),
        published={},
    )


def look(fake, host):
    fake.log.clear()
    return witness.look(fake.client(), ROOT, host)


def test_what_is_ours_is_told_whole(fake, host):
    fake.make(PROVIDER, ROOT, 'CUSTOM_MDEV_TYPE_X').inventories = {CLASS: {'total': 1}}
    fake.allocations[ME] = {fake.providers[PROVIDER].uuid: {'resources': {CLASS: 1}}}
    told = look(fake, host)
    assert set(told.tree) == {ROOT, PROVIDER}
    assert told.tree[PROVIDER].inventories == {CLASS: {'total': 1}}
    assert told.tree[PROVIDER].traits == {'CUSTOM_MDEV_TYPE_X'}
    assert told.held == {PROVIDER: {ME: {CLASS: 1}}}
    assert fake.writes == []


def test_of_others_nothing_is_asked_but_the_traits(fake, host):
    other = fake.make(f'{ROOT}_nic', ROOT)
    far = fake.make('compute-2')
    told = look(fake, host)
    assert told.held == {}
    assert told.tree[other.name].inventories == {}
    assert [line for line in fake.log if other.uuid in line] == [
        f'GET /resource_providers/{other.uuid}/traits'
    ]
    assert not [line for line in fake.log if far.uuid in line]


def test_one_that_is_marked_is_ours_whatever_its_name(fake, host):
    fake.make(f'{ROOT}_old', ROOT, 'CUSTOM_MDEV_TYPE_X')
    assert look(fake, host).held == {f'{ROOT}_old': {}}


def test_without_a_root_there_is_nothing(fake, host):
    del fake.providers[ROOT]
    told = look(fake, host)
    assert (told.root, told.tree, told.held) == (ROOT, {}, {})
    assert len(fake.log) == 1


def test_the_standard_traits_that_it_does_not_know(fake, host):
    assert look(fake, host).unknown == set()
    fake.known.discard('OWNER_NOVA')
    assert look(fake, host).unknown == {'OWNER_NOVA'}


@pytest.mark.parametrize(
    'body',
    [
        pytest.param({}, id='no allocations'),
        pytest.param({'allocations': []}, id='a list'),
        pytest.param({'allocations': {'x': {'resources': {}}}}, id='no uuid'),
        pytest.param({'allocations': {ME: {}}}, id='no resources'),
        pytest.param(
            {'allocations': {ME: {'resources': {CLASS: 'x'}}}}, id='no number'
        ),
    ],
)
def test_allocations_that_are_none(fake, host, body):
    fake.make(PROVIDER, ROOT, 'CUSTOM_MDEV_TYPE_X')
    fake.fail('GET', '/allocations', fake_placement.Answer(200, body))
    with pytest.raises(exceptions.PlacementError, match="is not Placement's"):
        look(fake, host)


# Nova's configuration


def conf_of(tmp_path, text):
    path = tmp_path / 'nova.conf'
    path.write_text(text)
    conf = cfg.ConfigOpts()
    conf([f'--config-file={path}'], project='nova')
    return conf


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('', id='no group'),
        pytest.param('[placement]\nregion_name = here\n', id='no authentication'),
    ],
)
def test_a_configuration_that_does_not_say(tmp_path, text):
    assert placement.client_from_conf(conf_of(tmp_path, text)) is None


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('auth_type = password\nauth_url = http://x:5000', id='by a user'),
        pytest.param('auth_section = keystone', id='by another section'),
    ],
)
def test_a_configuration_that_says(tmp_path, text):
    other = '[keystone]\nauth_type = password\nauth_url = http://x:5000\n'
    conf = conf_of(tmp_path, f'[placement]\n{text}\n{other}')
    assert isinstance(placement.client_from_conf(conf), placement.Client)
    # As often as it is asked for.
    assert isinstance(placement.client_from_conf(conf), placement.Client)


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('auth_type = magic', id='no such way'),
        pytest.param('auth_type = password\ntimeout = soon', id='no time'),
        pytest.param('auth_type = $nowhere', id='it leads nowhere'),
    ],
)
def test_a_configuration_that_says_nonsense(tmp_path, text):
    conf = conf_of(tmp_path, f'[placement]\n{text}\n')
    with pytest.raises(exceptions.PlacementError, match='mend it') as caught:
        placement.client_from_conf(conf)
    assert '[placement]' in caught.value.reason
