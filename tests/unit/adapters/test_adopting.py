# SPDX-License-Identifier: Apache-2.0
"""Whose the mdevs are that a guest had before there was a record."""

from __future__ import annotations

import collections

import pytest

from nova_generic_mdev.adapters.nova.upkeep import adopting
from nova_generic_mdev.adapters.nova.upkeep import consumers
from nova_generic_mdev.adapters.nova.upkeep import matching
from tests.unit import scenes

ME, OTHER, M, N = scenes.CONSUMERS[:4]
P, Q = 'dev_p', 'dev_q'
ROOT = 'host'
A, B = scenes.A, scenes.B
U = scenes.UUIDS
ONE, TWO = scenes.rule('t-1', A), scenes.rule('t-2', B)


def mdev(mdev_type='t-1', parent='p', **more):
    """One that a guest has and the record does not know."""
    return scenes.Mdev(parent, mdev_type, **({'origin': None} | more))


def move(status='finished', kind='migration', server=ME):
    return consumers.Move(server=server, status=status, kind=kind)


def host(*mdevs, rules=(ONE, TWO)):
    types = {'t-1': 4, 't-2': 4, 't-3': 4}
    scene = scenes.Scene({'p': types, 'q': types}, mdevs, rules)
    return matching.Host(
        snapshot=scene.snapshot, claims=scene.claims, rules=scene.resolution.rules
    )


def promised(held, known=None, accelerators=()):
    return adopting.Promised(
        held={c: collections.Counter(amounts) for c, amounts in held.items()},
        known=known or {},
        root=ROOT,
        accelerators=frozenset(accelerators),
    )


def judged(mdevs, held, rules=(ONE, TWO), **more):
    """The guest has all of these, in this order."""
    there = host(*mdevs, rules=rules)
    return adopting.decide(ME, U[: len(mdevs)], there, promised(held, **more))


@pytest.mark.parametrize(
    ('mdevs', 'held', 'classes', 'foreign'),
    [
        pytest.param([mdev()], {ME: [(P, A)]}, {0: A}, [], id='one of a class'),
        pytest.param(
            [mdev(), mdev('t-2'), mdev(parent='q')],
            {ME: [(P, A), (P, B), (Q, A)]},
            {0: A, 1: B, 2: A},
            [],
            id='several classes and parents',
        ),
        pytest.param([mdev()], {}, {}, [0], id='Placement has nothing for it'),
        pytest.param(
            [mdev(parent='q')], {ME: [(P, A)]}, {}, [0], id='it has it elsewhere'
        ),
        pytest.param(
            [mdev(), mdev(parent='q'), mdev()],
            {ME: [(ROOT, A), (ROOT, A)]},
            {0: A, 2: A},
            [1],
            id="Placement has it on the host's own provider, before Nova's reshape",
        ),
        pytest.param(
            [mdev(), mdev(parent='q')],
            {ME: [(ROOT, A), (ROOT, A)], OTHER: [(ROOT, A)]},
            {0: A, 1: A},
            [],
            id="on the host's own provider, and on two parents",
        ),
        pytest.param(
            [mdev()],
            {OTHER: [(P, A)]},
            {},
            [0],
            id="it is another server's by Placement",
        ),
        pytest.param(
            [mdev(), mdev()],
            {ME: [(P, A)]},
            {0: A},
            [1],
            id="the first is the flavor's",
        ),
        pytest.param(
            [mdev('t-2'), mdev()],
            {ME: [(P, A)]},
            {1: A},
            [0],
            id="of a type that gives another class: an accelerator's",
        ),
        pytest.param(
            [mdev('t-3'), mdev()],
            {ME: [(P, A)]},
            {1: A},
            [0],
            id='of a type that gives none',
        ),
        pytest.param(
            [mdev('t-3')],
            {ME: [(P, A)]},
            {0: A},
            [],
            id='its type is not enabled any more',
        ),
        pytest.param(
            [mdev('t-2'), mdev('t-3')],
            {ME: [(P, 'VGPU'), (P, 'VGPU')]},
            {0: 'VGPU', 1: 'VGPU'},
            [],
            id='its class is called otherwise now',
        ),
        pytest.param(
            [mdev('t-3')],
            {ME: [(P, A), (P, A)]},
            {0: A},
            [],
            id='it lacks one that Placement says it has',
        ),
        pytest.param(
            [mdev(), mdev(origin='created', holder=0)],
            {ME: [(P, A)]},
            {},
            [0],
            id='what it should have is claimed',
        ),
        pytest.param(
            [mdev(origin='created'), mdev(origin='created', holder=0)],
            {ME: [(P, A), (P, A)]},
            {0: A},
            [],
            id='one of two is claimed',
        ),
    ],
)
def test_what_becomes_a_claim(mdevs, held, classes, foreign):
    there = host(*mdevs)
    (mine,) = adopting.orphans({ME: U[: len(mdevs)]}, there.claims).values()
    adopted = adopting.decide(ME, mine, there, promised(held))
    expected = {ME: {U[n]: c for n, c in classes.items()}} if classes else {}
    assert adopted == adopting.Adoption(
        classes=expected, foreign=tuple(U[n] for n in foreign)
    )


