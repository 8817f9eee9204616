# SPDX-License-Identifier: Apache-2.0
"""What the kernel answers, and what that means; no kernel is asked."""

from __future__ import annotations

import errno
import os

import pytest

from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev.host import kernel
from tests.unit import scenes

UUID, OTHER = scenes.UUIDS[10:12]
MTTY = 'mtty_mtty'
SET = (('assign_adapter', '5'), ('assign_domain', '4'))


class Kernel:
    """Stands for the privileged entry points; says what it is told to."""

    def __init__(self, host) -> None:
        self.host = host
        self.calls = []
        self.answers = {}

    def _call(self, verb, *args):
        self.calls.append((verb, *args))
        key = (verb, args[1]) if verb == 'set_attribute' else verb
        if key in self.answers:
            answer = self.answers[key]
            raise (
                OSError(answer, os.strerror(answer))
                if isinstance(answer, int)
                else answer
            )

    def create(self, sysname, mdev_type, uuid):
        self._call('create', sysname, mdev_type, uuid)
        self.host.place(uuid, MTTY, mdev_type)

    def set_attribute(self, uuid, name, value):
        self._call('set_attribute', uuid, name, value)

    def remove(self, uuid):
        self._call('remove', uuid)
        self.host.lose_mdev(uuid)


@pytest.fixture
def machine():
    return Kernel(fixture.mtty())


@pytest.fixture
def host(machine, monkeypatch):
    monkeypatch.setattr(kernel, 'writes', machine)
    return kernel.KernelHost(machine.host)


def test_it_is_called_by_what_it_writes_to(host):
    assert host.backend == 'sysfs'


def test_a_look_is_the_readers(host, machine):
    assert host.snapshot([MTTY]) == machine.host.snapshot([MTTY])
    assert host.snapshot() == machine.host.snapshot()


def test_it_is_made_with_the_kernels_names_and_its_attributes_in_order(host, machine):
    assert host.create(UUID, MTTY, 'mtty-1', SET) == 'sysfs'
    assert machine.calls == [
        ('create', 'mtty', 'mtty-1', UUID),
        ('set_attribute', UUID, 'assign_adapter', '5'),
        ('set_attribute', UUID, 'assign_domain', '4'),
    ]


@pytest.mark.parametrize(
    ('answer', 'kind', 'told'),
    [
        pytest.param(errno.ENOSPC, exceptions.CapacityError, 'errno', id='ENOSPC'),
        pytest.param(errno.EUSERS, exceptions.CapacityError, 'errno', id='EUSERS'),
        pytest.param(errno.EPERM, exceptions.CapacityError, 'errno', id='EPERM'),
        pytest.param(errno.EAGAIN, exceptions.CapacityError, 'errno', id='EAGAIN'),
        pytest.param(errno.ENOENT, exceptions.NotFound, 'no mdev type', id='ENOENT'),
        pytest.param(errno.ENODEV, exceptions.NotFound, 'no mdev type', id='ENODEV'),
        pytest.param(
            errno.EACCES, exceptions.HostError, 'Permission denied', id='EACCES'
        ),
        pytest.param(errno.EINVAL, exceptions.HostError, 'Invalid arg', id='EINVAL'),
        pytest.param(errno.EIO, exceptions.HostError, r'Input/output.*\(5\)', id='EIO'),
        pytest.param(
            ValueError("'../x' is not a valid mdev type"),
            exceptions.HostError,
            'not a valid mdev type',
            id='a-name-that-is-none',
        ),
        pytest.param(
            exceptions.HostError('privileged helper', 'exited non-zero (1)'),
            exceptions.HostError,
            'privileged helper: exited',
            id='no-helper',
        ),
    ],
)
def test_a_create_that_is_refused(host, machine, answer, kind, told):
    machine.answers['create'] = answer
    with pytest.raises(kind, match=told) as caught:
        host.create(UUID, MTTY, 'mtty-1', SET)
    assert type(caught.value) is kind
    assert [verb for verb, *_ in machine.calls] == ['create']
    if kind is exceptions.CapacityError:
        error = caught.value
        assert (error.errno, error.parent, error.mdev_type) == (answer, MTTY, 'mtty-1')
        assert (error.asked, error.left) == (1, None)


def test_a_parent_that_is_not_there(host, machine):
    with pytest.raises(exceptions.NotFound, match='no such parent device'):
        host.create(UUID, 'mdpy_mdpy', 'mdpy-hd')
    assert machine.calls == []


