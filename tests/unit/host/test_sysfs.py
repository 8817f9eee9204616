# SPDX-License-Identifier: Apache-2.0
"""What is read from a sysfs tree, what is not, and what it costs."""

from __future__ import annotations

import collections
import errno
import os
import pathlib
import shutil

import pytest

from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import host as host_protocol
from nova_generic_mdev import model
from nova_generic_mdev.host import sysfs

MTTY = 'mtty_mtty'
PARENT = 'devices/virtual/mtty/mtty'
TYPES = f'{PARENT}/mdev_supported_types'
A, B = (f'00000000-0000-4000-8000-{n:012x}' for n in (1, 2))
LONG = 'x' * 300


@pytest.fixture
def root(tmp_path):
    """A tree with mtty, mdpy and one mdev of each, under a name of its own."""
    host = fixture.together(fixture.mtty(), fixture.mdpy())
    host.create(A, MTTY, 'mtty-2')
    host.create(B, 'mdpy_mdpy', 'mdpy-hd')
    top = tmp_path / 'sys'
    fixture.write_sysfs(host, top)
    return top


def look(root: pathlib.Path) -> model.HostSnapshot:
    return sysfs.SysfsReader(root).snapshot()


def told(snapshot: model.HostSnapshot, root: pathlib.Path) -> dict[str, str]:
    """The reason of each fault, by its path below the root."""
    return {
        os.path.relpath(fault.where, root): fault.reason for fault in snapshot.faults
    }


class CountingTree(sysfs.Tree):
    """Counts accesses; runs an action just before the access to some path."""

    def __init__(self, root, before=None):
        super().__init__(root)
        self.accesses = collections.Counter()
        self.paths = []
        self._actions = dict(before or {})

    def _at(self, path):
        # Every access makes its path here, and then goes to the kernel.
        action = self._actions.pop(path, None)
        if action is not None:
            action()
        return super()._at(path)

    def _count(self, kind, path):
        self.accesses[kind] += 1
        self.paths.append(path)

    def entries(self, path):
        self._count('entries', path)
        return super().entries(path)

    def text(self, path):
        self._count('text', path)
        return super().text(path)

    def link(self, path):
        self._count('link', path)
        return super().link(path)

    def resolve(self, path):
        self._count('resolve', path)
        return super().resolve(path)

    def exists(self, path):
        self._count('exists', path)
        return super().exists(path)


class ForgedTree(sysfs.Tree):
    """Answers for some paths what no file system of ours could, or fails."""

    def __init__(self, root, answers):
        super().__init__(root)
        self._answers = answers

    def _forged(self, path, real):
        answer = self._answers.get(path)
        if answer is None:
            return real(path)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def entries(self, path):
        return self._forged(path, super().entries)

    def text(self, path):
        return self._forged(path, super().text)

    def link(self, path):
        return self._forged(path, super().link)


def refused(number: int = errno.EACCES) -> OSError:
    return OSError(number, os.strerror(number))


# What is there


def test_it_is_a_reader(root):
    reader: host_protocol.Reader = sysfs.SysfsReader(root)
    assert reader.snapshot().parents


def test_parents_types_and_mdevs(root):
    assert look(root) == model.HostSnapshot(
        parents={
            MTTY: model.Parent(
                name=MTTY,
                sysname='mtty',
                subsystem='mtty',
                types={
                    'mtty-1': model.MdevType(
                        id='mtty-1', available_instances=22, name='Single port serial'
                    ),
                    'mtty-2': model.MdevType(
                        id='mtty-2', available_instances=11, name='Dual port serial'
                    ),
                },
            ),
            'mdpy_mdpy': model.Parent(
                name='mdpy_mdpy',
                sysname='mdpy',
                subsystem='mdpy',
                types={
                    kind: model.MdevType(
                        id=kind,
                        available_instances=3,
                        name=kind,
                        description=f'virtual display, {size} framebuffer',
                    )
                    for kind, size in (
                        ('mdpy-vga', '640x480'),
                        ('mdpy-xga', '1024x768'),
                        ('mdpy-hd', '1920x1080'),
                    )
                },
            ),
        },
        mdevs={
            A: model.Mdev(uuid=A, parent=MTTY, mdev_type='mtty-2', iommu_group=0),
            B: model.Mdev(
                uuid=B, parent='mdpy_mdpy', mdev_type='mdpy-hd', iommu_group=1
            ),
        },
    )


