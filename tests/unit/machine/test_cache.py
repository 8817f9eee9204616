# SPDX-License-Identifier: Apache-2.0
"""The builder's cache, with steps that take no time."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.system.machine import cache
from tests.system.machine import errors


class Recipe:
    """A build step that writes one file and counts how often it was run."""

    def __init__(self, text: str = 'content') -> None:
        self.text = text
        self.runs = 0

    def __call__(self, work: Path, needs: Mapping[str, Path]) -> None:
        self.runs += 1
        below = [(needs[name] / 'file').read_text() for name in sorted(needs)]
        (work / 'file').write_text(self.text + ''.join(below))


def layer(
    recipe: Recipe,
    name: str = 'layer',
    needs: tuple[cache.Layer, ...] = (),
    **inputs: str,
) -> cache.Layer:
    return cache.Layer(name=name, inputs=inputs, build=recipe, needs=needs)


def test_built_once(tmp_path: Path) -> None:
    recipe = Recipe()
    first = cache.Cache(tmp_path).obtain(layer(recipe, a='1'))
    second = cache.Cache(tmp_path).obtain(layer(recipe, a='1'))
    assert first == second
    assert (first / 'file').read_text() == 'content'
    assert recipe.runs == 1


def test_key_follows_every_input() -> None:
    recipe = Recipe()
    need = layer(recipe, 'need', version='1')
    changed = layer(recipe, 'need', version='2')
    keys = [
        layer(recipe).key,
        layer(recipe, a='1').key,
        layer(recipe, a='2').key,
        layer(recipe, b='1').key,
        layer(recipe, name='other', a='1').key,
        layer(recipe, needs=(need,), a='1').key,
        layer(recipe, needs=(changed,), a='1').key,
    ]
    assert len(set(keys)) == len(keys)
    assert layer(recipe, b='2', a='1').key == layer(recipe, a='1', b='2').key


def test_only_what_changed_is_built_again(tmp_path: Path) -> None:
    base, top = Recipe('base '), Recipe('top ')
    store = cache.Cache(tmp_path)
    need = layer(base, 'base', version='1')
    store.obtain(layer(top, 'top', (need,), version='1'))
    path = store.obtain(layer(top, 'top', (need,), version='2'))
    assert (path / 'file').read_text() == 'top base '
    assert (base.runs, top.runs) == (1, 2)


def test_whole_layer_does_not_need_what_it_was_made_from(tmp_path: Path) -> None:
    base, top = Recipe(), Recipe()
    need = layer(base, 'base')
    cache.Cache(tmp_path).obtain(layer(top, 'top', (need,)))
    cache.Cache(tmp_path).drop(need)
    cache.Cache(tmp_path).obtain(layer(top, 'top', (need,)))
    assert base.runs == 1


def _cut(path: Path) -> None:
    (path / 'file').write_text('')


def _flip(path: Path) -> None:
    (path / 'file').write_text('CONTENT')


@pytest.mark.parametrize(
    ('damage', 'told'),
    [
        pytest.param(lambda p: (p / 'file').unlink(), 'is missing', id='file-gone'),
        pytest.param(_cut, 'not what was written', id='file-cut-short'),
        pytest.param(_flip, 'not what was written', id='same-size-other-content'),
        pytest.param(
            lambda p: (p / cache.MANIFEST).unlink(),
            'no usable manifest',
            id='unfinished',
        ),
        pytest.param(
            lambda p: (p / cache.MANIFEST).write_text('{"fil'),
            'no usable manifest',
            id='manifest-cut-short',
        ),
    ],
)
def test_damaged_is_rebuilt(tmp_path, capsys, damage, told) -> None:  # type: ignore[no-untyped-def]
    recipe = Recipe()
    path = cache.Cache(tmp_path).obtain(layer(recipe))
    damage(path)
    assert cache.Cache(tmp_path).obtain(layer(recipe)) == path
    assert (path / 'file').read_text() == 'content'
    assert recipe.runs == 2
    assert told in capsys.readouterr().err


def test_failed_build_leaves_nothing_and_is_tried_again(tmp_path: Path) -> None:
    def fail(work: Path, _needs: Mapping[str, Path]) -> None:
        (work / 'half').write_text('half')
        raise errors.StepFailed('mkfs', 1, 'disk full')

    store = cache.Cache(tmp_path)
    with pytest.raises(errors.StepFailed, match='disk full'):
        store.obtain(cache.Layer(name='layer', inputs={}, build=fail))
    assert [p.name for p in tmp_path.iterdir()] == ['locks']
    assert (store.obtain(layer(Recipe())) / 'file').exists()


def test_left_over_of_a_killed_build_is_no_layer(tmp_path: Path) -> None:
    wanted = layer(Recipe())
    store = cache.Cache(tmp_path)
    left = tmp_path / f'.{store.path(wanted).name}-killed'
    left.mkdir()
    (left / 'file').write_text('half')
    assert (store.obtain(wanted) / 'file').read_text() == 'content'
    assert not left.exists()


def _obtain_slowly(root: Path) -> None:
    def build(work: Path, _needs: Mapping[str, Path]) -> None:
        with (root / 'runs').open('a') as runs:
            runs.write('x')
        time.sleep(0.3)
        (work / 'file').write_text('content')

    found = cache.Cache(root).obtain(cache.Layer(name='slow', inputs={}, build=build))
    assert (found / 'file').read_text() == 'content'


@pytest.mark.parametrize(
    'worker',
    [
        pytest.param(threading.Thread, id='threads'),
        pytest.param(multiprocessing.get_context('fork').Process, id='processes'),
    ],
)
def test_two_at_once_build_once(tmp_path, worker) -> None:  # type: ignore[no-untyped-def]
    workers = [worker(target=_obtain_slowly, args=(tmp_path,)) for _ in range(3)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert (tmp_path / 'runs').read_text() == 'x'


def test_old_versions_go(tmp_path: Path) -> None:
    store = cache.Cache(tmp_path)
    paths = [store.obtain(layer(Recipe(), version=str(n))) for n in range(5)]
    assert [p.exists() for p in paths] == [False, False, True, True, True]


@pytest.mark.parametrize(
    ('environment', 'expected'),
    [
        pytest.param({'NOVA_GENERIC_MDEV_CACHE': '/a'}, '/a', id='ours'),
        pytest.param({'XDG_CACHE_HOME': '/b'}, '/b/nova-generic-mdev', id='xdg'),
        pytest.param({'HOME': '/c'}, '/c/.cache/nova-generic-mdev', id='home'),
    ],
)
def test_where_it_is(monkeypatch, environment, expected) -> None:  # type: ignore[no-untyped-def]
    for name in ('NOVA_GENERIC_MDEV_CACHE', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache.default_root() == Path(expected)
