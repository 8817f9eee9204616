# SPDX-License-Identifier: Apache-2.0
"""Names are checked again, and no path leads out of a device's directory."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import shutil

import pytest

from nova_generic_mdev.privileged import bounded
from nova_generic_mdev.privileged import writer
from tests.unit import scenes
from tests.unit.privileged.conftest import UUID

NEW = scenes.UUIDS[11]
TYPES = 'devices/virtual/mtty/mtty/mdev_supported_types'


def everything(top):
    """All files below, with what is in them."""
    found = {}
    for folder, _, files in os.walk(top):
        for name in files:
            path = os.path.join(folder, name)
            with open(path, 'rb') as file:
                found[path] = file.read()
    return found


@pytest.fixture
def precious(tmp_path):
    """A file outside of the tree that must stay as it is."""
    path = tmp_path / 'precious'
    path.write_text('precious')
    yield path
    assert path.read_text() == 'precious'


@pytest.mark.parametrize(
    ('write', 'path', 'text'),
    [
        pytest.param(
            lambda r: writer.create(r, 'mtty', 'mtty-2', NEW),
            f'{TYPES}/mtty-2/create',
            NEW,
            id='create',
        ),
        pytest.param(
            lambda r: writer.create(r, 'mtty', 'mtty-2', 'ABCDEF00' + NEW[8:]),
            f'{TYPES}/mtty-2/create',
            'abcdef00' + NEW[8:],
            id='create-in-upper-case',
        ),
        pytest.param(
            lambda r: writer.set_attribute(r, UUID, 'assign_adapter', '0x05'),
            f'devices/virtual/mtty/mtty/{UUID}/assign_adapter',
            '0x05',
            id='attribute',
        ),
        pytest.param(
            lambda r: writer.remove(r, UUID, vfio='/nonexistent'),
            f'devices/virtual/mtty/mtty/{UUID}/remove',
            '1',
            id='remove',
        ),
    ],
)
def test_exactly_one_file_is_written(root, write, path, text):
    before = everything(root)
    write(root)
    after = everything(root)
    assert after.pop(str(root / path)).decode() == text
    before.pop(str(root / path))
    assert after == before


BAD_UUIDS = [
    pytest.param('', id='empty'),
    pytest.param('junk', id='junk'),
    pytest.param(UUID + '\n', id='newline'),
    pytest.param(UUID + '\0', id='nul'),
    pytest.param(UUID[:-1], id='too-short'),
    pytest.param(UUID + '0', id='too-long'),
    pytest.param(f'../{UUID}', id='a-way-up'),
    pytest.param(f'{UUID}/..', id='a-way-up-after-it'),
    pytest.param(UUID.replace('-', ''), id='no-dashes'),
    pytest.param(UUID.replace('0', '\u0660'), id='digits-of-another-script'),
    pytest.param(f'{{{UUID}}}', id='braces'),
    pytest.param(None, id='none'),
    pytest.param(UUID.encode(), id='bytes'),
    pytest.param(7, id='number'),
    pytest.param([UUID], id='list'),
]
BAD_NAMES = [
    pytest.param('', id='empty'),
    pytest.param('.', id='dot'),
    pytest.param('..', id='dots'),
    pytest.param('a/b', id='slash'),
    pytest.param('/etc', id='absolute'),
    pytest.param('mtty\n', id='newline'),
    pytest.param('mtty\0', id='nul'),
    pytest.param('x' * 256, id='too-long'),
    pytest.param('\udcff', id='not-text'),
    pytest.param(None, id='none'),
    pytest.param(b'mtty', id='bytes'),
    pytest.param(7, id='number'),
]


@pytest.mark.parametrize('uuid', BAD_UUIDS)
def test_uuids_that_are_none(root, uuid):
    before = everything(root)
    for write in (
        lambda: writer.create(root, 'mtty', 'mtty-1', uuid),
        lambda: writer.set_attribute(root, uuid, 'assign_adapter', '1'),
        lambda: writer.remove(root, uuid),
    ):
        with pytest.raises(ValueError, match=r'uuid|not text'):
            write()
    assert everything(root) == before


@pytest.mark.parametrize('name', BAD_NAMES)
def test_parents_and_types_that_are_none(root, name):
    before = everything(root)
    with pytest.raises(ValueError, match=r'sysfs name|not text'):
        writer.create(root, name, 'mtty-1', NEW)
    with pytest.raises(ValueError, match=r'mdev type|not text'):
        writer.create(root, 'mtty', name, NEW)
    assert everything(root) == before


@pytest.mark.parametrize(
    'name',
    [
        *BAD_NAMES,
        pytest.param('remove', id='of-the-core-remove'),
        pytest.param('create', id='of-the-core-create'),
        pytest.param('uevent', id='of-the-core-uevent'),
        pytest.param('driver_override', id='of-the-core-driver'),
        pytest.param('vendor/memory', id='below-a-folder'),
        pytest.param('power/control', id='of-power-management'),
        pytest.param('größe', id='not-ascii'),
        pytest.param('a b', id='with-a-space'),
    ],
)
def test_attributes_that_are_none(root, name):
    before = everything(root)
    with pytest.raises(ValueError, match=r'attribute|not text'):
        writer.set_attribute(root, UUID, name, '1')
    assert everything(root) == before


@pytest.mark.parametrize(
    'value',
    [
        pytest.param('', id='empty'),
        pytest.param('1\n2', id='two-lines'),
        pytest.param('1\0', id='nul'),
        pytest.param('x' * 4096, id='longer-than-a-page'),
        pytest.param('\udcff', id='not-text'),
        pytest.param(1, id='number'),
        pytest.param(None, id='none'),
    ],
)
def test_values_that_no_attribute_has(root, value):
    before = everything(root)
    with pytest.raises(ValueError, match=r'value|not text'):
        writer.set_attribute(root, UUID, 'assign_adapter', value)
    assert everything(root) == before


@pytest.mark.parametrize(
    'write',
    [
        pytest.param(lambda r: writer.create(r, 'mdpy', 'mdpy-hd', NEW), id='parent'),
        pytest.param(lambda r: writer.create(r, 'mtty', 'mtty-9', NEW), id='type'),
        pytest.param(lambda r: writer.remove(r, NEW), id='mdev'),
        pytest.param(lambda r: writer.set_attribute(r, NEW, 'a', '1'), id='its-mdev'),
        pytest.param(lambda r: writer.set_attribute(r, UUID, 'a', '1'), id='attribute'),
    ],
)
def test_what_is_not_there(root, write):
    before = everything(root)
    with pytest.raises(FileNotFoundError) as caught:
        write(root)
    assert caught.value.errno == errno.ENOENT
    assert everything(root) == before


# A tree whose links lead astray


def redirect(path, target):
    """Put a link where the kernel has a directory, a file or another link."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.exists():
        path.rename(path.with_name('moved'))
    path.symlink_to(target)


