# SPDX-License-Identifier: Apache-2.0
"""Placement that fails, in every way that it can; the real one is elsewhere."""

from __future__ import annotations

import argparse

import pytest
import requests

from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev import record
from nova_generic_mdev.adapters import placement
from nova_generic_mdev.adapters.placement import publishing
from tests.unit.adapters import fake_placement
from tests.unit.adapters.fake_placement import CONFLICT
from tests.unit.adapters.fake_placement import DOWN
from tests.unit.adapters.fake_placement import IN_USE
from tests.unit.adapters.fake_placement import Answer
from tests.unit.adapters.fake_placement import refusal

ROOT = 'compute-1'
CHILD = f'{ROOT}_mtty_mtty'
CONSUMER = 'c0000000-0000-4000-8000-000000000001'
T1, T2 = names.type_trait('mtty-1'), names.type_trait('mtty-2')
MTTY = policy.Policy(
    rules=(
        policy.TypeRule(
            mdev_type='mtty-2',
            resource_class='CUSTOM_MTTY',
            device_addresses=('mtty',),
        ),
    )
)
NOTHING = policy.Policy()


class Run:
    """A host, and what it does to a Placement."""

    def __init__(self, fake: fake_placement.Fake) -> None:
        self.fake = fake
        self.host = fixture.mtty()
        self.policy = MTTY
        self.published: dict[str, frozenset[str]] = {}
        self.looks = 0
        self.said: list[tuple[int, int]] = []

    def look(self) -> placement.Host:
        self.looks += 1
        snapshot = self.host.snapshot()
        return placement.Host(
            policy=self.policy,
            resolution=policy.resolve(self.policy, snapshot.parents.values()),
            snapshot=snapshot,
            claims=record.Claims(),
            published=dict(self.published),
        )

    def publisher(self, **more) -> placement.Publisher:
        self.fake.log.clear()
        self.looks = 0
        return placement.Publisher(
            self.fake.client(),
            ROOT,
            self.look,
            remember=self.published.update,
            say=lambda number, total, row: self.said.append((number, total)),
            **more,
        )

    def publish(self, policy: policy.Policy = MTTY) -> placement.Publisher:
        self.policy = policy
        publisher = self.publisher()
        publisher.publish()
        return publisher

    def fails(self) -> tuple[placement.Publisher, exceptions.PlacementError]:
        publisher = self.publisher()
        with pytest.raises(exceptions.PlacementError) as caught:
            publisher.publish()
        return publisher, caught.value


@pytest.fixture
def run() -> Run:
    fake = fake_placement.Fake()
    fake.make(ROOT)
    return Run(fake)


def changes(publisher: placement.Publisher) -> list[str]:
    return [row.change for row in publisher.done]


FIRST = [
    'create class',
    'create trait',
    'create trait',
    'create trait',
    'create provider',
    'set traits',
    'set inventories',
]


# What is done ----------------------------------------------------------------


def test_each_request_names_the_microversion(run: Run):
    run.publish()
    assert run.fake.versions == {'placement 1.26'}


def test_all_steps_are_counted(run: Run):
    publisher = run.publish()
    assert changes(publisher) == FIRST
    assert run.said == [(n, 7) for n in range(1, 8)]
    assert publisher.left == ()


def test_the_second_time_nothing_is_written(run: Run):
    run.publish()
    assert run.publish().done == []
    assert run.fake.writes == []
    assert run.looks == 1


def test_what_is_there_is_not_made_again(run: Run):
    run.fake.known |= {'CUSTOM_MTTY', T2}
    publisher = run.publish()
    assert 'create class' not in changes(publisher)
    assert changes(publisher).count('create trait') == 2


