# SPDX-License-Identifier: Apache-2.0
"""The nouns of claims: what cannot be written down."""

from __future__ import annotations

import pytest

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import record
from tests.unit import scenes

UUID, OTHER = scenes.UUIDS[:2]
CONSUMER = scenes.CONSUMERS[10]
UPPER = CONSUMER.upper()


def mdev(uuid=UUID, **more):
    more.setdefault('mdev_type', 't-1')
    return record.MdevRecord(
        uuid=uuid, parent='dev_p', origin=record.Origin.CREATED, **more
    )


def claim(uuid=UUID, consumer=CONSUMER, **more):
    return record.Claim(uuid=uuid, consumer=consumer, resource_class='CUSTOM_A', **more)


@pytest.mark.parametrize(
    'make',
    [
        pytest.param(lambda: mdev(uuid=UPPER), id='mdev-in-upper-case'),
        pytest.param(lambda: mdev(uuid='../x'), id='mdev-uuid-is-a-path'),
        pytest.param(lambda: mdev(mdev_type=''), id='mdev-type-empty'),
        pytest.param(lambda: mdev(mdev_type='a/b'), id='mdev-type-is-a-path'),
        pytest.param(lambda: claim(consumer=UPPER), id='consumer-in-upper-case'),
        pytest.param(lambda: claim(consumer='me'), id='consumer-is-no-uuid'),
        pytest.param(lambda: claim(uuid=UPPER), id='claim-in-upper-case'),
        pytest.param(lambda: claim(migration=UPPER), id='migration-in-upper-case'),
        pytest.param(lambda: claim(migration=''), id='migration-is-no-uuid'),
    ],
)
def test_names_that_are_none(make):
    with pytest.raises(exceptions.InvalidName):
        make()


def test_a_claim_is_of_a_recorded_mdev():
    with pytest.raises(exceptions.InvalidValue, match='no such mdev is recorded'):
        record.Claims(mdevs={OTHER: mdev(OTHER)}, claims={UUID: claim()})


def test_what_a_consumer_holds_is_in_the_order_of_uuids():
    uuids = scenes.UUIDS[:3]
    known = {uuid: mdev(uuid) for uuid in uuids}
    held = {uuid: claim(uuid) for uuid in reversed(uuids)}
    held[uuids[1]] = claim(uuids[1], consumer=scenes.CONSUMERS[0])
    claims = record.Claims(mdevs=known, claims=held)
    assert [c.uuid for c in claims.of(CONSUMER)] == [uuids[0], uuids[2]]
    assert claims.of(scenes.CONSUMERS[1]) == ()


def test_it_cannot_be_scribbled_on():
    known = {UUID: mdev()}
    claims = record.Claims(mdevs=known)
    known.clear()
    assert list(claims.mdevs) == [UUID]
    with pytest.raises(TypeError):
        claims.mdevs[OTHER] = mdev(OTHER)
    with pytest.raises(AttributeError):
        claims.mdevs = {}


def test_without_a_record_all_that_is_live_was_found():
    parent = model.Parent(name='dev_p', sysname='p', subsystem='dev', types={})
    live = model.Mdev(uuid=UUID, parent='dev_p', mdev_type='t-1')
    unread = model.Mdev(uuid=OTHER, parent='dev_p', mdev_type=None)
    claims = record.all_found(
        model.HostSnapshot(parents={'dev_p': parent}, mdevs={UUID: live, OTHER: unread})
    )
    assert claims == record.Claims(
        mdevs={
            UUID: record.MdevRecord(
                uuid=UUID,
                parent='dev_p',
                mdev_type='t-1',
                origin=record.Origin.FOUND,
            )
        }
    )
