# SPDX-License-Identifier: Apache-2.0
"""The fake host runs out, refuses and fails as hardware does."""

from __future__ import annotations

import ast
import errno
import os
import pathlib
import threading

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev import host as host_protocol
from nova_generic_mdev import model
from nova_generic_mdev import names
from nova_generic_mdev.host import sysfs
from tests import pools
from tests.hosts import regenerate

MTTY = 'mtty_mtty'
UUIDS = [f'00000000-0000-4000-8000-{n:012x}' for n in range(100)]
A, B, C = UUIDS[:3]
BUILDERS = {
    'mtty': fixture.mtty,
    'mdpy': fixture.mdpy,
    'mbochs': fixture.mbochs,
    'mtty-on-pci': fixture.pci_mtty,
    'gpus': fixture.pci_gpus,
    'sriov': fixture.sriov_card,
    'gvt': fixture.gvt,
    's390': fixture.s390,
}


def left(look: model.HostSnapshot) -> dict[str, dict[str, int | None]]:
    """available_instances by parent and type."""
    return {
        name: {t.id: t.available_instances for t in parent.types.values()}
        for name, parent in look.parents.items()
    }


def each_builder() -> list[object]:
    return [pytest.param(build, id=name) for name, build in BUILDERS.items()]


def each_sequence() -> list[object]:
    return [pytest.param(row, id=row.id) for row in pools.POOL_SEQUENCES]


@pytest.mark.parametrize('row', each_sequence())
def test_the_host_runs_out(row):
    host = getattr(fixture, row.host)(**row.arguments)
    uuids = iter(UUIDS)
    assert left(host.snapshot()) == row.start
    for step in row.steps:
        for _ in range(step.times):
            host.create(next(uuids), step.parent, step.mdev_type)
        assert left(host.snapshot()) == step.left
    parent, mdev_type, number = row.refused
    before = host.snapshot()
    with pytest.raises(exceptions.CapacityError) as caught:
        host.create(next(uuids), parent, mdev_type)
    assert caught.value.errno == number
    assert (caught.value.parent, caught.value.mdev_type) == (parent, mdev_type)
    assert host.snapshot() == before


@pytest.mark.parametrize('row', each_sequence())
def test_the_written_tree_runs_out_alike(row, tmp_path):
    host = getattr(fixture, row.host)(**row.arguments)
    uuids = iter(UUIDS)
    fixture.write_sysfs(host, tmp_path / 'start')
    assert left(sysfs.SysfsReader(tmp_path / 'start').snapshot()) == row.start
    for number, step in enumerate(row.steps):
        for _ in range(step.times):
            host.create(next(uuids), step.parent, step.mdev_type)
        fixture.write_sysfs(host, tmp_path / str(number))
        read = sysfs.SysfsReader(tmp_path / str(number)).snapshot()
        assert left(read) == step.left
        assert read == host.snapshot()


@pytest.mark.parametrize('row', each_sequence())
def test_what_is_removed_can_be_made_again(row):
    host = getattr(fixture, row.host)(**row.arguments)
    uuids = iter(UUIDS)
    made = []
    for step in row.steps:
        for _ in range(step.times):
            made.append(next(uuids))
            host.create(made[-1], step.parent, step.mdev_type)
    for uuid in made:
        host.remove(uuid)
    assert left(host.snapshot()) == row.start


@pytest.mark.parametrize('build', each_builder())
def test_a_written_host_is_read_back(build, tmp_path):
    host = build()
    fixture.write_sysfs(host, tmp_path)
    assert sysfs.SysfsReader(tmp_path).snapshot() == host.snapshot()


def test_all_hosts_together_are_read_back(tmp_path):
    # gvt's GPU has an address of its own, so that all fit in one host.
    host = fixture.together(*(build() for build in BUILDERS.values()))
    host.fill(MTTY, 'mtty-2')
    fixture.write_sysfs(host, tmp_path)
    assert sysfs.SysfsReader(tmp_path).snapshot() == host.snapshot()


def test_types_that_are_independent():
    types = {t: model.MdevType(id=t, available_instances=None) for t in ('x-1', 'x-2')}
    parent = model.Parent(name='x_x', sysname='x', subsystem='x', types=types)
    pool = fixture.Independent(counts={'x-1': 1, 'x-2': 2})
    host = fixture.FakeHost(fixture.Device(pool=pool, parents=(parent,)))
    host.create(A, 'x_x', 'x-1')
    assert left(host.snapshot()) == {'x_x': {'x-1': 0, 'x-2': 2}}
    with pytest.raises(exceptions.CapacityError):
        host.create(B, 'x_x', 'x-1')