def test_the_steady_state_costs_no_request_per_trait(run: Run):
    run.publish()
    run.publish()
    child = run.fake.providers[CHILD].uuid
    assert sorted(run.fake.log) == [
        f'GET /resource_providers/{child}/inventories',
        f'GET /resource_providers/{child}/traits',
        f'GET /resource_providers?in_tree={run.fake.providers[ROOT].uuid}',
        f'GET /resource_providers?name={ROOT}',
        'GET /traits/OWNER_NOVA',
    ]


def test_placement_older_than_our_list_of_traits(run: Run):
    run.fake.known -= {'OWNER_NOVA'}
    publisher = run.publish()
    assert publisher.unknown == {'OWNER_NOVA'}
    assert 'OWNER_NOVA' not in run.fake.providers[CHILD].traits
    assert run.publish().done == []


def test_the_root_that_is_no_root(run: Run):
    """Nothing is asked of it but that it is there: Nova's may be nested too."""
    run.fake.make('above')
    run.fake.providers[ROOT].parent = run.fake.providers['above'].uuid
    assert changes(run.publish()) == FIRST


# What fails ------------------------------------------------------------------

STEPS = [
    pytest.param('GET', '/resource_providers?name', [], id='the root'),
    pytest.param('GET', 'in_tree', [], id='the tree'),
    pytest.param('GET', '/traits/CUSTOM', [], id='whether a trait is there'),
    pytest.param('GET', '/resource_classes', [], id='whether a class is there'),
    pytest.param('PUT', '/resource_classes', [], id='a class'),
    pytest.param('PUT', '/traits/CUSTOM', FIRST[:1], id='a trait'),
    pytest.param('POST', '/resource_providers', FIRST[:4], id='a provider'),
    pytest.param('PUT', '/inventories', FIRST[:6], id='inventories'),
]


@pytest.mark.parametrize(('method', 'part', 'done'), STEPS)
@pytest.mark.parametrize(
    ('trouble', 'status', 'word'),
    [
        pytest.param(DOWN, 503, 'Service Unavailable', id='503'),
        pytest.param(Answer(500, text=''), 500, 'log', id='500'),
        pytest.param(
            requests.exceptions.ConnectionError('refused'), None, 'running', id='away'
        ),
        pytest.param(
            requests.exceptions.ConnectTimeout('slow'), None, '--timeout', id='timeout'
        ),
        pytest.param(
            requests.exceptions.SSLError('bad'), None, '--os-cacert', id='certificate'
        ),
        pytest.param(Answer(401, {}), 401, 'credentials', id='token'),
        pytest.param(refusal(403), 403, 'role', id='forbidden'),
        pytest.param(refusal(406), 406, '1.26', id='too old'),
    ],
)
def test_each_request_may_fail(run: Run, method, part, done, trouble, status, word):
    run.fake.fail(method, part, trouble, times=20)
    publisher, error = run.fails()
    assert changes(publisher) == done
    assert error.status == status
    assert word in str(error)
    assert len(str(error)) < 700
    assert run.looks == 1
    # What was asked is named, and nothing is retried.
    assert method in error.url
    assert bool(publisher.left) == (method != 'GET')
    run.fake._trouble.clear()
    run.publish()
    assert run.fake.providers[CHILD].inventories['CUSTOM_MTTY']['total'] == 12


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('<html>Welcome</html>', id='a web page'),
        pytest.param('', id='nothing'),
        pytest.param('[1, 2]', id='a list'),
        pytest.param('null', id='null'),
        pytest.param('{}', id='nothing in it'),
        pytest.param(
            '{"resource_providers": 7, "inventories": 7, "traits": 7, '
            '"resource_provider_generation": "x"}',
            id='numbers',
        ),
        pytest.param(
            '{"resource_providers": [{"name": "compute-1"}], "inventories": {"A": 1}, '
            '"traits": null, "resource_provider_generation": null}',
            id='halves',
        ),
        pytest.param(
            '{"resource_providers": [{"name": "compute-1", "uuid": "../x", '
            '"generation": 1, "parent_provider_uuid": null}], "inventories": '
            '{"VGPU": {"total": "four"}}, "traits": 7}',
            id='the wrong kind of values',
        ),
        pytest.param('{"resource_providers"' + ' ' * 10000, id='long'),
        pytest.param('\x00\xff', id='bytes'),
    ],
)
@pytest.mark.parametrize(
    ('method', 'part'),
    [
        pytest.param('GET', '?name', id='the root'),
        pytest.param('GET', '?in_tree', id='the tree'),
        pytest.param('GET', '/inventories', id='inventories'),
        pytest.param('GET', '{child}/traits', id='traits'),
        pytest.param('PUT', '/inventories', id='after inventories'),
    ],
)
def test_nonsense(run: Run, method: str, part: str, text: str):
    run.publish()
    child = run.fake.providers[CHILD]
    child.inventories['CUSTOM_MTTY']['reserved'] = 3
    run.fake.fail(method, part.format(child=child.uuid), Answer(200, text=text))
    _, error = run.fails()
    assert error.status == 200
    assert 'does the address lead to Placement?' in str(error)
    assert len(str(error)) < 700