def test_one_that_is_there_will_do_and_gets_its_attributes(host, machine):
    machine.host.place(UUID, MTTY, 'mtty-1')
    machine.answers['create'] = errno.EEXIST
    assert host.create(UUID, MTTY, 'mtty-1', SET) == 'sysfs'
    assert [verb for verb, *_ in machine.calls] == [
        'create',
        'set_attribute',
        'set_attribute',
    ]


@pytest.mark.parametrize(
    'there',
    [
        pytest.param([(UUID, 'mtty-2')], id='as-another-type'),
        pytest.param([], id='on-another-parent-or-gone'),
        pytest.param([(OTHER, 'mtty-1')], id='another-uuid'),
    ],
)
def test_one_that_is_there_as_something_else(host, machine, there):
    for uuid, mdev_type in there:
        machine.host.place(uuid, MTTY, mdev_type)
    machine.answers['create'] = errno.EEXIST
    with pytest.raises(exceptions.HostError, match='exists already'):
        host.create(UUID, MTTY, 'mtty-1', SET)
    assert [verb for verb, *_ in machine.calls] == ['create']
    assert len(machine.host.snapshot().mdevs) == len(there)


@pytest.mark.parametrize('attribute', ['assign_adapter', 'assign_domain'])
@pytest.mark.parametrize(
    'answer',
    [
        pytest.param(errno.EINVAL, id='of-the-kernel'),
        pytest.param(ValueError('not an attribute'), id='of-the-helper'),
    ],
)
def test_an_attribute_that_is_refused_undoes_the_create(
    host, machine, attribute, answer
):
    machine.answers['set_attribute', attribute] = answer
    with pytest.raises(exceptions.HostError, match=f'{attribute}=. was refused') as e:
        host.create(UUID, MTTY, 'mtty-1', SET)
    assert UUID in e.value.where
    assert machine.calls[-1] == ('remove', UUID)
    assert not machine.host.snapshot().mdevs


def test_an_attribute_that_is_refused_and_an_mdev_that_stays(host, machine):
    machine.answers['set_attribute', 'assign_adapter'] = errno.EINVAL
    machine.answers['remove'] = errno.EBUSY
    with pytest.raises(exceptions.HostError, match=r'was refused: .*; nor can it be'):
        host.create(UUID, MTTY, 'mtty-1', SET)


def test_one_that_was_there_is_not_removed_for_an_attribute(host, machine):
    machine.host.place(UUID, MTTY, 'mtty-1')
    machine.answers['create'] = errno.EEXIST
    machine.answers['set_attribute', 'assign_adapter'] = errno.EBUSY
    with pytest.raises(exceptions.HostError, match='was refused'):
        host.create(UUID, MTTY, 'mtty-1', SET)
    assert list(machine.host.snapshot().mdevs) == [UUID]


def test_it_is_removed(host, machine):
    machine.host.place(UUID, MTTY, 'mtty-1')
    host.remove(UUID)
    assert machine.calls == [('remove', UUID)]


@pytest.mark.parametrize('answer', [errno.ENOENT, errno.ENODEV])
def test_one_that_is_gone_will_do(host, machine, answer):
    machine.answers['remove'] = answer
    host.remove(UUID)


def test_one_in_use_is_named(host, machine):
    machine.answers['remove'] = errno.EBUSY
    with pytest.raises(exceptions.InUse) as caught:
        host.remove(UUID)
    assert caught.value.uuid == UUID


@pytest.mark.parametrize(
    ('answer', 'told'),
    [
        pytest.param(errno.EACCES, 'Permission denied', id='EACCES'),
        pytest.param(errno.EXDEV, 'cannot be removed', id='not-a-device-of-this-sysfs'),
        pytest.param(errno.EAGAIN, 'cannot be removed', id='EAGAIN'),
        pytest.param(ValueError('not a uuid'), 'not a uuid', id='of-the-helper'),
        pytest.param(
            exceptions.HostError('privileged helper', 'no sudo'),
            'no sudo',
            id='no-helper',
        ),
    ],
)
def test_a_removal_that_is_refused(host, machine, answer, told):
    machine.answers['remove'] = answer
    with pytest.raises(exceptions.HostError, match=told) as caught:
        host.remove(UUID)
    assert type(caught.value) is exceptions.HostError
