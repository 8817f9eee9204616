# SPDX-License-Identifier: Apache-2.0
"""Which traits were published: what may be taken back."""

from __future__ import annotations

import pathlib

import pytest

from nova_generic_mdev import claims
from nova_generic_mdev import exceptions
from nova_generic_mdev import record

MACHINE = 'a' * 32


@pytest.fixture
def store(tmp_path: pathlib.Path) -> claims.ClaimStore:
    made = claims.ClaimStore(str(tmp_path / 'state'), MACHINE)
    made.create(record.Claims())
    return made


def test_nothing_at_first(store: claims.ClaimStore):
    assert store.published() == {}


def test_without_a_record_nothing_is_made(tmp_path: pathlib.Path):
    absent = claims.ClaimStore(str(tmp_path / 'state'), MACHINE)
    assert absent.published() == {}
    assert not (tmp_path / 'state').exists()


def test_the_last_word_counts_for_each_parent(store: claims.ClaimStore):
    with store.transaction() as session:
        session.set_published('p', ['CUSTOM_A', 'CUSTOM_B', 'CUSTOM_A'])
        session.set_published('q', ['CUSTOM_A'])
    with store.transaction() as session:
        session.set_published('p', ['CUSTOM_C'])
        assert session.published()['p'] == {'CUSTOM_C'}
    assert store.published() == {'p': {'CUSTOM_C'}, 'q': {'CUSTOM_A'}}
    with store.transaction() as session:
        session.set_published('p', [])
    assert store.published() == {'q': {'CUSTOM_A'}}


def test_a_failed_transaction_notes_nothing(store: claims.ClaimStore):
    def note(value: object) -> None:
        with store.transaction() as session:
            session.set_published('p', ['CUSTOM_A'])
            session.set_published('q', [value])

    with pytest.raises(exceptions.ClaimsError):
        note(object())
    assert store.published() == {}


def test_of_another_machine(store: claims.ClaimStore):
    other = claims.ClaimStore(store.state_path, 'b' * 32)
    with pytest.raises(exceptions.ClaimsError, match='machine'):
        other.published()
