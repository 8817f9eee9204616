# SPDX-License-Identifier: Apache-2.0
"""What tempest finds by the entry point ``tempest.test_plugins``."""

from __future__ import annotations

import pathlib

from oslo_config import cfg
from tempest.test_discover import plugins

from nova_generic_mdev.tempest import config

HERE = pathlib.Path(__file__).parent


class Plugin(plugins.TempestPlugin):
    """The tests and the options of this package."""

    def load_tests(self) -> tuple[str, str]:
        """Where the tests are, and from where their modules are named."""
        return str(HERE / 'tests'), str(HERE.parents[1])

    def register_opts(self, conf: cfg.ConfigOpts) -> None:
        """Add our group to tempest's configuration."""
        conf.register_group(config.GROUP)
        conf.register_opts(config.OPTIONS, config.GROUP)

    def get_opt_lists(self) -> list[tuple[str, list[cfg.Opt]]]:
        """Our options, for tempest's sample configuration."""
        return [(config.GROUP.name, config.OPTIONS)]
