# SPDX-License-Identifier: Apache-2.0
"""What a claim without a guest comes to, as a table of situations."""

from __future__ import annotations

import collections
import dataclasses

import pytest

from nova_generic_mdev import record
from nova_generic_mdev.adapters.nova.upkeep import consumers
from nova_generic_mdev.adapters.nova.upkeep import sweeping
from tests.unit import scenes

ME, OTHER = scenes.CONSUMERS[:2]
M, N, STRANGER = scenes.CONSUMERS[2:5]
P, Q = 'dev_p', 'dev_q'
A, B = scenes.A, scenes.B
HERE, ELSEWHERE = 'this-node', 'another-node'
SERVER = consumers.Server(node=ELSEWHERE)
PENDING = record.ClaimState.PENDING
Release, Rekey, Keep = sweeping.Release, sweeping.Rekey, sweeping.Keep


def move(status='completed', kind='migration', server=ME):
    return consumers.Move(server=server, status=status, kind=kind)


def amounts(*devices):
    return collections.Counter(devices)


def claims(*mdevs):
    """A record; each mdev is its consumer, or that and more about the claim."""
    told = [m if isinstance(m, tuple) else (m, {}) for m in mdevs]
    known, found = {}, {}
    for uuid, (consumer, more) in zip(scenes.UUIDS, told, strict=False):
        claim = {'resource_class': A, 'parent': P, **more}
        known[uuid] = record.MdevRecord(
            uuid=uuid,
            parent=claim.pop('parent'),
            mdev_type='t-1',
            origin=record.Origin.CREATED,
        )
        found[uuid] = record.Claim(consumer=consumer, uuid=uuid, **claim)
    return record.Claims(mdevs=known, claims=found)


def evidence(known=None, held=None, guests=None, busy=()):
    return sweeping.Evidence(
        busy=frozenset(busy),
        node=HERE,
        known=known or {},
        held={k: amounts(*v) for k, v in (held or {}).items()},
        guests=guests or {},
    )


def decided(known_claims, told):
    found = sweeping.suspects(known_claims, frozenset(), frozenset())
    return sweeping.decide(found, known_claims, told)


# Suspects


@pytest.mark.parametrize(
    ('mdevs', 'domains', 'busy', 'expected'),
    [
        pytest.param([], {}, {}, (), id='nothing claimed'),
        pytest.param([ME], {ME}, {}, (), id='its domain is here'),
        pytest.param([ME], {OTHER}, {}, (ME,), id='only another domain is here'),
        pytest.param([ME], {}, {ME}, (), id='an operation is under way'),
        pytest.param([ME, OTHER, ME], {}, {}, (ME, OTHER), id='each once'),
        pytest.param([(ME, {'state': PENDING})], {}, {}, (), id='not done yet'),
        pytest.param(
            [ME, (ME, {'state': PENDING})], {}, {}, (), id='one of two is not done yet'
        ),
        pytest.param([(ME, {'owner': record.Owner.CLI})], {}, {}, (), id="nova-mdev's"),
        pytest.param(
            [(ME, {'owner': record.Owner.ACCELERATOR, 'resource_class': ''})],
            {},
            {},
            (),
            id="an accelerator's",
        ),
    ],
)
def test_who_is_suspected(mdevs, domains, busy, expected):
    found = sweeping.suspects(claims(*mdevs), frozenset(domains), frozenset(busy))
    assert found == expected


# One suspect