# What the kernel says to a create


def test_the_same_mdev_again_is_success():
    host = fixture.mtty()
    host.create(A, MTTY, 'mtty-1')
    host.create(A.upper(), MTTY, 'mtty-1')
    assert list(host.snapshot().mdevs) == [A]


@pytest.mark.parametrize(
    ('parent', 'mdev_type', 'kind'),
    [
        pytest.param(MTTY, 'mtty-2', exceptions.HostError, id='other-type'),
        pytest.param('mdpy_mdpy', 'mdpy-hd', exceptions.HostError, id='other-parent'),
    ],
)
def test_the_same_uuid_as_something_else_is_refused(parent, mdev_type, kind):
    host = fixture.together(fixture.mtty(), fixture.mdpy())
    host.create(A, MTTY, 'mtty-1')
    with pytest.raises(kind, match='File exists'):
        host.create(A, parent, mdev_type)


@pytest.mark.parametrize(
    ('uuid', 'parent', 'mdev_type', 'kind'),
    [
        pytest.param('junk', MTTY, 'mtty-1', exceptions.InvalidName, id='junk-uuid'),
        pytest.param('../x', MTTY, 'mtty-1', exceptions.InvalidName, id='uuid-slash'),
        pytest.param(A, 'mtty', 'mtty-1', exceptions.NotFound, id='no-such-parent'),
        pytest.param(A, MTTY, 'mtty-9', exceptions.NotFound, id='no-such-type'),
    ],
)
def test_a_create_that_cannot_be(uuid, parent, mdev_type, kind):
    host = fixture.mtty()
    with pytest.raises(kind):
        host.create(uuid, parent, mdev_type)
    assert not host.snapshot().mdevs


# Failures that are asked for


@pytest.mark.parametrize(
    ('number', 'kind'),
    [
        pytest.param(errno.ENOSPC, exceptions.CapacityError, id='full'),
        pytest.param(errno.EUSERS, exceptions.CapacityError, id='too-many'),
        pytest.param(errno.EPERM, exceptions.CapacityError, id='not-permitted'),
        pytest.param(errno.EAGAIN, exceptions.CapacityError, id='try-again'),
        pytest.param(errno.ENODEV, exceptions.NotFound, id='parent-went'),
        pytest.param(errno.EIO, exceptions.HostError, id='broken'),
    ],
)
def test_the_second_create_fails(number, kind):
    host = fixture.mtty()
    host.fail_create(2, number)
    host.create(A, MTTY, 'mtty-1')
    with pytest.raises(kind) as caught:
        host.create(B, MTTY, 'mtty-1')
    assert type(caught.value) is kind
    host.create(C, MTTY, 'mtty-1')
    assert list(host.snapshot().mdevs) == [A, C]


def test_a_parent_vanishes_between_look_and_create():
    host = fixture.together(fixture.mtty(), fixture.mdpy())
    host.create(A, MTTY, 'mtty-1')
    host.before_create(2, lambda: host.lose_parent(MTTY))
    with pytest.raises(exceptions.NotFound):
        host.create(B, MTTY, 'mtty-1')
    assert list(host.snapshot().parents) == ['mdpy_mdpy']
    assert not host.snapshot().mdevs


def test_a_type_fills_up_between_look_and_create():
    host = fixture.mtty()
    host.before_create(1, lambda: host.fill(MTTY, 'mtty-2'))
    with pytest.raises(exceptions.CapacityError):
        host.create(A, MTTY, 'mtty-1')
    assert len(host.snapshot().mdevs) == 12


def test_an_mdev_vanishes_between_look_and_create():
    host = fixture.mtty()
    host.place(A, MTTY, 'mtty-1')
    host.before_create(1, lambda: host.lose_mdev(A))
    host.create(B, MTTY, 'mtty-1')
    assert list(host.snapshot().mdevs) == [B]


def test_an_mdev_in_use_is_not_removed():
    host = fixture.mtty()
    host.create(A, MTTY, 'mtty-1')
    host.attach(A, 'guest g1')
    with pytest.raises(exceptions.InUse, match='guest g1') as caught:
        host.remove(A)
    assert (caught.value.uuid, caught.value.user) == (A, 'guest g1')
    host.detach(A)
    host.remove(A)
    host.remove(A)
    assert not host.snapshot().mdevs


def test_an_mdev_that_vanished_is_used_by_nobody():
    host = fixture.mtty()
    host.create(A, MTTY, 'mtty-1')
    host.attach(A)
    host.lose_parent(MTTY)
    host.remove(A)
    assert not host.snapshot().mdevs