def test_another_server_at_the_address(run: Run):
    run.fake.fail('GET', '/', Answer(404, text='<html>', reason='Not Found'), 9)
    _, error = run.fails()
    assert (error.status, run.looks) == (404, 1)


# What was done midway --------------------------------------------------------


def test_a_provider_that_cannot_be_marked_is_taken_back(run: Run):
    """Nobody could tell later that it is ours."""
    uuid = '00000000-0000-4000-8000-000000000002'
    run.fake.fail('PUT', f'{uuid}/traits', DOWN)
    publisher, _ = run.fails()
    assert changes(publisher) == [*FIRST[:5], 'delete provider']
    assert [row.change for row in publisher.left] == ['set traits', 'set inventories']
    assert CHILD not in run.fake.providers


def test_it_cannot_be_taken_back_either(run: Run, caplog):
    uuid = '00000000-0000-4000-8000-000000000002'
    run.fake.fail('PUT', f'{uuid}/traits', DOWN)
    run.fake.fail('DELETE', uuid, DOWN)
    publisher, error = run.fails()
    assert 'PUT' in error.url
    assert changes(publisher) == FIRST[:5]
    assert CHILD in caplog.text
    again = run.publish()
    assert changes(again) == []
    assert [CHILD in str(stranger) for stranger in again.strangers] == [True]


def test_what_was_marked_goes_on_the_next_time(run: Run):
    run.fake.fail('PUT', '/inventories', DOWN)
    run.fails()
    assert changes(run.publish()) == ['set inventories']


def test_traits_are_recorded_before_they_are_published(run: Run):
    run.fake.fail('PUT', '/inventories', DOWN)
    run.fails()
    assert T2 in run.published['mtty_mtty']


def test_the_record_is_written_only_when_it_changes(run: Run):
    run.publish()
    run.published.clear()
    run.publish()
    assert T2 in run.published['mtty_mtty']
    told: list[object] = []
    publisher = placement.Publisher(
        run.fake.client(), ROOT, run.look, remember=told.append, say=lambda *_: None
    )
    publisher.publish()
    assert told == []


# Conflicts -------------------------------------------------------------------


@pytest.mark.parametrize('part', ['/traits', '/inventories'])
@pytest.mark.parametrize('times', [1, publishing.TRIES - 1])
def test_a_conflict_is_looked_at_again(run: Run, part: str, times: int):
    uuid = '00000000-0000-4000-8000-000000000002'
    run.fake.fail('PUT', uuid + part, CONFLICT, times)
    run.publish()
    assert run.looks == 1 + times
    assert run.fake.providers[CHILD].inventories['CUSTOM_MTTY']['total'] == 12


def test_a_conflict_that_does_not_end(run: Run):
    run.publish()
    run.fake.providers[CHILD].inventories = {}
    run.fake.fail('PUT', '/inventories', CONFLICT, 99)
    _, error = run.fails()
    assert error.code == 'placement.concurrent_update'
    assert run.looks == publishing.TRIES
    assert 'run this again' in str(error)


