# SPDX-License-Identifier: Apache-2.0
"""A look again reads what can have changed, and tells what a first look tells."""

from __future__ import annotations

import collections
import dataclasses
import os
import shutil

import pytest

from nova_generic_mdev import fixture
from nova_generic_mdev.host import sysfs

GPU, OTHER, MTTY = 'pci_0000_84_00_0', 'pci_0000_85_00_0', 'mtty_mtty'
COUNTED = ('nvidia-11', 'mtty-1')
A, B, C = (f'{letter}0000000-0000-4000-8000-000000000001' for letter in 'abc')
PARENTS = {
    GPU: 'devices/pci0000:84/0000:84:00.0',
    OTHER: 'devices/pci0000:85/0000:85:00.0',
    MTTY: 'devices/virtual/mtty/mtty',
}


class Tree(sysfs.Tree):
    """Counts accesses, by their kind."""

    def __init__(self, root):
        super().__init__(root)
        self.accesses = collections.Counter()

    def __getattribute__(self, name):
        if name in {'entries', 'inodes', 'inode', 'raw', 'link', 'resolve', 'exists'}:
            self.accesses[name] += 1
        return super().__getattribute__(name)


class Scene:
    """A host as a tree of files, and a reader that has looked at it once."""

    def __init__(self, root):
        host = fixture.together(fixture.pci_gpus(2), fixture.mtty())
        host.place(A, GPU, 'nvidia-11')
        host.place(B, MTTY, 'mtty-2')
        fixture.write_sysfs(host, root)
        self.root = root
        self.tree = Tree(root)
        self.reader = sysfs.RememberingReader(self.tree, COUNTED)
        self.first = self.reader.snapshot()
        self.tree.accesses.clear()

    def look(self, *parents):
        return self.reader.snapshot(parents or None)

    def full(self, *parents):
        """What a reader without a memory tells, without what ours leaves out."""
        told = sysfs.SysfsReader(self.root).snapshot(parents or None)
        counted = None if parents else COUNTED
        return _less(told, counted)

    def write(self, parent, mdev_type, text):
        place = self.root / PARENTS[parent] / 'mdev_supported_types' / mdev_type
        (place / 'available_instances').write_text(f'{text}\n')

    def make(self, uuid, parent, mdev_type):
        device = self.root / PARENTS[parent] / uuid
        device.mkdir()
        (device / 'mdev_type').symlink_to(f'../mdev_supported_types/{mdev_type}')
        bus = self.root / 'bus/mdev/devices'
        # Renamed: the old link has its inode until then, so they differ.
        (bus / 'new').symlink_to(os.path.relpath(device, bus))
        os.replace(bus / 'new', bus / uuid)

    def remove(self, uuid, parent):
        (self.root / 'bus/mdev/devices' / uuid).unlink()
        shutil.rmtree(self.root / PARENTS[parent] / uuid)

    def register_again(self, parent):
        """The driver is loaded again: another link, though to the same place."""
        place = self.root / 'class/mdev_bus' / PARENTS[parent].rpartition('/')[2]
        new = place.with_name('new')
        new.symlink_to(os.readlink(place))
        os.replace(new, place)


def _plain(parent, counted):
    types = {
        kind.id: dataclasses.replace(
            kind,
            description=None,
            available_instances=kind.available_instances
            if counted is None or kind.id in counted
            else None,
        )
        for kind in parent.types.values()
    }
    return dataclasses.replace(parent, types=types, numa_node=None)


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_the_first_look_tells_what_is_there(scene):
    assert scene.first == scene.full()
    assert scene.first.mdevs.keys() == {A, B}


def test_a_look_again_reads_the_lists_and_the_counts_of_enabled_types(scene):
    assert scene.look() is scene.first
    assert scene.tree.accesses == {'inodes': 2, 'raw': 3}


def test_however_many_types_and_mdevs_there_are(tmp_path):
    host = fixture.together(*[fixture.sriov_card(vfs=8, capacity=8)])
    for name in host.snapshot().parents:
        host.create(str(A).replace('0001', name[-1].rjust(4, '0')), name, 'nvidia-558')
    fixture.write_sysfs(host, tmp_path)
    tree = Tree(tmp_path)
    reader = sysfs.RememberingReader(tree, ['nvidia-558'])
    assert len(reader.snapshot().mdevs) > 1
    tree.accesses.clear()
    reader.snapshot()
    assert tree.accesses == {'inodes': 2, 'raw': 8}