# What a test reads from it


def test_it_is_a_host():
    host: host_protocol.Host = fixture.FakeHost(backend='libvirt')
    assert host.backend == 'libvirt'
    assert host.snapshot() == model.HostSnapshot(parents={})


def test_calls_are_recorded_and_what_others_do_is_not():
    host = fixture.mtty()
    host.place(A, MTTY, 'mtty-1')
    host.snapshot([MTTY])
    host.create(B, MTTY, 'mtty-2', (('a', '1'),))
    host.remove(B)
    assert host.calls == [
        fixture.Call(verb='snapshot', parents=(MTTY,)),
        fixture.Call(
            verb='create',
            uuid=B,
            parent=MTTY,
            mdev_type='mtty-2',
            attributes=(('a', '1'),),
        ),
        fixture.Call(verb='remove', uuid=B),
    ]


def test_a_restricted_look_shows_only_these_parents():
    host = fixture.together(fixture.mtty(), fixture.mdpy())
    for uuid, parent, mdev_type in (
        (A, MTTY, 'mtty-1'),
        (B, 'mdpy_mdpy', 'mdpy-hd'),
    ):
        host.create(uuid, parent, mdev_type)
        host.definitions[uuid] = model.Definition(
            uuid=uuid, parent=parent, mdev_type=mdev_type
        )
    look = host.snapshot(['mdpy_mdpy', 'not_there'])
    assert list(look.parents) == ['mdpy_mdpy']
    assert list(look.mdevs) == [B]
    assert list(look.definitions) == [B]


def test_threads_get_what_there_is_and_no_more():
    host = fixture.mtty()
    gate = threading.Barrier(8)
    refused = []

    def work(number: int) -> None:
        gate.wait(timeout=10)
        for uuid in UUIDS[number * 4 : number * 4 + 4]:
            try:
                host.create(uuid, MTTY, 'mtty-1')
            except exceptions.CapacityError:
                refused.append(uuid)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert (len(host.snapshot().mdevs), len(refused)) == (24, 8)
    assert len(host.calls) == 33


# What is written


def test_the_tree_has_the_layout_of_the_kernel(tmp_path):
    host = fixture.sriov_card(vfs=1, capacity=2)
    host.create(A, 'pci_0000_41_00_4', 'nvidia-558')
    fixture.write_sysfs(host, tmp_path)
    vf = tmp_path / 'devices/pci0000:41/0000:41:00.4'
    links = {
        str(path.relative_to(tmp_path)): str(path.readlink())
        for path in tmp_path.rglob('*')
        if path.is_symlink()
    }
    pci = 'devices/pci0000:41'
    mdev = f'{pci}/0000:41:00.4/{A}'
    types = f'{pci}/0000:41:00.4/mdev_supported_types'
    assert links == {
        'bus/mdev/devices/' + A: f'../../../{mdev}',
        'bus/mdev/drivers/nvidia/' + A: f'../../../../{mdev}',
        'bus/pci/devices/0000:41:00.0': f'../../../{pci}/0000:41:00.0',
        'bus/pci/devices/0000:41:00.4': f'../../../{pci}/0000:41:00.4',
        'bus/pci/drivers/nvidia/0000:41:00.4': f'../../../../{pci}/0000:41:00.4',
        'class/mdev_bus/0000:41:00.4': f'../../{pci}/0000:41:00.4',
        f'kernel/iommu_groups/0/devices/{A}': f'../../../../{mdev}',
        f'{pci}/0000:41:00.0/subsystem': '../../../bus/pci',
        f'{pci}/0000:41:00.0/virtfn0': '../0000:41:00.4',
        f'{pci}/0000:41:00.4/driver': '../../../bus/pci/drivers/nvidia',
        f'{pci}/0000:41:00.4/physfn': '../0000:41:00.0',
        f'{pci}/0000:41:00.4/subsystem': '../../../bus/pci',
        f'{mdev}/driver': '../../../../bus/mdev/drivers/nvidia',
        f'{mdev}/iommu_group': '../../../../kernel/iommu_groups/0',
        f'{mdev}/mdev_type': '../mdev_supported_types/nvidia-558',
        f'{mdev}/subsystem': '../../../../bus/mdev',
        f'{types}/nvidia-558/devices/{A}': f'../../../{A}',
    }
    assert all(path.exists() for path in tmp_path.rglob('*'))
    attributes = (vf / 'mdev_supported_types/nvidia-558').iterdir()
    assert {path.name for path in attributes} == {
        'available_instances', 'create', 'description', 'device_api', 'devices', 'name',
    }  # fmt: skip