def test_a_virtual_function_belongs_to_its_physical_function(tmp_path):
    fixture.write_sysfs(fixture.sriov_card(vfs=5), tmp_path)
    snapshot = look(tmp_path)
    assert list(snapshot.parents) == [
        'pci_0000_41_00_4', 'pci_0000_41_00_5', 'pci_0000_41_00_6', 'pci_0000_41_00_7',
        'pci_0000_41_01_0',
    ]  # fmt: skip
    vf = snapshot.parents['pci_0000_41_01_0']
    assert vf.physical_device == 'pci_0000_41_00_0'
    assert vf.address == '0000:41:01.0'
    assert vf.driver == 'nvidia'
    assert vf.numa_node == 0


def test_devices_that_are_not_pci(tmp_path):
    fixture.write_sysfs(fixture.s390(subchannels=1), tmp_path)
    parents = look(tmp_path).parents
    facts = {name: (p.subsystem, p.sysname, p.address) for name, p in parents.items()}
    assert facts == {
        'css_0_0_0023': ('css', '0.0.0023', None),
        'ap_matrix': ('matrix', 'matrix', None),
    }


@pytest.mark.parametrize(
    ('text', 'node'),
    [
        pytest.param('1\n', 1, id='a-node'),
        pytest.param('0\n', 0, id='node-0'),
        pytest.param('-1\n', None, id='no-node'),
        pytest.param(None, None, id='absent'),
    ],
)
def test_the_numa_node(root, text, node):
    if text is not None:
        (root / PARENT / 'numa_node').write_text(text)
    snapshot = look(root)
    assert snapshot.parents[MTTY].numa_node == node
    assert snapshot.faults == ()


@pytest.mark.parametrize(
    'attribute',
    [pytest.param('name', id='name'), pytest.param('description', id='description')],
)
@pytest.mark.parametrize(
    'text', [pytest.param(None, id='absent'), pytest.param('\n', id='empty')]
)
def test_what_a_driver_need_not_give(root, attribute, text):
    path = root / TYPES / 'mtty-1' / attribute
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_text(text)
    snapshot = look(root)
    assert getattr(snapshot.parents[MTTY].types['mtty-1'], attribute) is None
    assert snapshot.faults == ()


