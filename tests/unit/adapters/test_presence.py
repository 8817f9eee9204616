# SPDX-License-Identifier: Apache-2.0
"""Parents that come and go: each is named once, and what can be done about it."""

from __future__ import annotations

import dataclasses

import pytest

from nova_generic_mdev import model
from nova_generic_mdev.adapters.nova import presence
from tests.unit.scenes import Mdev
from tests.unit.scenes import Scene

BOTH = Scene(parents={'p': {'t-1': 2}, 'q': {'t-1': 2}})
ONLY_P = Scene(parents={'p': {'t-1': 2}})
HELD = Mdev('q', 't-1', holder=0)


@pytest.fixture
def look(caplog):
    """Tells one presence of a scene; gives what was logged of it."""
    caplog.set_level('INFO', 'nova_generic_mdev')
    remembered = presence.Presence()

    def look(scene, faults=()):
        caplog.clear()
        snapshot = dataclasses.replace(scene.snapshot, faults=tuple(faults))
        remembered.tell(scene.resolution, snapshot, scene.claims)
        return [(r.levelname, r.getMessage()) for r in caplog.records]

    return look


def with_held(scene):
    return dataclasses.replace(scene, mdevs=(HELD,))


def test_what_is_there_at_first_is_no_news(look):
    assert look(BOTH) == look(BOTH) == []


def test_one_that_appears(look):
    look(ONLY_P)
    assert look(BOTH) == [('INFO', 'parent device dev_q is new here: it is published')]
    assert look(BOTH) == []


def test_one_of_which_nothing_is_claimed_goes(look):
    look(BOTH)
    told = look(ONLY_P)
    assert told == [
        ('INFO', 'parent device dev_q is gone, and nothing of it is claimed')
    ]
    assert look(ONLY_P) == []


def test_one_with_claims_goes_and_comes_back(look):
    look(with_held(BOTH))
    ((level, text),) = look(with_held(ONLY_P))
    assert level == 'WARNING'
    assert text.startswith('parent device dev_q is not there, and 1 of its mdevs are')
    assert 'load its driver' in text
    assert look(with_held(ONLY_P)) == []
    told = look(with_held(BOTH))
    assert told == [('INFO', 'parent device dev_q is there again')]
    assert look(with_held(BOTH)) == []


def test_at_the_first_look_what_is_away_is_told(look):
    ((level, text),) = look(with_held(ONLY_P))
    assert (level, 'dev_q' in text) == ('WARNING', True)


def test_one_that_cannot_be_read_is_told_elsewhere(look):
    look(with_held(BOTH))
    fault = model.Fault(where='/sys/q', reason='no', parent='dev_q')
    assert look(with_held(ONLY_P), [fault]) == []
