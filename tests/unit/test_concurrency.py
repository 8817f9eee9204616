# SPDX-License-Identifier: Apache-2.0
"""The engine as nova-compute runs it: under eventlet, and with real threads."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

# Twelve consumers at once want what there is for eight; the fourth create of
# each five is slow, as hardware is.
SCENE = """
import contextlib, sys, threading, time
from nova_generic_mdev import (
    allocation, claims, engine, exceptions, fixture, policy, record,
)

rules = policy.Policy(rules=(policy.TypeRule(
    mdev_type='mtty-2', resource_class='VGPU', device_addresses=('mtty',)),))
host = fixture.mtty(ports=16)
create = host.create

def slow(*facts):
    time.sleep(0.02)
    return create(*facts)

host.create = slow
inside = set()

class Store(claims.ClaimStore):
    @contextlib.contextmanager
    def transaction(self):
        with super().transaction() as session:
            inside.add(id(session))
            assert len(inside) == 1, 'two transactions at once'
            try:
                yield session
            finally:
                inside.clear()

request = allocation.Request(parent='mtty_mtty', resource_class='VGPU')
consumers = [f'c0000000-0000-4000-8000-{n:012x}' for n in range(12)]
given, full, errors = {}, [], []

def one(consumer):
    store = Store(sys.argv[1], 'm' * 32)
    acting = engine.Engine(host, store, rules)
    try:
        (device,) = acting.allocate(consumer, [request])
        given[consumer] = device.uuid
    except exceptions.CapacityError:
        full.append(consumer)
    except BaseException as e:
        errors.append(repr(e))

def back(consumer):
    try:
        engine.Engine(host, Store(sys.argv[1], 'm' * 32), rules).release(consumer)
    except BaseException as e:
        errors.append(repr(e))
"""
CHECKS = """
run(one)
assert errors == [], errors
assert (len(given), len(full)) == (8, 4), (given, full)
assert len(set(given.values())) == 8
assert set(host.snapshot().mdevs) == set(given.values())
run(back)
assert errors == [], errors
assert host.snapshot().mdevs == {}
assert claims.ClaimStore(sys.argv[1], 'm' * 32).load() == record.Claims()
print('done')
"""
THREADS = """
def run(work):
    threads = [threading.Thread(target=work, args=(c,)) for c in consumers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
"""
GREEN = """
import eventlet
assert eventlet.patcher.is_monkey_patched('thread')
seen = []

def watch():
    # Whenever it runs, somebody has yielded.
    while True:
        seen.append(bool(inside))
        eventlet.sleep(0)

eventlet.spawn(watch)

def run(work):
    for green in [eventlet.spawn(work, c) for c in consumers]:
        green.wait()
    assert len(seen) > 10, 'nobody ever let others run'
    assert not any(seen), 'something yielded inside a transaction'
"""
PATCH = 'import eventlet\neventlet.monkey_patch()\n'


def script(path, *parts: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-c', '\n'.join(textwrap.dedent(p) for p in parts), path],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, 'PYTHONWARNINGS': 'ignore'},
    )


def needs_eventlet():
    # Not importorskip: it must not be imported into this process.
    if importlib.util.find_spec('eventlet') is None:
        pytest.skip('eventlet is not installed')


def test_with_real_threads(tmp_path):
    done = script(str(tmp_path / 'state'), SCENE, THREADS, CHECKS)
    assert done.stdout == 'done\n', done.stderr


def test_under_eventlet(tmp_path):
    needs_eventlet()
    done = script(str(tmp_path / 'state'), PATCH, SCENE, GREEN, CHECKS)
    assert done.stdout == 'done\n', done.stderr


def test_under_eventlet_a_yield_inside_a_transaction_is_found(tmp_path):
    """The watcher can fail: a log call or libvirt would be such a yield."""
    needs_eventlet()
    bad = """
        from nova_generic_mdev.claims import session
        add = session.Session.add_claim
        def add_and_yield(self, claim):
            time.sleep(0)
            add(self, claim)
        session.Session.add_claim = add_and_yield
    """
    done = script(str(tmp_path / 'state'), PATCH, SCENE, GREEN, bad, CHECKS)
    assert 'inside a transaction' in done.stderr
    assert done.stdout == ''


def test_under_eventlet_a_yield_inside_a_look_stops_nobody(tmp_path):
    """The garbage of others, collected in the middle of it, may do so: oslo.db's."""
    needs_eventlet()
    slow_look = """
        from nova_generic_mdev.claims import session
        read = session.read
        def read_and_yield(connection, scope):
            rows = connection.execute('SELECT uuid FROM mdevs')
            time.sleep(0.01)
            return read(connection, scope)
        session.read = read_and_yield
    """
    done = script(
        str(tmp_path / 'state'),
        PATCH,
        SCENE,
        THREADS,
        slow_look,
        CHECKS,
    )
    assert done.stdout == 'done\n', done.stderr


def test_under_eventlet_the_privileged_call_is_bounded_and_lets_others_run(tmp_path):
    """The helper is a process; waiting for its answer must not stop the service."""
    needs_eventlet()
    done = script(
        str(tmp_path),
        PATCH,
        """
        import os, time
        os.geteuid = lambda: 0
        from nova_generic_mdev import privileged
        from nova_generic_mdev.privileged import entry, mdev, writer
        writer.remove = lambda root, uuid: time.sleep(1)
        ran = []
        def others():
            while True:
                ran.append(1)
                eventlet.sleep(0.05)
        eventlet.spawn(others)
        privileged.start()
        ran.clear()
        mdev.remove('ffffffff-2222-4333-8444-000000000001')
        assert len(ran) > 3, ran
        print('done', flush=True)
        os._exit(0)
        """,
    )
    assert 'done\n' in done.stdout, done.stderr