def test_directories_that_git_does_not_keep(root):
    for path in sorted(root.rglob('*'), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
    assert not (root / TYPES / 'mtty-1/devices').exists()
    assert set(look(root).mdevs) == {A, B}
    assert look(root).faults == ()


def test_an_mdev_without_iommu_group(root):
    (root / PARENT / A / 'iommu_group').unlink()
    snapshot = look(root)
    assert snapshot.mdevs[A].iommu_group is None
    assert snapshot.faults == ()


# A host that cannot be looked at, or has nothing


def test_a_kernel_without_mdev(tmp_path):
    assert look(tmp_path) == model.HostSnapshot(parents={})


def test_a_kernel_with_mdev_and_no_parents(tmp_path):
    (tmp_path / 'class/mdev_bus').mkdir(parents=True)
    assert look(tmp_path) == model.HostSnapshot(parents={})


def test_a_root_that_is_not_there(tmp_path):
    with pytest.raises(exceptions.HostError, match='No such file') as caught:
        look(tmp_path / 'none')
    assert caught.value.where.startswith(str(tmp_path / 'none'))


def test_a_root_that_is_a_file(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(exceptions.HostError, match='Not a directory'):
        look(tmp_path / 'file')


def test_a_root_that_we_may_not_read(tmp_path):
    tree = ForgedTree(tmp_path, {'.': refused()})
    with pytest.raises(exceptions.HostError, match='Permission denied'):
        sysfs.SysfsReader(tree).snapshot()


def test_parents_that_we_may_not_list(root):
    tree = ForgedTree(root, {'class/mdev_bus': refused()})
    with pytest.raises(exceptions.HostError, match='Permission denied') as caught:
        sysfs.SysfsReader(tree).snapshot()
    assert caught.value.where == str(root / 'class/mdev_bus')


# Attributes that are not what the kernel documents


def write(data: bytes):
    return lambda path: path.write_bytes(data)


def make_directory(path: pathlib.Path) -> None:
    path.unlink()
    path.mkdir()


def make_fifo(path: pathlib.Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_link(path: pathlib.Path) -> None:
    secret = path.with_name('secret')
    secret.write_text('7\n')
    path.unlink()
    path.symlink_to('secret')


NONSENSE = [
    pytest.param(pathlib.Path.unlink, 'No such file', id='missing'),
    pytest.param(make_directory, 'Is a directory', id='a-directory'),
    pytest.param(make_link, 'symbolic links', id='a-link'),
    pytest.param(write(b'\xff\xfe\x00'), 'not UTF-8', id='binary'),
    pytest.param(write(b'1' * 5000), 'longer than 4096 bytes', id='too-long'),
]
NO_COUNT = [
    *NONSENSE,
    pytest.param(write(b''), "cannot be ''", id='empty'),
    pytest.param(make_fifo, "cannot be ''", id='a-fifo'),
    pytest.param(write(b'-1\n'), "cannot be '-1'", id='negative'),
    pytest.param(write(b'abc\n'), "cannot be 'abc'", id='letters'),
    pytest.param(write(b'1e3\n'), "cannot be '1e3'", id='exponent'),
    pytest.param(write(b'0x10\n'), "cannot be '0x10'", id='hexadecimal'),
    pytest.param(write(b'+5\n'), "cannot be '+5'", id='plus'),
    pytest.param(write(b'1_000\n'), "cannot be '1_000'", id='underscore'),
    pytest.param(write(b'4 4\n'), "cannot be '4 4'", id='two-numbers'),
    pytest.param(write('٣\n'.encode()), "cannot be '٣'", id='arabic-digit'),
    pytest.param(write(b'2147483648\n'), 'expected 0 to', id='one-too-many'),
    pytest.param(write(b'1' + b'0' * 23), 'expected 0 to', id='ten-to-the-23'),
]


@pytest.mark.parametrize(('spoil', 'reason'), NO_COUNT)
def test_an_unreadable_count_is_a_fault_of_its_type(root, spoil, reason):
    path = f'{TYPES}/mtty-1/available_instances'
    spoil(root / path)
    snapshot = look(root)
    assert snapshot.parents[MTTY].types['mtty-1'].available_instances is None
    assert snapshot.parents[MTTY].types['mtty-1'].name == 'Single port serial'
    assert snapshot.parents[MTTY].types['mtty-2'].available_instances == 11
    (fault,) = snapshot.faults
    assert (fault.where, fault.parent, fault.mdev_type) == (
        str(root / path),
        MTTY,
        'mtty-1',
    )
    assert reason in fault.reason


@pytest.mark.parametrize(
    ('text', 'count'),
    [
        pytest.param('0', 0, id='zero-without-newline'),
        pytest.param('2147483647\n', 2**31 - 1, id='largest'),
        pytest.param('00000000000007\n', 7, id='leading-zeros'),
    ],
)
def test_counts_that_are_good(root, text, count):
    (root / TYPES / 'mtty-1/available_instances').write_text(text)
    snapshot = look(root)
    assert snapshot.parents[MTTY].types['mtty-1'].available_instances == count
    assert snapshot.faults == ()


@pytest.mark.parametrize(
    'number',
    [
        pytest.param(errno.EACCES, id='no-permission'),
        pytest.param(errno.EIO, id='the-driver-fails'),
        pytest.param(errno.ENODEV, id='no-device'),
    ],
)
@pytest.mark.parametrize(
    'attribute',
    ['available_instances', 'device_api', 'name', 'description'],
)
def test_an_attribute_that_the_kernel_refuses(root, number, attribute):
    path = f'{TYPES}/mtty-1/{attribute}'
    snapshot = sysfs.SysfsReader(ForgedTree(root, {path: refused(number)})).snapshot()
    assert getattr(snapshot.parents[MTTY].types['mtty-1'], attribute) is None
    assert told(snapshot, root) == {path: os.strerror(number)}


def test_a_count_without_permission(root):
    path = f'{TYPES}/mtty-1/available_instances'
    (root / path).chmod(0)
    if os.access(root / path, os.R_OK):
        pytest.skip('we may read everything')
    assert told(look(root), root) == {path: 'Permission denied'}


@pytest.mark.parametrize(
    ('spoil', 'reason'),
    [
        *NONSENSE,
        pytest.param(write(b'\n'), 'empty', id='empty'),
        pytest.param(write(b'vfio\x1b[31m'), 'not printable', id='escape-sequence'),
        pytest.param(write(b'vfio-pci\nvfio-ap'), 'not printable', id='two-lines'),
    ],
)
def test_an_unreadable_device_api(root, spoil, reason):
    path = f'{TYPES}/mtty-1/device_api'
    spoil(root / path)
    snapshot = look(root)
    assert snapshot.parents[MTTY].types['mtty-1'].device_api is None
    assert reason in told(snapshot, root)[path]


@pytest.mark.parametrize(
    ('attribute', 'spoil'),
    [
        pytest.param('name', write(b'a\x00b'), id='name-with-nul'),
        pytest.param('name', write(b'\xff'), id='name-binary'),
        pytest.param('name', make_directory, id='name-a-directory'),
        pytest.param('description', write(b'\xff'), id='description-binary'),
    ],
)
def test_an_unreadable_optional_attribute(root, attribute, spoil):
    path = f'{TYPES}/mtty-1/{attribute}'
    (root / path).touch()
    spoil(root / path)
    snapshot = look(root)
    assert getattr(snapshot.parents[MTTY].types['mtty-1'], attribute) is None
    assert list(told(snapshot, root)) == [path]


@pytest.mark.parametrize(
    'text', ['-2', 'abc', '', '1' + '0' * 23], ids=['minus-2', 'abc', 'empty', 'huge']
)
def test_an_unreadable_numa_node(root, text):
    (root / PARENT / 'numa_node').write_text(text)
    snapshot = look(root)
    assert snapshot.parents[MTTY].numa_node is None
    assert list(told(snapshot, root)) == [f'{PARENT}/numa_node']


@pytest.mark.parametrize(
    ('target', 'name'),
    [
        pytest.param('../0000:41:00.0', 'pci_0000_41_00_0', id='good'),
        pytest.param('../gone/0000:41:00.0', 'pci_0000_41_00_0', id='not-there'),
        pytest.param('../card0', None, id='not-an-address'),
        pytest.param('..', None, id='nothing'),
    ],
)
def test_the_physical_function(tmp_path, target, name):
    fixture.write_sysfs(fixture.sriov_card(vfs=1), tmp_path)
    link = tmp_path / 'devices/pci0000:41/0000:41:00.4/physfn'
    link.unlink()
    link.symlink_to(target)
    snapshot = look(tmp_path)
    vf = snapshot.parents['pci_0000_41_00_4']
    assert vf.physical_device == (name or 'pci_0000_41_00_4')
    assert len(snapshot.faults) == (name is None)


# Types with strange names


@pytest.mark.parametrize(
    'name',
    [
        pytest.param('GRID M60 0B', id='spaces'),
        pytest.param('größe-\N{SNOWMAN}', id='unicode'),
        pytest.param('..x..', id='dots'),
        pytest.param('x' * 255, id='as-long-as-can-be'),
        pytest.param("'; rm -rf $HOME", id='shell'),
    ],
)
def test_a_strange_type_is_a_type(root, name):
    (root / TYPES / 'mtty-1').rename(root / TYPES / name)
    snapshot = look(root)
    assert snapshot.parents[MTTY].types[name].available_instances == 22
    assert snapshot.faults == ()


@pytest.mark.parametrize(
    'name',
    [
        pytest.param(b'mtty-\xff', id='bytes'),
        pytest.param(b'mtty-\n1', id='newline'),
        pytest.param(b'mtty-\x1b[31m', id='escape-sequence'),
    ],
)
def test_a_type_that_cannot_be_named(root, name):
    types = os.fsencode(root / TYPES)
    os.rename(os.path.join(types, b'mtty-1'), os.path.join(types, name))
    snapshot = look(root)
    assert list(snapshot.parents[MTTY].types) == ['mtty-2']
    (fault,) = snapshot.faults
    assert (fault.parent, fault.mdev_type) == (MTTY, None)
    assert fault.where.startswith(str(root / TYPES / 'mtty-'))
    fault.where.encode()


@pytest.mark.parametrize(
    'name', [pytest.param(LONG, id='300-characters'), pytest.param('..', id='dots')]
)
def test_a_type_that_no_file_system_of_ours_can_hold(root, name):
    tree = ForgedTree(root, {TYPES: {'mtty-2': True, name: True}})
    snapshot = sysfs.SysfsReader(tree).snapshot()
    assert list(snapshot.parents[MTTY].types) == ['mtty-2']
    assert [fault.where for fault in snapshot.faults] == [
        str(root / TYPES) + f'/{name}'
    ]


@pytest.mark.parametrize(
    'make',
    [
        pytest.param(lambda path: path.touch(), id='a-file'),
        pytest.param(lambda path: path.symlink_to('mtty-1'), id='a-link-to-a-type'),
        pytest.param(lambda path: path.symlink_to('nowhere'), id='a-dangling-link'),
        pytest.param(lambda path: path.symlink_to('/etc'), id='a-link-out'),
    ],
)
def test_a_type_that_is_not_a_directory(root, make):
    make(root / TYPES / 'mtty-9')
    snapshot = look(root)
    assert list(snapshot.parents[MTTY].types) == ['mtty-1', 'mtty-2']
    assert told(snapshot, root) == {f'{TYPES}/mtty-9': 'it is not a directory'}


def test_an_empty_type(root):
    (root / TYPES / 'mtty-9').mkdir()
    snapshot = look(root)
    assert snapshot.parents[MTTY].types['mtty-9'] == model.MdevType(
        id='mtty-9', available_instances=None, device_api=None
    )
    assert {fault.mdev_type for fault in snapshot.faults} == {'mtty-9'}
    assert len(snapshot.faults) == 2


def many_types(root: pathlib.Path, number: int) -> CountingTree:
    types = root / TYPES
    for n in range(number):
        (types / f'many-{n:05}').mkdir()
        (types / f'many-{n:05}' / 'available_instances').write_text(f'{n}\n')
        (types / f'many-{n:05}' / 'device_api').write_text('vfio-pci\n')
    return CountingTree(root)


def test_ten_thousand_types_cost_four_accesses_each(root):
    few = CountingTree(root)
    sysfs.SysfsReader(few).snapshot()
    many = many_types(root, 10_000)
    snapshot = sysfs.SysfsReader(many).snapshot()
    assert len(snapshot.parents[MTTY].types) == 10_002
    assert snapshot.parents[MTTY].types['many-09999'].available_instances == 9999
    assert many.accesses.total() - few.accesses.total() == 40_000


# Parents that cannot be read


def relink(root: pathlib.Path, path: str, target: str) -> None:
    link = root / path
    link.unlink(missing_ok=True)
    link.symlink_to(target)


@pytest.mark.parametrize(
    ('spoil', 'where', 'reason'),
    [
        pytest.param(
            lambda r: relink(r, 'class/mdev_bus/mtty', '../../devices/none'),
            'class/mdev_bus/mtty',
            'No such file',
            id='dangling-link',
        ),
        pytest.param(
            lambda r: relink(r, 'class/mdev_bus/mtty', 'mtty'),
            'class/mdev_bus/mtty',
            'symbolic links',
            id='link-to-itself',
        ),
        pytest.param(
            lambda r: relink(r, 'class/mdev_bus/mtty', '../../../outside'),
            'class/mdev_bus/mtty',
            'out of the tree',
            id='link-out-of-the-root',
        ),
        pytest.param(
            lambda r: relink(r, 'class/mdev_bus/mtty', '/etc'),
            'class/mdev_bus/mtty',
            'out of the tree',
            id='absolute-link',
        ),
        pytest.param(
            lambda r: (r / PARENT / 'subsystem').unlink(),
            f'{PARENT}/subsystem',
            'No such file',
            id='no-subsystem',
        ),
        pytest.param(
            lambda r: relink(r, f'{PARENT}/subsystem', '..'),
            f'{PARENT}/subsystem',
            'does not name a directory',
            id='subsystem-is-nothing',
        ),
        pytest.param(
            lambda r: relink(r, 'class/mdev_bus/mtty', '../../class/mtty/uevent'),
            'class/mdev_bus/mtty',
            'No such file',
            id='link-to-a-file-that-is-not-there',
        ),
    ],
)
def test_a_parent_that_cannot_be_identified(root, spoil, where, reason):
    (root.parent / 'outside').mkdir()
    (root.parent / 'outside/subsystem').symlink_to('../secret')
    spoil(root)
    snapshot = look(root)
    assert list(snapshot.parents) == ['mdpy_mdpy']
    assert list(snapshot.mdevs) == [B]
    faults = told(snapshot, root)
    assert reason in faults.pop(where)
    # Its mdev is on the bus all the same, and cannot be told of.
    assert list(faults) == [f'bus/mdev/devices/{A}']


@pytest.mark.parametrize('number', [errno.EACCES, errno.EIO])
def test_a_parent_that_cannot_be_listed(root, number):
    snapshot = sysfs.SysfsReader(ForgedTree(root, {PARENT: refused(number)})).snapshot()
    assert list(snapshot.parents) == ['mdpy_mdpy']
    assert told(snapshot, root)[PARENT] == os.strerror(number)


def test_types_that_cannot_be_listed(root):
    snapshot = sysfs.SysfsReader(ForgedTree(root, {TYPES: refused()})).snapshot()
    assert snapshot.parents[MTTY].types == {}
    assert snapshot.mdevs[A].mdev_type is None
    assert snapshot.faults[0] == model.Fault(
        where=str(root / TYPES), reason='Permission denied', parent=MTTY
    )


def test_a_parent_without_types(root):
    shutil.rmtree(root / TYPES)
    snapshot = look(root)
    assert snapshot.parents[MTTY].types == {}
    assert told(snapshot, root)[TYPES] == 'No such file or directory'


def test_types_behind_a_link_are_not_followed(root):
    (root / TYPES).rename(root.parent / 'outside')
    (root / TYPES).symlink_to(root.parent / 'outside')
    snapshot = look(root)
    assert snapshot.parents[MTTY].types == {}
    assert TYPES in told(snapshot, root)


def test_a_driver_link_that_names_nothing(root):
    (root / PARENT / 'driver').symlink_to('..')
    snapshot = look(root)
    assert snapshot.parents[MTTY].driver is None
    assert list(told(snapshot, root)) == [f'{PARENT}/driver']


def test_names_that_collide(tmp_path):
    types = {'x-1': model.MdevType(id='x-1', available_instances=1)}
    parents = {
        name: model.Parent(name=name, sysname=sysname, subsystem='x', types=types)
        for name, sysname in (('first', 'a-b'), ('second', 'a_b'))
    }
    fixture.write_sysfs(model.HostSnapshot(parents=parents), tmp_path)
    whole = look(tmp_path)
    assert {name: p.sysname for name, p in whole.parents.items()} == {'x_a_b': 'a-b'}
    (fault,) = whole.faults
    assert fault.where == str(tmp_path / 'class/mdev_bus/a_b')
    assert fault.parent == 'x_a_b'
    assert 'class/mdev_bus/a-b' in fault.reason
    assert sysfs.SysfsReader(tmp_path).snapshot(['x_a_b']) == whole


# Mdevs that cannot be read


@pytest.mark.parametrize(
    ('target', 'reason'),
    [
        pytest.param(None, 'No such file', id='absent'),
        pytest.param('../mdev_supported_types/mtty-9', 'no such', id='dangling'),
        pytest.param('../../mtty/mdev_supported_types/mtty-2', None, id='a-detour'),
        pytest.param(
            '../../../mdpy/mdpy/mdev_supported_types/mdpy-hd',
            'no such',
            id='a-type-of-another-parent',
        ),
        pytest.param('/mdev_supported_types/mtty-2', 'no such', id='out-of-the-root'),
        pytest.param('..', 'no such', id='nothing'),
    ],
)
def test_the_type_of_an_mdev(root, target, reason):
    path = f'{PARENT}/{A}/mdev_type'
    (root / path).unlink()
    if target is not None:
        (root / path).symlink_to(target)
    snapshot = look(root)
    mdev = snapshot.mdevs[A]
    assert mdev.parent == MTTY
    assert mdev.iommu_group == 0
    if reason is None:
        assert mdev.mdev_type == 'mtty-2'
        assert snapshot.faults == ()
    else:
        assert mdev.mdev_type is None
        assert reason in told(snapshot, root)[path]


def test_a_type_link_that_is_a_file(root):
    path = f'{PARENT}/{A}/mdev_type'
    (root / path).unlink()
    (root / path).write_text('mtty-2')
    snapshot = look(root)
    assert snapshot.mdevs[A].mdev_type is None
    assert told(snapshot, root) == {path: 'Invalid argument'}


@pytest.mark.parametrize('target', ['../abc', '../-1', f'../1{"0" * 23}', '..'])
def test_an_iommu_group_that_is_no_number(root, target):
    path = f'{PARENT}/{A}/iommu_group'
    (root / path).unlink()
    (root / path).symlink_to(target)
    snapshot = look(root)
    assert snapshot.mdevs[A].iommu_group is None
    assert snapshot.mdevs[A].mdev_type == 'mtty-2'
    assert list(told(snapshot, root)) == [path]


@pytest.mark.parametrize(
    'name',
    [
        pytest.param('power', id='not-an-mdev'),
        pytest.param(A.replace('-', ''), id='no-dashes'),
        pytest.param(A.replace('4', 'A').upper(), id='upper-case'),
        pytest.param(A + '0', id='too-long'),
    ],
)
def test_children_that_are_no_mdevs(root, name):
    (root / PARENT / name).mkdir()
    snapshot = look(root)
    assert set(snapshot.mdevs) == {A, B}
    assert snapshot.faults == ()


@pytest.mark.parametrize(
    ('entry', 'target', 'reason'),
    [
        pytest.param('junk', f'../../../{PARENT}/{A}', 'not a uuid', id='not-a-uuid'),
        pytest.param(
            'ABCDEF00-0000-4000-8000-000000000000',
            f'../../../{PARENT}/{A}',
            'lower case',
            id='upper-case',
        ),
        pytest.param(
            'ffffffff-0000-4000-8000-000000000000',
            '../../../devices/none',
            'No such file',
            id='dangling',
        ),
        pytest.param(
            'ffffffff-0000-4000-8000-000000000000', '/etc', 'out of', id='out-of-root'
        ),
        pytest.param(
            'ffffffff-0000-4000-8000-000000000000',
            '../../../devices/virtual/mtty',
            'could not be read',
            id='on-no-parent',
        ),
    ],
)
def test_strays_on_the_bus(root, entry, target, reason):
    (root / 'bus/mdev/devices' / entry).symlink_to(target)
    snapshot = look(root)
    assert set(snapshot.mdevs) == {A, B}
    assert reason in told(snapshot, root)[f'bus/mdev/devices/{entry}']
    assert len(snapshot.faults) == 1


def test_a_bus_that_cannot_be_listed(root):
    tree = ForgedTree(root, {'bus/mdev/devices': refused()})
    snapshot = sysfs.SysfsReader(tree).snapshot()
    assert set(snapshot.mdevs) == {A, B}
    assert told(snapshot, root) == {'bus/mdev/devices': 'Permission denied'}


# What vanishes while it is being read has not been there


def remove_parent(root: pathlib.Path) -> None:
    # In the order of the kernel's mdev_unregister_parent().
    (root / 'class/mdev_bus/mtty').unlink()
    (root / f'bus/mdev/devices/{A}').unlink()
    shutil.rmtree(root / PARENT)


def remove_mdev(root: pathlib.Path) -> None:
    (root / f'bus/mdev/devices/{A}').unlink()
    shutil.rmtree(root / PARENT / A)


@pytest.mark.parametrize(
    'path',
    [
        pytest.param('class/mdev_bus/mtty', id='before-its-link'),
        pytest.param(f'{PARENT}/subsystem', id='before-its-subsystem'),
        pytest.param(PARENT, id='before-its-listing'),
        pytest.param(TYPES, id='before-its-types'),
        pytest.param(f'{TYPES}/mtty-1/available_instances', id='before-a-count'),
        pytest.param(f'{TYPES}/mtty-2/device_api', id='before-an-api'),
    ],
)
def test_a_parent_that_vanishes(root, path):
    tree = CountingTree(root, before={path: lambda: remove_parent(root)})
    snapshot = sysfs.SysfsReader(tree).snapshot()
    assert not (root / PARENT).exists()
    assert list(snapshot.parents) == ['mdpy_mdpy']
    assert list(snapshot.mdevs) == [B]
    assert snapshot.faults == ()


@pytest.mark.parametrize(
    'path',
    [
        pytest.param(PARENT, id='before-the-listing'),
        pytest.param(f'{PARENT}/{A}/mdev_type', id='before-its-type'),
    ],
)
def test_an_mdev_that_vanishes(root, path):
    tree = CountingTree(root, before={path: lambda: remove_mdev(root)})
    snapshot = sysfs.SysfsReader(tree).snapshot()
    assert not (root / PARENT / A).exists()
    assert list(snapshot.parents) == ['mdpy_mdpy', MTTY]
    assert list(snapshot.mdevs) == [B]
    assert snapshot.faults == ()


def test_a_parent_that_vanishes_once_it_was_read(root):
    path = f'{PARENT}/{A}/mdev_type'
    tree = CountingTree(root, before={path: lambda: remove_parent(root)})
    snapshot = sysfs.SysfsReader(tree).snapshot()
    # It was there, whole, when we looked; its mdev was not.
    assert list(snapshot.parents) == ['mdpy_mdpy', MTTY]
    assert list(snapshot.mdevs) == [B]
    assert snapshot.faults == ()


def test_an_mdev_that_vanishes_from_the_bus(root):
    link = root / 'bus/mdev/devices/ffffffff-0000-4000-8000-000000000000'
    link.symlink_to('../../../devices/none')
    path = str(link.relative_to(root))
    tree = CountingTree(root, before={path: link.unlink})
    assert sysfs.SysfsReader(tree).snapshot().faults == ()


def test_an_mdev_that_appears_is_not_a_stray(root, tmp_path):
    def appear():
        uuid = 'ffffffff-0000-4000-8000-000000000000'
        (root / PARENT / uuid).mkdir()
        (root / 'bus/mdev/devices' / uuid).symlink_to(f'../../../{PARENT}/{uuid}')

    tree = CountingTree(root, before={'bus/mdev/devices': appear})
    snapshot = sysfs.SysfsReader(tree).snapshot()
    assert set(snapshot.mdevs) == {A, B}
    assert snapshot.faults == ()


# A look at some parents


@pytest.mark.parametrize(
    ('asked', 'found'),
    [
        pytest.param([MTTY], [MTTY], id='one'),
        pytest.param([MTTY, 'mdpy_mdpy'], ['mdpy_mdpy', MTTY], id='both'),
        pytest.param(['x_mtty_mtty'], [], id='a-name-that-only-ends-alike'),
        pytest.param(['mtty'], [], id='a-sysname'),
        pytest.param(['pci_0000_84_00_0', MTTY], [MTTY], id='one-is-not-there'),
        pytest.param([], [], id='none'),
        pytest.param(['', '..', LONG, 'ü'], [], id='nonsense'),
    ],
)
def test_a_restricted_look(root, asked, found):
    reader = sysfs.SysfsReader(root)
    whole, some = reader.snapshot(), reader.snapshot(iter(asked))
    assert list(some.parents) == found
    assert dict(some.parents) == {name: whole.parents[name] for name in found}
    assert dict(some.mdevs) == {
        u: m for u, m in whole.mdevs.items() if m.parent in found
    }
    assert some.faults == ()


def test_a_restricted_look_tells_no_faults_of_others(root):
    (root / 'devices/virtual/mdpy/mdpy/subsystem').unlink()
    (root / 'class/mdev_bus/gone').symlink_to('nowhere')
    snapshot = sysfs.SysfsReader(root).snapshot([MTTY])
    assert list(snapshot.parents) == [MTTY]
    assert snapshot.faults == ()


def test_a_restricted_look_costs_nothing_of_others(tmp_path):
    costs = []
    for n in (1, 40):
        host = fixture.together(fixture.pci_gpus(n), fixture.mtty())
        host.create(A, MTTY, 'mtty-2')
        for name in host.snapshot().parents:
            if name != MTTY:
                host.fill(name, 'nvidia-11')
        fixture.write_sysfs(host, tmp_path / str(n))
        tree = CountingTree(tmp_path / str(n))
        snapshot = sysfs.SysfsReader(tree).snapshot([MTTY])
        assert list(snapshot.mdevs) == [A]
        assert not [path for path in tree.paths if 'pci' in path]
        costs.append(tree.accesses)
    # The list of parents 2; mtty 4, two types 4 each, an mdev 2.
    assert costs[0] == costs[1]
    assert costs[0].total() == 2 + 4 + 2 * 4 + 2


def test_the_cost_of_a_whole_look(tmp_path):
    host = fixture.sriov_card(vfs=8, capacity=4)
    host.create(A, 'pci_0000_41_00_4', 'nvidia-558')
    fixture.write_sysfs(host, tmp_path)
    tree = CountingTree(tmp_path)
    sysfs.SysfsReader(tree).snapshot()
    # Two lists; a function 4, its driver, NUMA node and physfn, two types 4 each.
    assert tree.accesses.total() == 2 + 2 + 8 * (4 + 3 + 2 * 4) + 2


def test_a_look_at_some_types_reads_no_other(root):
    tree = CountingTree(root)
    snapshot = sysfs.SysfsReader(tree, types=['mtty-1']).snapshot([MTTY])
    assert list(snapshot.parents[MTTY].types) == ['mtty-1']
    # The type of an mdev is told whether or not it is one of these.
    assert snapshot.mdevs[A].mdev_type == 'mtty-2'
    assert not [path for path in tree.paths if path.startswith(f'{TYPES}/mtty-2')]
    assert snapshot.faults == ()


def test_the_root_may_be_a_link_and_relative(root, monkeypatch):
    (root.parent / 'link').symlink_to(root)
    monkeypatch.chdir(root.parent)
    assert look(pathlib.Path('link')) == look(root)
    assert look(pathlib.Path('sys')) == look(root)


def test_garbage_in_one_parent_leaves_the_other_alone(root):
    good = look(root).parents['mdpy_mdpy']
    for path in sorted((root / PARENT).rglob('*')):
        if path.is_file() and not path.is_symlink():
            path.write_bytes(b'\xff\x00garbage')
            assert look(root).parents['mdpy_mdpy'] == good
