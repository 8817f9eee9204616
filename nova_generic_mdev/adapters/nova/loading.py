# SPDX-License-Identifier: Apache-2.0
"""How a stock nova-compute finds our driver: an os_vif plugin that plugs nothing.

Nova imports ``nova.virt.<compute_driver>``, and nothing of ours lies below
``nova.virt``.  Before that it loads every os_vif plugin; this one makes
``nova.virt.generic_mdev`` a name that can be imported.  Until somebody imports it,
neither Nova nor our engine is: most hosts that load this have another driver, and
an exception here would end their nova-compute.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import sys
import types
import typing as ty

from os_vif import plugin
from oslo_log import log as logging

ALIAS = 'nova.virt.generic_mdev'
DRIVER = 'GenericMdevDriver'
TARGET = 'nova_generic_mdev.adapters.nova.driver'
COMPUTE_DRIVER = f'generic_mdev.{DRIVER}'

_OURS = 'nova-generic-mdev'
_PACKAGE = __name__.partition('.')[0]
# What a module raises that is imported beside a Nova it was not written for.
_UNFIT = (AttributeError, ImportError, TypeError)

LOG = logging.getLogger(__name__)


# Registered, not inherited: a base class that asks for one more method one day
# must not end nova-compute on hosts that do not use our driver.
@plugin.PluginBase.register
class Plugin:
    """An os_vif plugin that has no VIF type."""

    #: none; os_vif lists them for oslo-config-generator
    CONFIG_OPTS: ty.ClassVar[list[ty.Any]] = []

    @classmethod
    def load(cls, plugin_name: str) -> Plugin:
        """Make our driver importable; raises nothing, whatever is the matter."""
        try:
            make_importable()
        except (AttributeError, TypeError):
            LOG.exception(
                'compute_driver = %s will not be found, since sys.meta_path is not a '
                'list: find out what replaced it',
                COMPUTE_DRIVER,
            )
        return cls()

    def describe(self) -> ty.Any:
        """What os_vif tells of its plugins: this one supports no VIF."""
        from os_vif.objects import host_info

        return host_info.HostPluginInfo(plugin_name='generic_mdev', vif_info=[])

    def plug(self, vif: ty.Any, instance_info: ty.Any) -> None:
        """Refuse: no VIF is ours."""
        raise NotImplementedError(f'{_OURS} plugs no VIFs')

    def unplug(self, vif: ty.Any, instance_info: ty.Any) -> None:
        """Refuse: no VIF is ours."""
        raise NotImplementedError(f'{_OURS} unplugs no VIFs')


def make_importable() -> None:
    """Let ``nova.virt.generic_mdev`` be found.  Again is harmless.

    Last of all: should Nova ever have a module of that name, it is Nova's.
    """
    if not any(finder is _ALIAS for finder in sys.meta_path):
        sys.meta_path.append(_ALIAS)


class _Alias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one name, and loads our driver when it is imported.

    The module is one of its own with the driver's class in it.  To give the
    driver's module a second name would set its ``__spec__`` to that of the name.
    """

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != ALIAS:
            return None
        return importlib.machinery.ModuleSpec(ALIAS, self, origin=TARGET)

    def exec_module(self, module: types.ModuleType) -> None:
        setattr(module, DRIVER, _driver_class())
        vars(module)['__getattr__'] = _no_such_driver


_ALIAS: ty.Final = _Alias()


def _driver_class() -> type:
    """Our driver.

    Nova logs an ImportError, with its cause, before it ends.  Whatever else is
    raised ends nova-compute without a word on the driver.

    :raises ImportError: it cannot be imported; says what to do
    """
    try:
        driver: type = getattr(importlib.import_module(TARGET), DRIVER)
    except _UNFIT as e:
        raise ImportError(
            f'compute_driver = {COMPUTE_DRIVER} cannot be loaded, {e}: {_remedy(e)}',
            name=ALIAS,
        ) from e
    return driver


def _remedy(error: AttributeError | ImportError | TypeError) -> str:
    missing = (getattr(error, 'name', None) or '').partition('.')[0]
    if isinstance(error, ModuleNotFoundError) and missing != 'nova':
        what = _OURS if missing == _PACKAGE else missing
        return f'install {what} where nova-compute runs, in {sys.prefix}'
    return (
        f'{_OURS} {_version(_OURS)} and Nova {_version("nova")} do not go together; '
        f'Nova must be 31 (2025.1) or newer, and {_OURS} of the same time'
    )


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return 'of an unknown version'


def _no_such_driver(name: str) -> ty.NoReturn:
    raise AttributeError(
        f'compute_driver = generic_mdev.{name}: there is no such driver, write '
        f'compute_driver = {COMPUTE_DRIVER}'
    )
