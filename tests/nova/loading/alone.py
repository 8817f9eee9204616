# SPDX-License-Identifier: Apache-2.0
"""An os_vif plugin that lets a stock nova-compute run by itself.

A nova-compute asks a conductor by RPC for its database, and libvirtd for its
hypervisor.  With this beside it both are in its own process: SQLite, and the
libvirt of nova.tests.  What nova-compute itself does, from its console script to
its last log line, is unchanged.
"""

import importlib
import os
import sys
import types

import nova.conductor.rpcapi
import nova.db.main.api
from nova import tests
from nova.db.api import api as api_db
from nova.db.api import models as api_models
from nova.db.main import models as main_models

#: 'no': as where libvirt-python is not installed
LIBVIRT = os.environ.get('ALONE_LIBVIRT', 'yes')


class Plugin:
    """What os_vif asks of its plugins."""

    CONFIG_OPTS = ()

    @classmethod
    def load(cls, plugin_name):
        """Between the start of nova-compute and the load of its driver."""
        nova.db.main.api.__class__ = AlwaysAllowed
        nova.conductor.rpcapi.ConductorAPI = lambda: None
        make_tables()
        if LIBVIRT == 'yes':
            give_libvirt()
        else:
            sys.modules['libvirt'] = None
        return cls()


class AlwaysAllowed(types.ModuleType):
    """A module whose DISABLE_DB_ACCESS stays as it is.

    nova-compute sets it a moment later; the module itself does not look here.
    """

    @property
    def DISABLE_DB_ACCESS(self):
        return False

    @DISABLE_DB_ACCESS.setter
    def DISABLE_DB_ACCESS(self, value):
        return


def make_tables():
    main_models.BASE.metadata.create_all(nova.db.main.api.get_engine())
    api_models.BASE.metadata.create_all(api_db.get_engine())


def give_libvirt():
    """Let Nova have the libvirt of nova.tests."""
    # Without its package, which imports eventlet.
    package = types.ModuleType('nova.tests.fixtures')
    package.__path__ = [os.path.join(folder, 'fixtures') for folder in tests.__path__]
    sys.modules[package.__name__] = package
    fake = importlib.import_module(f'{package.__name__}.libvirt')
    sys.modules['libvirt'] = fake
    for name in ('driver', 'guest', 'host', 'migration'):
        importlib.import_module(f'nova.virt.libvirt.{name}').libvirt = fake