def test_the_host_is_looked_at_again_too(run: Run):
    run.publish()
    run.host.fill('mtty_mtty', 'mtty-1')
    uuid = run.fake.providers[CHILD].uuid

    run.fake.fail('PUT', f'{uuid}/inventories', CONFLICT)
    looked = run.look

    def look() -> placement.Host:
        found = looked()
        for mdev in list(run.host.snapshot().mdevs):
            run.host.lose_mdev(mdev)
        return found

    run.look = look
    assert run.publish().done == []


def test_a_provider_that_vanishes_in_between(run: Run):
    run.publish()
    child = run.fake.providers[CHILD]
    run.fake.fail('GET', f'{child.uuid}/inventories', refusal(404))
    del run.fake.providers[CHILD]
    run.fake.fail('GET', 'in_tree', Answer(200, {'resource_providers': [child.told()]}))
    assert 'create provider' in changes(run.publish())


def test_in_use_is_not_asked_again(run: Run):
    """Refused once: it stays, whatever Placement says is allocated."""
    run.publish()
    run.fake.fail('PUT', '/inventories', IN_USE)
    publisher = run.publish(NOTHING)
    assert changes(publisher) == ['set inventories']
    told = run.fake.providers[CHILD].inventories['CUSTOM_MTTY']
    assert told['reserved'] == told['total'] == 12


@pytest.mark.parametrize('code', ['inuse', 'cannot_delete_parent'])
def test_a_provider_that_cannot_be_deleted_stays(run: Run, code: str):
    run.publish()
    run.publish(NOTHING)
    refused = refusal(409, f'placement.resource_provider.{code}')
    run.fake.fail('DELETE', '/resource_providers', refused, 9)
    assert run.publish(NOTHING).done == []
    assert run.looks == 2
    assert CHILD in run.fake.providers


def test_the_last_word_on_the_name_of_another_tree(run: Run):
    run.fake.make(CHILD)
    publisher, error = run.fails()
    assert error.code == 'placement.duplicate_name'
    assert 'another tree' in str(error)
    assert CHILD in [row.provider for row in publisher.left]


# Who holds what ----------------------------------------------------------------


def test_what_a_consumer_holds_in_our_tree(run: Run):
    run.publish()
    run.fake.make('elsewhere')
    run.fake.allocations[CONSUMER] = {
        run.fake.providers[name].uuid: {'resources': {'VGPU': 1}}
        for name in (CHILD, 'elsewhere')
    }
    client = run.fake.client()
    assert len(client.allocations_of(CONSUMER)) == 2
    assert client.holdings(CONSUMER, ROOT) == {CHILD: {'VGPU': 1}}


def test_a_consumer_is_a_uuid(run: Run):
    run.fake.log.clear()
    with pytest.raises(exceptions.InvalidName):
        run.fake.client().allocations_of('../traits')
    assert run.fake.log == []


# How it is reached ---------------------------------------------------------------


def test_an_auth_plugin_that_is_not_there():
    with pytest.raises(exceptions.PlacementError, match='--os-auth-type'):
        placement.register_arguments(
            argparse.ArgumentParser(), ['--os-auth-type', 'no-such']
        )


def test_nothing_said(monkeypatch: pytest.MonkeyPatch):
    for name in ('OS_AUTH_URL', 'OS_AUTH_TYPE', 'OS_AUTH_PLUGIN'):
        monkeypatch.delenv(name, raising=False)
    parser = argparse.ArgumentParser()
    placement.register_arguments(parser, [])
    with pytest.raises(exceptions.PlacementError, match='--placement-url'):
        placement.client_from(parser.parse_args([]))


def test_the_wait_is_bounded():
    parser = argparse.ArgumentParser()
    placement.register_arguments(parser, [])
    assert parser.parse_args([]).timeout == 60
