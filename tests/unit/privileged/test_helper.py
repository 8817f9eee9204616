# SPDX-License-Identifier: Apache-2.0
"""The helper: what it lets in, what comes back, and what it says when it cannot."""

from __future__ import annotations

import errno
import inspect
import multiprocessing
import os

import pytest
from oslo_privsep import daemon
from oslo_privsep import priv_context

from nova_generic_mdev import exceptions
from nova_generic_mdev import privileged
from nova_generic_mdev.privileged import mdev
from tests.unit import scenes
from tests.unit.privileged.conftest import UUID

ENTRY_POINTS = {'create': mdev.create, 'set': mdev.set_attribute, 'remove': mdev.remove}


def test_it_keeps_no_capability():
    assert privileged.context.conf.capabilities == []


def test_the_helper_program_can_find_the_context():
    path = privileged.context.pypath
    assert path == 'nova_generic_mdev.privileged.context'
    command = privileged.context.helper_command('/run/x.sock')
    assert command[:2] == ['sudo', 'privsep-helper']
    assert command[command.index('--privsep_context') + 1] == path


def test_only_these_are_let_in_and_none_takes_a_path():
    found = {
        name
        for name, value in vars(mdev).items()
        if privileged.context.is_entrypoint(value)
    }
    assert found == {'create', 'set_attribute', 'remove'}
    for name in found:
        signature = inspect.signature(getattr(mdev, name).args[0])
        assert not {'root', 'path', 'vfio', 'sysfs'} & set(signature.parameters)


@pytest.fixture
def in_this_process(root, monkeypatch):
    """The entry points without a helper, on a tree of our own."""
    monkeypatch.setattr(mdev, 'SYSFS', str(root))
    privileged.context.set_client_mode(False)
    yield
    privileged.context.set_client_mode(True)


@pytest.mark.usefixtures('in_this_process')
def test_the_entry_points_write_to_the_kernels_tree(root, device):
    # No group, so that nothing of this machine's /dev/vfio is looked at.
    (device / 'iommu_group').unlink()
    mdev.create('mtty', 'mtty-2', scenes.UUIDS[0])
    mdev.set_attribute(UUID, 'assign_adapter', '5')
    mdev.remove(UUID)
    types = root / 'devices/virtual/mtty/mtty/mdev_supported_types'
    assert (types / 'mtty-2/create').read_text() == scenes.UUIDS[0]
    assert (device / 'assign_adapter').read_text() == '5'
    assert (device / 'remove').read_text() == '1'


def through_the_helper(root, results):
    """In a process of its own, with a helper that was really forked."""
    mdev.SYSFS = root
    # The fork needs no power of root's: the tree is ours.
    os.geteuid = lambda: 0
    privileged.start()
    for work in (
        lambda: mdev.create('mtty', 'mtty-2', scenes.UUIDS[0]),
        lambda: mdev.create('mtty', 'mtty-9', scenes.UUIDS[0]),
        lambda: mdev.create('mtty', '../x', scenes.UUIDS[0]),
        lambda: mdev.set_attribute(UUID, 'remove', '1'),
        lambda: mdev.set_attribute(UUID, 'vendor', '1'),
    ):
        try:
            work()
        except Exception as e:  # noqa: BLE001
            results.put((type(e).__name__, getattr(e, 'errno', None), str(e)))
        else:
            results.put(None)


def test_errors_come_back_as_they_were(root):
    context = multiprocessing.get_context('spawn')
    results = context.Queue()
    process = context.Process(target=through_the_helper, args=(str(root), results))
    process.start()
    done, missing, odd, forbidden, folder = [results.get(timeout=60) for _ in range(5)]
    process.join(60)
    assert done is None
    types = root / 'devices/virtual/mtty/mtty/mdev_supported_types'
    assert (types / 'mtty-2/create').read_text() == scenes.UUIDS[0]
    assert missing[:2] == ('FileNotFoundError', errno.ENOENT)
    assert odd[:2] == ('ValueError', None)
    assert "'../x' is not a valid mdev type" in odd[2]
    assert forbidden[0] == 'ValueError'
    assert folder[:2] == ('IsADirectoryError', errno.EISDIR)


# When it cannot be started


@pytest.mark.parametrize(
    'error',
    [
        pytest.param(
            daemon.FailedToDropPrivileges('privsep helper command exited non-zero (1)'),
            id='sudo-says-no',
        ),
        pytest.param(
            FileNotFoundError(2, 'No such file', 'sudo'), id='there-is-no-sudo'
        ),
    ],
)
def test_a_helper_that_cannot_be_started(monkeypatch, error):
    def refuse(method):
        assert method is priv_context.Method.ROOTWRAP
        raise error

    monkeypatch.setattr(privileged.os, 'geteuid', lambda: 1000)
    monkeypatch.setattr(privileged.context, 'start', refuse)
    with pytest.raises(exceptions.HostError, match='run as root') as caught:
        privileged.start()
    assert str(error) in str(caught.value)


def test_it_is_started_once(monkeypatch):
    def no_more(method):
        raise AssertionError

    monkeypatch.setattr(privileged.context, 'start', no_more)
    monkeypatch.setattr(privileged.context, 'channel', object())
    privileged.start()


def test_a_helper_needs_no_helper(monkeypatch):
    def no_more(method):
        raise AssertionError

    monkeypatch.setattr(privileged.context, 'start', no_more)
    monkeypatch.setattr(privileged.context, 'client_mode', False)
    privileged.start()