INCOMING = (ME, {'migration': M})
WHAT = [
    # What happened, the claims, what is known, and what becomes of them.
    pytest.param(
        [ME],
        {'held': {ME: []}},
        Release(consumer=ME),
        id='it was deleted, and Nova forgot it',
    ),
    pytest.param(
        [ME],
        {'known': {ME: consumers.Server(node=HERE, deleted=True)}, 'held': {ME: []}},
        Release(consumer=ME),
        id='it was deleted here',
    ),
    pytest.param(
        [ME],
        {
            'known': {ME: consumers.Server(task_state='deleting', deleted=True)},
            'held': {ME: []},
        },
        Release(consumer=ME),
        id='a deleted one is not deleting any more',
    ),
    pytest.param(
        [ME],
        {'known': {ME: SERVER}, 'held': {ME: []}},
        Release(consumer=ME),
        id='it was evacuated, or migrated live',
    ),
    pytest.param(
        [ME],
        {'known': {ME: consumers.Server()}, 'held': {ME: []}},
        Release(consumer=ME),
        id='it was shelved',
    ),
    pytest.param(
        [INCOMING],
        {'known': {ME: SERVER, M: move('failed', 'live-migration')}, 'held': {ME: []}},
        Release(consumer=ME),
        id='a live migration to here failed',
    ),
    pytest.param(
        [INCOMING],
        {'known': {ME: SERVER}, 'held': {ME: []}},
        Release(consumer=ME),
        id='a live migration to here was forgotten',
    ),
    pytest.param(
        [M],
        {'known': {ME: SERVER, M: move('confirmed')}, 'held': {M: []}},
        Release(consumer=M),
        id='a resize to elsewhere was confirmed',
    ),
    pytest.param(
        [M, (ME, {'parent': Q})],
        {
            'known': {ME: consumers.Server(node=HERE), M: move('confirmed', 'resize')},
            'held': {M: [], ME: [(Q, A)]},
            'guests': {scenes.UUIDS[1]: ME},
        },
        Release(consumer=M),
        id='a resize on this host was confirmed',
    ),
    pytest.param(
        [M],
        {'known': {ME: consumers.Server(node=HERE), M: move('error')},
         'held': {M: [], ME: [(P, A)]}, 'guests': {scenes.UUIDS[0]: ME}},
        Rekey(consumer=M, to=ME),
        id='a resize failed, and the guest is still here',
    ),
    pytest.param(
        [ME, ME],
        {'known': {ME: SERVER, M: move('finished')},
         'held': {ME: [], M: [(P, A), (P, A)]}},
        Rekey(consumer=ME, to=M),
        id='a resize went on, and its claims did not',
    ),
    pytest.param(
        [M],
        {'known': {ME: SERVER, M: move('error'), N: move('finished')},
         'held': {M: [], N: [(P, A)]}},
        Rekey(consumer=M, to=N),
        id='a resize failed, and the next one went well',
    ),
    pytest.param(
        [ME],
        {'known': {ME: SERVER, OTHER: consumers.Server(node=HERE)},
         'held': {ME: [], OTHER: [(P, A)]}, 'guests': {scenes.UUIDS[0]: OTHER}},
        Rekey(consumer=ME, to=OTHER),
        id="Nova's own driver gave it to another server",
    ),
    pytest.param(
        [ME, (ME, {'owner': record.Owner.ACCELERATOR, 'resource_class': ''})],
        {'known': {ME: SERVER, M: move('finished')}, 'held': {ME: [], M: [(P, A)]}},
        Rekey(consumer=ME, to=M),
        id="an accelerator's is not counted",
    ),
    pytest.param(
        [ME],
        {'known': {ME: SERVER, OTHER: SERVER}, 'held': {ME: [], OTHER: [(P, A)]}},
        Release(consumer=ME),
        id='another server waits for one of its own',
    ),
    pytest.param(
        [ME],
        {'known': {ME: SERVER, M: move('running', server=OTHER), OTHER: SERVER},
         'held': {ME: [], M: [(P, A)]}},
        Release(consumer=ME),
        id="another server's migration waits for one of its own",
    ),
    pytest.param(
        [ME],
        {'known': {ME: SERVER}, 'held': {ME: [], STRANGER: [(P, B), (Q, A)]}},
        Release(consumer=ME),
        id='somebody unknown has something else',
    ),
    pytest.param(
        [ME, OTHER],
        {'known': {ME: SERVER}, 'held': {ME: [], OTHER: [(P, A)]}},
        Release(consumer=ME),
        id='somebody unknown has claimed all that it has',
    ),
]  # fmt: skip


@pytest.mark.parametrize(('mdevs', 'told', 'expected'), WHAT)
def test_what_is_nobodys_or_somebody_elses(mdevs, told, expected):
    steps = decided(claims(*mdevs), evidence(**told))
    assert expected in steps


# Signs of life: each turns any release into a keep.

LIFE = {
    'an operation here': lambda e, x, s: dataclasses.replace(e, busy=frozenset({s})),
    'an operation here by its own name': lambda e, x, s: dataclasses.replace(
        e, busy=frozenset({x})
    ),
    'a task': lambda e, x, s: dataclasses.replace(
        e, known={**e.known, s: consumers.Server(node=ELSEWHERE, task_state='resizing')}
    ),
    'an allocation': lambda e, x, s: dataclasses.replace(
        e, held={**e.held, x: amounts((P, A))}
    ),
    'an allocation of another class on another parent': lambda e, x, s: (
        dataclasses.replace(e, held={**e.held, x: amounts((Q, B))})
    ),
    'Placement not asked': lambda e, x, s: dataclasses.replace(
        e, held={k: v for k, v in e.held.items() if k != x}
    ),
    'somebody unknown who may have it': lambda e, x, s: dataclasses.replace(
        e, held={**e.held, STRANGER: amounts((P, A))}
    ),
    'a guest': lambda e, x, s: dataclasses.replace(
        e, guests={scenes.UUIDS[0]: STRANGER}
    ),
    'a guest that was not read': lambda e, x, s: dataclasses.replace(e, guests=None),
}
RELEASED = [p for p in WHAT if isinstance(p.values[2], Release)]