def outside(tmp_path):
    """What looks like a device, and is none of this tree."""
    mdev = tmp_path / 'elsewhere' / UUID
    mdev.mkdir(parents=True)
    for name in ('remove', 'assign_adapter'):
        (mdev / name).write_text('')
    parent = tmp_path / 'elsewhere/mtty'
    (parent / 'mdev_supported_types/mtty-1').mkdir(parents=True)
    (parent / 'mdev_supported_types/mtty-1/create').write_text('')
    return tmp_path / 'elsewhere'


def use_all(root):
    return {
        'create': lambda: writer.create(root, 'mtty', 'mtty-1', NEW),
        'set': lambda: writer.set_attribute(root, UUID, 'assign_adapter', '1'),
        'remove': lambda: writer.remove(root, UUID, vfio='/nonexistent'),
    }


@pytest.mark.parametrize(
    ('link', 'target', 'use'),
    [
        ('class/mdev_bus/mtty', 'elsewhere/mtty', 'create'),
        ('class/mdev_bus/mtty', 'sys/devices', 'create'),
        ('class/mdev_bus/mtty', 'sys', 'create'),
        (f'{TYPES}', 'elsewhere/mtty/mdev_supported_types', 'create'),
        (f'{TYPES}/mtty-1', 'elsewhere/mtty/mdev_supported_types/mtty-1', 'create'),
        (f'{TYPES}/mtty-1', f'sys/{TYPES}/mtty-2', 'create'),
        (f'{TYPES}/mtty-1/create', 'precious', 'create'),
        (f'bus/mdev/devices/{UUID}', f'elsewhere/{UUID}', 'set'),
        (f'bus/mdev/devices/{UUID}', f'elsewhere/{UUID}', 'remove'),
        (f'bus/mdev/devices/{UUID}', 'sys/devices/virtual/mtty/mtty', 'remove'),
        (f'devices/virtual/mtty/mtty/{UUID}/assign_adapter', 'precious', 'set'),
        (f'devices/virtual/mtty/mtty/{UUID}/remove', 'precious', 'remove'),
    ],
)
def test_links_that_lead_astray(tmp_path, root, precious, link, target, use):
    outside(tmp_path)
    redirect(root / link, tmp_path / target)
    before = everything(tmp_path)
    with pytest.raises(OSError, match=r'symbolic link|not a device') as caught:
        use_all(root)[use]()
    assert caught.value.errno in (errno.ELOOP, errno.EXDEV)
    assert everything(tmp_path) == before


def test_a_link_that_goes_round(root):
    redirect(root / 'class/mdev_bus/mtty', 'mtty')
    with pytest.raises(OSError, match='symbolic link') as caught:
        writer.create(root, 'mtty', 'mtty-1', NEW)
    assert caught.value.errno == errno.ELOOP


def test_a_directory_where_a_file_should_be(root, device):
    (device / 'assign_adapter').unlink()
    (device / 'assign_adapter').mkdir()
    with pytest.raises(IsADirectoryError):
        writer.set_attribute(root, UUID, 'assign_adapter', '1')


# In use