def test_a_directory_that_is_not_empty_is_left_alone(tmp_path):
    (tmp_path / 'precious').touch()
    with pytest.raises(FileExistsError, match='not empty'):
        fixture.write_sysfs(fixture.mtty(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['precious']


# The trees in tests/hosts


def entries(top: pathlib.Path) -> dict[str, str | bytes]:
    """Each file's bytes and each link's target, by path."""
    return {
        str(path.relative_to(top)): (
            os.readlink(path) if path.is_symlink() else path.read_bytes()
        )
        for path in top.rglob('*')
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize('name', regenerate.HOSTS)
def test_the_tree_is_what_regenerate_makes(name, tmp_path):
    regenerate.write(name, tmp_path / name)
    assert entries(regenerate.HERE / name) == entries(tmp_path / name), (
        'run tests/hosts/regenerate.py'
    )


@pytest.mark.parametrize('name', sorted(set(regenerate.HOSTS) - {'broken'}))
def test_the_tree_is_read_as_the_host_is(name):
    snapshot = sysfs.SysfsReader(regenerate.HERE / name).snapshot()
    assert snapshot == regenerate.HOSTS[name]().snapshot()


def test_the_healthy_part_of_the_broken_host_is_read():
    snapshot = sysfs.SysfsReader(regenerate.HERE / 'broken').snapshot()
    assert list(snapshot.parents) == [
        'ap_matrix',
        'mbochs_mbochs',
        'mdpy_mdpy',
        'mtty_mt_ty',
        MTTY,
        'pci_0000_41_00_4',
        'pci_0000_84_00_0',
    ]
    host = regenerate.broken().snapshot()
    assert snapshot.parents[MTTY] == host.parents[MTTY]
    counts = left(snapshot)
    assert counts['mbochs_mbochs'] == left(host)['mbochs_mbochs']
    assert counts['mdpy_mdpy'] == {
        'mdpy with spaces': 1,
        'mdpy-größe': 1,
        f'mdpy-{"x" * 120}': 1,
        'mdpy-hd': None,
        'mdpy-vga': None,
        'mdpy-xga': None,
    }
    assert counts['pci_0000_84_00_0'] == {
        'nvidia-11': None,
        'nvidia-18': None,
        'nvidia-22': 1,
    }


def test_each_fault_of_the_broken_host_is_named():
    top = regenerate.HERE / 'broken'
    faults = sysfs.SysfsReader(top).snapshot().faults
    mdpy = 'devices/virtual/mdpy/mdpy/mdev_supported_types'
    mbochs = 'devices/virtual/mbochs/mbochs'
    gpu = 'devices/pci0000:84/0000:84:00.0'
    uuids = regenerate.UUIDS
    assert sorted(os.path.relpath(fault.where, top) for fault in faults) == sorted(
        [
            f'bus/mdev/devices/{uuids[7]}',
            'bus/mdev/devices/junk',
            'class/mdev_bus/gone',
            'class/mdev_bus/mt_ty',
            'class/mdev_bus/outside',
            'devices/css0/0.0.0023/subsystem',
            'devices/pci0000:41/0000:41:00.4/physfn',
            f'{gpu}/mdev_supported_types/nvidia-11/available_instances',
            f'{gpu}/mdev_supported_types/nvidia-18/available_instances',
            f'{gpu}/numa_node',
            'devices/vfio_ap/matrix/mdev_supported_types',
            f'{mbochs}/{uuids[4]}/mdev_type',
            f'{mbochs}/{uuids[5]}/mdev_type',
            f'{mbochs}/{uuids[6]}/iommu_group',
            f'{mdpy}/mdpy-hd/available_instances',
            f'{mdpy}/mdpy-hd/device_api',
            f'{mdpy}/mdpy-hd/name',
            f'{mdpy}/mdpy-nothing',
            f'{mdpy}/mdpy-vga/available_instances',
            f'{mdpy}/mdpy-xga/available_instances',
            f'{mdpy}/not-a-directory',
        ]
    )


# What a real kernel shows


def real() -> dict[str, str | None]:
    """Of each path the link's target, the attribute's value, or None."""
    listing = (regenerate.HERE / 'kernel-6.12.txt').read_text().splitlines()
    found: dict[str, str | None] = {}
    for line in listing:
        if line.startswith('#'):
            continue
        path, _, value = line.rstrip('/').partition(' ')
        found[path] = value or None
    return found


def write_real(top: pathlib.Path) -> None:
    for path, value in real().items():
        where = top / path
        where.parent.mkdir(parents=True, exist_ok=True)
        if value is None:
            where.mkdir(exist_ok=True)
        elif value.startswith('-> '):
            where.symlink_to(value.removeprefix('-> '))
        elif value == '= (write-only)':
            where.touch()
        else:
            where.write_text(ast.literal_eval(value.removeprefix('= ')))


@pytest.fixture
def real_host() -> fixture.FakeHost:
    """The host of that listing: its mdevs in the order of their uuids."""
    host = fixture.together(
        fixture.mtty(), fixture.mdpy(), fixture.mbochs(), fixture.pci_mtty()
    )
    made = {
        path.split('/')[-2]: (path.split('/')[-3], value.split('/')[-1])
        for path, value in sorted(real().items())
        if path.endswith('/mdev_type') and value is not None
    }
    parents = {p.sysname: name for name, p in host.snapshot().parents.items()}
    for uuid, (sysname, mdev_type) in sorted(made.items()):
        host.create(uuid, parents[sysname], mdev_type)
    return host


def test_a_real_kernel_is_read_as_the_fake_is(real_host, tmp_path):
    write_real(tmp_path)
    read = sysfs.SysfsReader(tmp_path).snapshot()
    assert len(read.mdevs) == 9
    assert read == real_host.snapshot()


def test_what_is_written_is_what_a_real_kernel_shows(real_host, tmp_path):
    fixture.write_sysfs(real_host, tmp_path / 'ours')
    write_real(tmp_path / 'real')
    ours, kernels = entries(tmp_path / 'ours'), entries(tmp_path / 'real')
    # The one name that cannot be known: how a driver calls itself on the bus.
    driver = 'bus/mdev/drivers/mttypci'
    known = {
        path: value
        for path, value in ours.items()
        if driver not in path and not (path.endswith('driver') and driver in str(value))
    }
    assert len(ours) - len(known) == 2 * 3
    assert {path: kernels.get(path) for path in known} == known


# Any host is read back as it was written

_WORDS = st.text(
    st.characters(codec='utf-8', exclude_categories=('C', 'Z'), exclude_characters='/'),
    min_size=1,
    max_size=12,
).filter(lambda text: text not in ('.', '..') and text.isprintable())
_KINDS = st.sampled_from(['pci', 'css', 'mtty', 'net', 'usb-x'])


@st.composite
def parents(draw, number: int) -> model.Parent:
    # The kernel has one device on the bus "matrix", and it is called so.
    subsystem = draw(_KINDS) if number else 'matrix'
    sysname = {
        'pci': f'0000:{number:02x}:00.0',
        'matrix': 'matrix',
    }.get(subsystem, f'{number}.{draw(st.text("ab", max_size=2))}')
    name = names.node_device(subsystem, sysname)
    types = draw(st.lists(_WORDS, unique=True, max_size=3))
    return model.Parent(
        name=name,
        sysname=sysname,
        subsystem=subsystem,
        address=sysname if subsystem == 'pci' else None,
        physical_device='pci_0000_ff_00_0' if subsystem == 'pci' else '',
        numa_node=draw(st.none() | st.integers(0, 7)),
        driver=draw(st.none() | _WORDS),
        types={
            t: model.MdevType(
                id=t,
                available_instances=None,
                device_api=draw(_WORDS),
                name=draw(st.none() | _WORDS),
                description=draw(st.none() | _WORDS),
            )
            for t in types
        },
    )


@st.composite
def hosts(draw) -> fixture.FakeHost:
    devices = []
    for number in range(draw(st.integers(0, 4))):
        parent = draw(parents(number))
        pool = draw(
            st.sampled_from(
                [
                    fixture.Counted(limit=3),
                    fixture.Homogeneous(counts=dict.fromkeys(parent.types, 2)),
                    fixture.Shared(size=4, costs=dict.fromkeys(parent.types, 3)),
                ]
            )
        )
        devices.append(fixture.Device(pool=pool, parents=(parent,)))
    return fixture.FakeHost(*devices)


@settings(max_examples=60, deadline=None)
@given(host=hosts(), data=st.data())
def test_any_host_is_read_back(host, data, tmp_path_factory):
    for name, parent in host.snapshot().parents.items():
        if parent.types and data.draw(st.booleans()):
            host.fill(name, data.draw(st.sampled_from(sorted(parent.types))))
    root = tmp_path_factory.mktemp('any')
    fixture.write_sysfs(host, root)
    reader = sysfs.SysfsReader(root)
    assert reader.snapshot() == host.snapshot()
    for name in host.snapshot().parents:
        assert reader.snapshot([name]) == host.snapshot([name])
