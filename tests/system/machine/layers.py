# SPDX-License-Identifier: Apache-2.0
"""What the image is made of, and what decides each part.

======== ============================== =========================
layer    made from                      built again when changes
======== ============================== =========================
root     packages                       package list, suite
toolchain packages                      package list, suite
modules  toolchain                      drivers' recipe
wheels   requirements                   requirements, Python
image    root, modules, wheels, guests  overlay, guests, recipe
======== ============================== =========================
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from pathlib import Path
from types import ModuleType

from tests.system.guest import build as guest_build
from tests.system.machine import cache
from tests.system.machine import errors
from tests.system.machine import image
from tests.system.machine import modules
from tests.system.machine import packages
from tests.system.machine import progress
from tests.system.machine import roots
from tests.system.machine import wheels

REPOSITORY = Path(__file__).parents[3]
_PLATFORM = {'suite': roots.SUITE, 'architecture': roots.ARCHITECTURE}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """A machine for something that needs more than ours.

    :param name: goes before the names of the layers that differ.
    :param requirements: more for its Python.
    :param packages: more of the distribution's.
    """

    name: str = ''
    requirements: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


PLAIN = Kind()


def image_layer(requirements: str, kind: Kind = PLAIN) -> cache.Layer:
    """The image with what a requirements list asks for."""
    return cache.Layer(
        name=f'{kind.name}image',
        inputs={
            **_recipe(image, guest_build),
            'init': cache.digest(image.INIT),
            'overlay': cache.digest(image.OVERLAY),
            'guests': cache.digest(*guest_build.SOURCES),
        },
        build=image.build_image,
        needs=(_root_layer(kind), _modules_layer(), _wheels_layer(requirements, kind)),
    )


def _root_layer(kind: Kind) -> cache.Layer:
    packages = (*roots.ROOT_PACKAGES, *kind.packages)
    return cache.Layer(
        name=f'{kind.name}root',
        inputs={**_PLATFORM, **_recipe(roots), 'of': ' '.join(packages)},
        build=lambda work, _needs: roots._bootstrap(
            work / 'root.tar', packages, hooks=[roots._CLEAN]
        ),
    )


def _modules_layer() -> cache.Layer:
    of = ' '.join(roots.TOOLCHAIN_PACKAGES)
    toolchain = cache.Layer(
        name='toolchain',
        inputs={**_PLATFORM, **_recipe(roots), 'of': of},
        build=roots.build_toolchain,
    )
    return cache.Layer(
        name='modules',
        inputs={**_recipe(modules), 'sources': cache.digest(modules.HERE)},
        build=modules.build_modules,
        needs=(toolchain,),
    )


def _wheels_layer(requirements: str, kind: Kind) -> cache.Layer:
    wanted = requirements + ''.join(f'{one}\n' for one in kind.requirements)
    return cache.Layer(
        name=f'{kind.name}wheels',
        inputs={**_recipe(wheels), 'python': wheels.PYTHON, 'of': wanted},
        build=lambda work, _needs: wheels.build_wheels(work, wanted),
    )


def _recipe(*sources: ModuleType) -> dict[str, str]:
    files = [Path(inspect.getfile(source)) for source in sources]
    return {'recipe': cache.digest(*files)}


@functools.cache
def obtain_image(
    requirements: Path = REPOSITORY / wheels.LIST,
    root: Path | None = None,
    kind: Kind = PLAIN,
) -> Path:
    """The directory of the image, built if need be.

    :param requirements: the list of what the image's Python is to have.
    :param root: where the cache is; by default the user's.
    :param kind: for what; by default nothing but ours.
    :raises MachineError: it cannot be built here.
    """
    layer = image_layer(wheels.requirements(requirements), kind)
    store = cache.Cache(root)
    if not store.path(layer).exists():
        packages.ensure(packages.TO_BUILD)
    try:
        return store.obtain(layer)
    except errors.KernelMismatch as error:
        # Debian's kernel moved on between two builds of the parts.
        progress.say(f'{error}: fetching both anew')
        for need in (layer.needs[0], *layer.needs[1].needs, layer.needs[1]):
            store.drop(need)
        return store.obtain(layer)
