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


def image_layer(requirements: str) -> cache.Layer:
    """The image with what a requirements list asks for."""
    root = cache.Layer(
        name='root',
        inputs={**_PLATFORM, **_recipe(roots), 'of': ' '.join(roots.ROOT_PACKAGES)},
        build=roots.build_root,
    )
    return cache.Layer(
        name='image',
        inputs={
            **_recipe(image, guest_build),
            'init': cache.digest(image.INIT),
            'overlay': cache.digest(image.OVERLAY),
            'guests': cache.digest(*guest_build.SOURCES),
        },
        build=image.build_image,
        needs=(root, _modules_layer(), _wheels_layer(requirements)),
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


def _wheels_layer(requirements: str) -> cache.Layer:
    return cache.Layer(
        name='wheels',
        inputs={**_recipe(wheels), 'python': wheels.PYTHON, 'of': requirements},
        build=lambda work, _needs: wheels.build_wheels(work, requirements),
    )


def _recipe(*sources: ModuleType) -> dict[str, str]:
    files = [Path(inspect.getfile(source)) for source in sources]
    return {'recipe': cache.digest(*files)}


@functools.cache
def obtain_image(
    requirements: Path = REPOSITORY / wheels.LIST, root: Path | None = None
) -> Path:
    """The directory of the image, built if need be.

    :param requirements: the list of what the image's Python is to have.
    :param root: where the cache is; by default the user's.
    :raises MachineError: it cannot be built here.
    """
    layer = image_layer(wheels.requirements(requirements))
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