def count(scene):
    scene.write(GPU, 'nvidia-11', 7)


def appear(scene):
    scene.make(C, OTHER, 'nvidia-18')


def vanish(scene):
    scene.remove(A, GPU)


def move(scene):
    scene.remove(A, GPU)
    scene.make(A, OTHER, 'nvidia-11')


def change_type(scene):
    scene.make(C, GPU, 'nvidia-18')
    scene.look()
    shutil.rmtree(scene.root / PARENTS[GPU] / C)
    scene.make(C, GPU, 'nvidia-11')


def lose_parent(scene):
    (scene.root / 'class/mdev_bus/0000:85:00.0').unlink()


def lose_and_regain_parent(scene):
    link = scene.root / 'class/mdev_bus/0000:85:00.0'
    target = os.readlink(link)
    link.unlink()
    scene.look()
    link.symlink_to(target)


def other_types(scene):
    types = scene.root / PARENTS[OTHER] / 'mdev_supported_types'
    shutil.rmtree(types / 'nvidia-11')
    (types / 'nvidia-18/name').write_text('another name\n')
    scene.register_again(OTHER)


def spoil(scene):
    scene.write(GPU, 'nvidia-11', 'many')


def spoil_and_mend(scene):
    spoil(scene)
    assert scene.look().faults
    scene.write(GPU, 'nvidia-11', 4)


def stray(scene):
    device = scene.root / 'devices/elsewhere' / C
    device.mkdir(parents=True)
    bus = scene.root / 'bus/mdev/devices'
    (bus / C).symlink_to(os.path.relpath(device, bus))


def unknown_type(scene):
    scene.make(C, GPU, 'nvidia-99')


def no_parents(scene):
    shutil.rmtree(scene.root / 'class/mdev_bus')


@pytest.mark.parametrize(
    'change',
    [
        count, appear, vanish, move, change_type, lose_parent, lose_and_regain_parent,
        other_types, spoil, spoil_and_mend, stray, unknown_type, no_parents,
    ],
)  # fmt: skip
@pytest.mark.parametrize('parents', [(), (GPU,), (GPU, OTHER)])
def test_what_changed_is_told_as_in_a_first_look(scene, change, parents):
    change(scene)
    for _ in range(2):
        found = scene.look(*parents)
        # What was looked at as a whole is told as a whole.
        assert (_less(found) if parents else found) == scene.full(*parents)


def _less(found, counted=None):
    return dataclasses.replace(
        found,
        parents={name: _plain(p, counted) for name, p in found.parents.items()},
        mdevs={
            u: dataclasses.replace(m, iommu_group=None) for u, m in found.mdevs.items()
        },
    )


def test_one_whose_removal_waits_for_its_user_is_still_there(scene):
    (scene.root / 'bus/mdev/devices' / A).unlink()
    assert scene.look().mdevs.keys() == {A, B}
    shutil.rmtree(scene.root / PARENTS[GPU] / A)
    assert scene.look().mdevs.keys() == {B}


def test_one_whose_removal_waited_before_the_first_look_is_found_to_be_gone(scene):
    (scene.root / 'bus/mdev/devices' / A).unlink()
    reader = sysfs.RememberingReader(scene.tree, COUNTED)
    for _ in range(2):
        assert reader.snapshot().mdevs.keys() == {A, B}
    shutil.rmtree(scene.root / PARENTS[GPU] / A)
    for _ in range(2):
        assert reader.snapshot().mdevs.keys() == {B}


def test_a_look_at_one_parent_counts_all_of_its_types(scene):
    types = scene.look(GPU).parents[GPU].types
    assert {k: t.available_instances for k, t in types.items()} == {
        'nvidia-11': 15, 'nvidia-18': 0, 'nvidia-22': 0,
    }  # fmt: skip
    # The link, the directory, three counts and the type of an mdev.
    assert scene.tree.accesses == {'inode': 1, 'entries': 1, 'raw': 3, 'link': 1}


def test_a_parent_that_is_not_there_is_left_out(scene):
    assert scene.look(GPU, 'mdpy_mdpy').parents.keys() == {GPU}


def test_a_look_goes_on_though_another_thread_finds_nothing_to_remember(
    scene, monkeypatch
):
    class Links(dict):
        __hash__ = None

        def __eq__(self, others):
            scene.reader._memory = None
            return super().__eq__(others)

    inodes = scene.tree.inodes
    monkeypatch.setattr(scene.tree, 'inodes', lambda path: Links(inodes(path)))
    assert scene.look() == scene.first