@pytest.mark.parametrize('sign', LIFE)
@pytest.mark.parametrize(('mdevs', 'told', 'expected'), RELEASED)
def test_any_sign_of_life_keeps_a_claim(mdevs, told, expected, sign):
    before = evidence(**told)
    server = consumers.server_of(expected.consumer, before.known)
    after = LIFE[sign](before, expected.consumer, server)
    (step,) = [
        s for s in decided(claims(*mdevs), after) if s.consumer == expected.consumer
    ]
    assert isinstance(step, Keep)


@pytest.mark.parametrize(
    ('mdevs', 'told', 'reason', 'odd'),
    [
        pytest.param(
            [ME],
            {'known': {ME: consumers.Server(node=HERE)}, 'held': {ME: []}},
            'Nova says that it is on this host',
            False,
            id='its domain was lost',
        ),
        pytest.param(
            [M],
            {'known': {ME: SERVER, M: move('finished')}, 'held': {M: []}},
            f'migration {M} is finished',
            False,
            id='a resize waits to be confirmed',
        ),
        pytest.param(
            [INCOMING],
            {
                'known': {ME: SERVER, M: move('running', 'live-migration')},
                'held': {ME: []},
            },
            f'migration {M} is running',
            False,
            id='a live migration to here goes on',
        ),
        pytest.param(
            [M],
            {
                'known': {
                    ME: consumers.Server(node=HERE, task_state='resize_reverting'),
                    M: move('reverted'),
                },
                'held': {M: [], ME: [(P, A)]},
            },
            f'server {ME} is resize_reverting',
            False,
            id='a resize is being reverted: Nova says so before it is done',
        ),
        pytest.param(
            [ME],
            {'known': {ME: SERVER}, 'held': {ME: [(P, A)]}},
            f'Placement says that it has 1 {A} on {P}',
            False,
            id='Placement has it',
        ),
        pytest.param(
            [M, M],
            {
                'known': {ME: consumers.Server(node=HERE), M: move('error')},
                'held': {M: [], ME: [(P, A)]},
            },
            f'it may be of {ME}',
            True,
            id='what the instance has is less than what it left',
        ),
        pytest.param(
            [M, N],
            {
                'known': {ME: SERVER, M: move('error'), N: move('error')},
                'held': {M: [], N: [], ME: [(P, A)]},
            },
            f'{ME} got some just now',
            False,
            id='two migrations, and the instance has what one of them left',
        ),
        pytest.param(
            [ME, ME],
            {
                'known': {ME: SERVER, OTHER: consumers.Server(node=HERE)},
                'held': {ME: [], OTHER: [(P, A), (P, A)]},
                'guests': {scenes.UUIDS[0]: OTHER},
            },
            f'it is in the guest of {OTHER}',
            True,
            id='another guest has one of two',
        ),
        pytest.param(
            [ME, ME],
            {
                'known': {ME: SERVER, OTHER: consumers.Server(node=HERE)},
                'held': {ME: [], OTHER: [(P, A)]},
                'guests': dict.fromkeys(scenes.UUIDS[:2], OTHER),
            },
            f'it is in the guest of {OTHER}',
            True,
            id='another guest has both, and an allocation of one',
        ),
        pytest.param(
            [ME],
            {
                'known': {ME: SERVER},
                'held': {ME: []},
                'guests': {scenes.UUIDS[0]: OTHER},
            },
            f'it is in the guest of {OTHER}',
            True,
            id='another guest has it without an allocation',
        ),
        pytest.param(
            [M],
            {
                'known': {ME: consumers.Server(node=HERE), M: move('confirmed')},
                'held': {M: []},
                'guests': {scenes.UUIDS[0]: ME},
            },
            f'it is in the guest of {ME}',
            True,
            id='the guest still has what it had before its resize',
        ),
    ],
)
def test_why_it_is_kept(mdevs, told, reason, odd):
    steps = decided(claims(*mdevs), evidence(**told))
    kept = [step for step in steps if isinstance(step, Keep)]
    assert [(step.reason, step.odd) for step in kept] == [(reason, odd)]


def test_a_stranger_is_who_holds_more_than_it_claimed_of_the_same():
    known = claims(ME, OTHER)
    held = {
        ME: amounts(),
        OTHER: amounts((P, A)),
        M: amounts((P, A)),
        N: amounts((P, B), (Q, A)),
    }
    assert sweeping.strangers([ME], known, held) == {M}
