# SPDX-License-Identifier: Apache-2.0
"""Whose operation a thread is about, and who is told that one was under way."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import sys
import threading
import types

import pytest

from nova_generic_mdev.adapters.nova import operations
from tests.unit import scenes

ONE, TWO = (types.SimpleNamespace(uuid=uuid) for uuid in scenes.UUIDS[:2])


@pytest.fixture
def service():
    return operations.Operations()


def in_a_thread(do):
    """What a thread of its own gets from a call."""
    got = []
    thread = threading.Thread(target=lambda: got.append(do()))
    thread.start()
    thread.join()
    return got[0]


# Of this thread


def test_an_operation_is_of_its_instance(service):
    with service.under_way('spawn', ONE, 'a migration') as operation:
        assert service.current() is operation
        assert service.current(ONE) is operation
        assert service.current(types.SimpleNamespace(uuid=ONE.uuid)) is operation
        assert service.current(TWO) is None
        told = (operation.name, operation.instance, operation.migration)
        assert told == ('spawn', ONE, 'a migration')
        assert not operation.is_served
    assert service.current() is None


def test_within_another_operation_the_inner_one_counts_until_it_ends(service):
    with service.under_way('finish migration', ONE) as outer:
        with service.under_way('hard reboot', TWO):
            assert service.current(ONE) is None
            assert service.current().name == 'hard reboot'
        assert service.current() is outer


def test_an_operation_that_fails_is_over(service):
    with pytest.raises(ZeroDivisionError), service.under_way('spawn', ONE):
        raise ZeroDivisionError
    assert service.current() is None
    with service.watched() as seen:
        assert not seen


def test_another_thread_is_about_nothing(service):
    with service.under_way('spawn', ONE):
        assert in_a_thread(service.current) is None


def test_each_of_many_threads_is_about_its_own(service):
    meet = threading.Barrier(8)
    instances = [types.SimpleNamespace(uuid=uuid) for uuid in scenes.UUIDS[:8]]
    found = {}

    def run(instance):
        with service.under_way('spawn', instance):
            meet.wait()
            found[instance.uuid] = service.current().instance.uuid
            meet.wait()

    threads = [threading.Thread(target=run, args=[i]) for i in instances]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i.uuid: i.uuid for i in instances}


def test_another_service_in_the_process_is_about_nothing(service):
    other = operations.Operations()
    with service.under_way('spawn', ONE):
        assert other.current() is None
        with other.under_way('spawn', TWO):
            assert service.current() is None
            assert other.current(TWO) is not None
        assert service.current(ONE) is not None


# Of all threads


def test_what_was_over_before_is_not_seen(service):
    with service.under_way('spawn', ONE):
        pass
    with service.watched() as seen:
        assert seen == set()


@pytest.mark.parametrize('ends', [False, True], ids=['goes on', 'ends'])
def test_what_is_under_way_is_seen_to_the_end(service, ends):
    with contextlib.ExitStack() as running:
        running.enter_context(service.under_way('spawn', ONE))
        with service.watched() as seen:
            if ends:
                running.close()
            assert seen == {ONE.uuid}


def test_what_begins_meanwhile_is_seen_though_it_is_over(service):
    def spawn():
        with service.under_way('spawn', TWO):
            pass

    with service.watched() as seen, service.watched() as too:
        in_a_thread(spawn)
        assert seen == too == {TWO.uuid}


def test_nobody_watches_for_ever(service):
    with service.watched() as seen:
        pass
    with service.under_way('spawn', ONE):
        assert seen == set()


class At:
    """Calls something just before the nth line of the module is run."""

    def __init__(self, nth, action):
        self._lines = itertools.count(1)
        self._nth = nth
        self._action = action
        self.is_done = False

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *error):
        sys.settrace(self._before)

    def _trace(self, frame, event, arg):
        if frame.f_code.co_filename != operations.__file__:
            return None
        if event == 'line' and next(self._lines) == self._nth:
            self.is_done = True
            self._action()
        return self._trace


def every_line(of):
    """Both things, one of them between any two lines of the other."""
    for nth in itertools.count(1):
        with contextlib.ExitStack() as stack:
            if not of(nth, stack):
                assert nth > 3, 'there is nothing between its lines'
                return


def test_it_begins_to_watch_at_any_moment_of_a_beginning(service):
    def both(nth, stack):
        seen = []

        def watch():
            seen.append(stack.enter_context(service.watched()))

        with At(nth, watch) as at:
            stack.enter_context(service.under_way('spawn', ONE))
        assert all(ONE.uuid in each for each in seen)
        return at.is_done

    every_line(both)


def test_it_begins_at_any_moment_of_a_beginning_to_watch(service):
    def both(nth, stack):
        def spawn():
            # What a thread of its own has; none can start amidst a line.
            thread = contextvars.copy_context()
            operation = service.under_way('spawn', ONE)
            thread.run(operation.__enter__)
            stack.callback(thread.run, operation.__exit__, None, None, None)

        with At(nth, spawn) as at:
            seen = stack.enter_context(service.watched())
        assert (ONE.uuid in seen) == at.is_done
        return at.is_done

    every_line(both)