@pytest.mark.parametrize(
    ('moves', 'held', 'consumer'),
    [
        pytest.param({M: move()}, {M: [(P, A)]}, M, id='resized to elsewhere'),
        pytest.param(
            {M: move('migrating')}, {M: [(P, A)]}, M, id='on its way to elsewhere'
        ),
        pytest.param(
            {M: move()}, {M: [(P, A)], ME: [(P, A)]}, ME, id='resized on this host'
        ),
        pytest.param(
            {M: move('running', consumers.LIVE)},
            {M: [(P, A)]},
            ME,
            id='being migrated live from here',
        ),
        pytest.param(
            {M: move(server=OTHER)},
            {M: [(P, A)], ME: [(P, A)]},
            ME,
            id='another server is resized',
        ),
    ],
)
def test_the_consumer_is_who_holds_it(moves, held, consumer):
    adopted = judged([mdev()], held, known=moves)
    assert adopted.classes == {consumer: {U[0]: A}}
    assert adopted.doubt is None


@pytest.mark.parametrize(
    ('mdevs', 'held', 'moves', 'doubt'),
    [
        pytest.param(
            [mdev()],
            {M: [(P, A)], ME: [(P, A)]},
            {M: move('migrating')},
            'being resized',
            id='resizing on this host: it may be of before or after',
        ),
        pytest.param(
            [mdev()],
            {M: [(P, A)], N: [(P, A)]},
            {M: move(), N: move()},
            'several migrations',
            id='two migrations hold it',
        ),
        pytest.param(
            [mdev('t-3'), mdev('t-3')],
            {ME: [(P, A)]},
            {},
            'no rule tells',
            id='one of two, and no rule knows their type',
        ),
        pytest.param(
            [mdev('t-3')],
            {ME: [(P, A), (P, B)]},
            {},
            'no rule tells',
            id='of one of two classes, and no rule knows its type',
        ),
    ],
)
def test_what_cannot_be_told(mdevs, held, moves, doubt):
    adopted = judged(mdevs, held, known=moves)
    assert doubt in adopted.doubt
    assert (adopted.classes, adopted.foreign) == ({}, ())


def test_a_doubt_on_one_parent_leaves_the_others():
    mdevs = [mdev('t-3'), mdev('t-3'), mdev(parent='q')]
    adopted = judged(mdevs, {ME: [(P, A), (Q, A)]})
    assert adopted.classes == {ME: {U[2]: A}}
    assert P in adopted.doubt
    assert Q not in adopted.doubt


def test_what_an_accelerator_request_names_is_not_adopted():
    adopted = judged([mdev(), mdev()], {ME: [(P, A)]}, accelerators=U[:1])
    assert adopted.classes == {ME: {U[1]: A}}
    assert adopted.foreign == U[:1]


def test_what_is_not_on_the_host_is_named():
    adopted = judged([mdev(live=False), mdev()], {ME: [(P, A)]})
    assert adopted.missing == U[:1]
    assert adopted.classes == {ME: {U[1]: A}}


def test_what_is_recorded_needs_not_be_live():
    adopted = judged([mdev(live=False, origin='created')], {ME: [(P, A)]})
    assert adopted.classes == {ME: {U[0]: A}}


@pytest.mark.parametrize(
    ('more', 'doubtful', 'is_orphan'),
    [
        pytest.param({'origin': None}, (), True, id='unknown'),
        pytest.param({'origin': 'found'}, (), True, id='found and idle'),
        pytest.param({'origin': 'created', 'holder': 0}, (), False, id='claimed'),
        pytest.param({'origin': 'foreign'}, (), False, id='foreign'),
        pytest.param({'origin': 'foreign'}, U[:1], True, id='foreign as a precaution'),
    ],
)
def test_what_is_an_orphan(more, doubtful, is_orphan):
    claims = host(mdev(**more)).claims
    found = adopting.orphans({ME: U[:1], OTHER: ()}, claims, doubtful)
    assert found == ({ME: U[:1]} if is_orphan else {})


def test_one_guest_that_was_not_read_may_have_any_mdev():
    guests = {ME: U[:2], OTHER: U[2:3]}
    users = adopting.Guests(mdevs=guests).users
    assert users == {U[0]: ME, U[1]: ME, U[2]: OTHER}
    assert adopting.Guests(mdevs=guests, unread={M: 'it is broken'}).users is None


def test_what_a_draining_type_gave_is_adopted_all_the_same():
    drained = scenes.rule('t-1', A, drain=True)
    adopted = judged([mdev()], {ME: [(P, A)]}, rules=(drained,))
    assert adopted.classes == {ME: {U[0]: A}}
