# SPDX-License-Identifier: Apache-2.0
"""A cache of expensive directories, each under a key of all that decides it.

A layer is a directory that one function fills. Its key is a digest of its
inputs and of the keys of the layers it is made from. It is filled in a
temporary sibling and renamed when whole, so a directory under its final name
was finished once; its manifest says whether it still is what it was. A file
lock per layer lets several processes and threads ask for the same one: one
builds, the others wait and find it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

from tests.system.machine import host
from tests.system.machine import progress

VARIABLE = 'NOVA_GENERIC_MDEV_CACHE'
MANIFEST = 'manifest.json'
_KEPT = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """A directory that can be built.

    :param name: what it is, a file name.
    :param inputs: everything that decides its content, by name.
    :param build: fills an empty directory, given the directories of `needs`
        by their names.
    :param needs: the layers that it is made from.
    """

    name: str
    inputs: Mapping[str, str]
    build: Callable[[Path, Mapping[str, Path]], None]
    needs: tuple[Layer, ...] = ()

    @property
    def key(self) -> str:
        """16 hexadecimal digits that change when anything that counts does."""
        needs = {layer.name: layer.key for layer in self.needs}
        text = json.dumps([self.name, dict(self.inputs), needs], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def default_root() -> Path:
    """Where the cache is: ours by variable, else the user's cache directory."""
    if VARIABLE in os.environ:
        return Path(os.environ[VARIABLE])
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'nova-generic-mdev'


class Cache:
    """The layers below one directory."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()
        self._whole: set[Path] = set()

    def path(self, layer: Layer) -> Path:
        """Where the layer is, or would be."""
        return self.root / f'{layer.name}-{layer.key}'

    def obtain(self, layer: Layer) -> Path:
        """The layer's directory, built if it is not there or not whole."""
        path = self.path(layer)
        with self._lock(path.name):
            if not self._is_whole(path):
                self._build(layer, path)
            self._whole.add(path)
        os.utime(path)
        return path

    def drop(self, layer: Layer) -> None:
        """Forget a layer, so that the next `obtain` builds it anew."""
        path = self.path(layer)
        with self._lock(path.name):
            self._whole.discard(path)
            host.remove_tree(path)

    def _is_whole(self, path: Path) -> bool:
        if path in self._whole:
            return True
        if not path.exists():
            return False
        flaw = damage(path)
        if flaw:
            progress.say(f'{path.name} in the cache is broken ({flaw}): rebuilding')
        return not flaw

    def _build(self, layer: Layer, path: Path) -> None:
        needs = self._obtain_all(layer.needs)
        # Whoever was killed while building this no longer holds its lock.
        for left in [path, *self.root.glob(f'.{path.name}-*')]:
            host.remove_tree(left)
        work = Path(tempfile.mkdtemp(prefix=f'.{path.name}-', dir=self.root))
        try:
            with progress.step(f'building {layer.name}'):
                layer.build(work, needs)
            work.chmod(0o755)
            write_manifest(work)
            work.rename(path)
        finally:
            host.remove_tree(work)
        self._prune(layer.name, path)

    def _obtain_all(self, layers: tuple[Layer, ...]) -> dict[str, Path]:
        """Obtain side by side: most of the time goes by in other processes."""
        if not layers:
            return {}
        with concurrent.futures.ThreadPoolExecutor(len(layers)) as pool:
            paths = list(pool.map(self.obtain, layers))
        return {layer.name: path for layer, path in zip(layers, paths, strict=True)}

    def _prune(self, name: str, path: Path) -> None:
        """Remove all but the last used few of a layer's versions."""
        versions = list(self.root.glob(f'{name}-' + '[0-9a-f]' * 16))
        versions.sort(key=lambda p: p.stat().st_mtime, reverse=True)
        for old in versions[_KEPT:]:
            if old != path:
                progress.say(f'removing {old.name} from the cache')
                host.remove_tree(old)

    @contextlib.contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        locks = self.root / 'locks'
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / name).open('w') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress.say(f'waiting for another process to finish {name}')
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def write_manifest(directory: Path) -> None:
    """Write down the size and SHA-256 of each file below a directory."""
    files = {
        str(path.relative_to(directory)): _entry(path)
        for path in sorted(directory.rglob('*'))
        if path.is_file() and path.name != MANIFEST
    }
    text = json.dumps({'files': files}, indent=1, sort_keys=True)
    (directory / MANIFEST).write_text(text + '\n')


def damage(directory: Path) -> str:
    """What is wrong with a directory by its manifest; empty if nothing is."""
    try:
        files = json.loads((directory / MANIFEST).read_text())['files']
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f'no usable manifest: {error}'
    for name, entry in files.items():
        path = directory / name
        if not path.is_file():
            return f'{name} is missing'
        if path.stat().st_size != entry['size'] or _entry(path) != entry:
            return f'{name} is not what was written'
    return ''


def digest(*paths: Path) -> str:
    """SHA-256 of files and of all below directories: names and contents."""
    total = hashlib.sha256()
    for path in paths:
        below = sorted(path.rglob('*')) if path.is_dir() else [path]
        for file in below:
            if file.is_file() and '__pycache__' not in file.parts:
                name = file.relative_to(path.parent)
                total.update(f'{name}\0{_sha256(file)}\0'.encode())
    return total.hexdigest()


def _entry(path: Path) -> dict[str, int | str]:
    return {'size': path.stat().st_size, 'sha256': _sha256(path)}


def _sha256(path: Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