@pytest.fixture
def vfio(tmp_path, device):
    """Stands for /dev/vfio; the mdev's group is 0 in a written tree."""
    assert os.readlink(device / 'iommu_group').endswith('/0')
    (tmp_path / 'vfio').mkdir()
    (tmp_path / 'vfio/0').write_text('')
    return tmp_path / 'vfio'


def test_one_whose_group_can_be_opened_is_removed(root, device, vfio):
    writer.remove(root, UUID, vfio=vfio)
    assert (device / 'remove').read_text() == '1'


@pytest.mark.parametrize(
    'number',
    [
        pytest.param(errno.EBUSY, id='opened-already'),
        pytest.param(errno.EACCES, id='given-to-another-user'),
        pytest.param(errno.EPERM, id='not-for-us'),
    ],
)
def test_one_in_use_is_not_removed(root, device, vfio, number, monkeypatch):
    real = os.open

    def busy(path, *args, **kwargs):
        if str(path).startswith(str(vfio)):
            raise OSError(number, os.strerror(number))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(writer.os, 'open', busy)
    with pytest.raises(OSError, match=r'.') as caught:
        writer.remove(root, UUID, vfio=vfio)
    assert caught.value.errno == errno.EBUSY
    assert (device / 'remove').read_text() == ''


def test_one_without_a_group_is_removed(root, device, vfio):
    (device / 'iommu_group').unlink()
    writer.remove(root, UUID, vfio=vfio)
    assert (device / 'remove').read_text() == '1'


def blocking(device):
    """Somebody has it open: a write to ``remove`` waits for this FIFO's reader."""
    (device / 'remove').unlink()
    os.mkfifo(device / 'remove')
    return device / 'remove'


def test_one_that_is_used_in_another_way_is_waited_for_no_longer_than_told(
    root, device, vfio
):
    """A FIFO's writer waits in write() once its buffer is full."""
    fifo = os.open(blocking(device), os.O_RDWR)
    size = fcntl.fcntl(fifo, fcntl.F_GETPIPE_SZ)
    os.write(fifo, b'x' * size)
    with pytest.raises(OSError, match='waits for its user') as caught:
        writer.remove(root, UUID, vfio=vfio, seconds=0.2)
    assert caught.value.errno == errno.EBUSY
    # The write was left behind, and ends when the user does.
    assert os.read(fifo, size) == b'x' * size
    assert os.read(fifo, 1) == b'1'
    os.close(fifo)


def test_one_whose_removal_waits_is_not_gone(root, device):
    """The kernel takes it off its bus first; its parent has it to the end."""
    (root / 'bus/mdev/devices' / UUID).unlink()
    with pytest.raises(OSError, match='waits for its user') as caught:
        writer.remove(root, UUID)
    assert caught.value.errno == errno.EBUSY
    assert (device / 'remove').read_text() == ''


def test_one_that_is_gone_is_told_so(root, device):
    (root / 'bus/mdev/devices' / UUID).unlink()
    shutil.rmtree(device)
    with pytest.raises(FileNotFoundError):
        writer.remove(root, UUID)


def test_a_kernel_without_mdevs_has_none(tmp_path):
    (tmp_path / 'devices').mkdir()
    with pytest.raises(FileNotFoundError):
        writer.remove(tmp_path, UUID)


@pytest.mark.parametrize('number', [errno.EIO, errno.EAGAIN, errno.ENODEV])
def test_what_the_kernel_says_of_a_removal_is_kept(root, device, number, monkeypatch):
    def refuse(fd, data):
        if data == b'1':
            raise OSError(number, os.strerror(number))
        return write(fd, data)

    write = os.write
    monkeypatch.setattr(bounded.os, 'write', refuse)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        writer.remove(root, UUID)
    assert caught.value.errno == number


def test_nobody_waits_for_what_a_blocked_write_holds(device):
    """A caller reads our output to its end: the write must not keep it open."""
    fifo = os.open(blocking(device), os.O_RDWR)
    os.write(fifo, b'x' * fcntl.fcntl(fifo, fcntl.F_GETPIPE_SZ))
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    with pytest.raises(TimeoutError):
        bounded.write(str(device / 'remove'), b'1', 0.2)
    os.close(writing)
    assert select.select([reading], [], [], 30)[0] == [reading]
    assert os.read(reading, 1) == b''
    os.close(reading)
    os.close(fifo)


def test_a_write_leaves_no_process_behind(root, device):
    before = children()
    (device / 'iommu_group').unlink()
    writer.remove(root, UUID)
    assert children() == before


def children():
    with open(f'/proc/self/task/{os.getpid()}/children') as file:
        return file.read().split()


def test_what_the_kernel_answers_is_kept(root, monkeypatch):
    def full(fd, data):
        raise OSError(errno.EUSERS, os.strerror(errno.EUSERS))

    monkeypatch.setattr(writer.os, 'write', full)
    with pytest.raises(OSError, match='Too many users') as caught:
        writer.create(root, 'mtty', 'mtty-1', NEW)
    assert caught.value.errno == errno.EUSERS
