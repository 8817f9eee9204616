# SPDX-License-Identifier: Apache-2.0
"""Our options in Nova's configuration, and the policy that it says.

Nova registers some options of ``[mdev_<type>]`` itself, once the types are known,
and its ``mdev_class`` refuses the short form (``mlx5``).  An option cannot be
registered twice, so ours are registered where Nova would register its own.
"""

from __future__ import annotations

import collections.abc as cabc

import nova.conf
from nova import exception
from oslo_config import cfg
from oslo_log import log as logging

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import opts
from nova_generic_mdev import policy as policylib
from nova_generic_mdev.opts import definitions

LOG = logging.getLogger(__name__)


def take_over() -> None:
    """From now on Nova registers our options instead of its own.  Idempotent.

    Nova's callers name the function as an attribute of its module.
    """
    nova.conf.devices.register_dynamic_opts = register_dynamic_opts
    opts.register(nova.conf.CONF)


def register_dynamic_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of the enabled types; in place of Nova's function.

    To be called after the configuration was loaded; again is harmless.
    """
    opts.register(conf)
    for mdev_type in _enabled(conf):
        for opt in definitions.type_opts(mdev_type):
            _register(conf, opt, f'{definitions.PREFIX}{mdev_type}')


def _enabled(conf: cfg.ConfigOpts) -> cabc.Iterable[str]:
    """The enabled types; none where that cannot be read, which policy() tells."""
    try:
        types: list[str] = conf.devices.enabled_mdev_types
    except (cfg.Error, RecursionError):
        return ()
    return types


def _register(conf: cfg.ConfigOpts, opt: cfg.Opt, group: str) -> None:
    """Register an option of ours, also where Nova's own came first."""
    try:
        conf.register_opt(opt, group=group)
    except cfg.DuplicateOptError:
        # Once a file was read, conf.unregister_opt() refuses.  In its place ours
        # also has what overrides it.
        conf._get_opt_info(opt.dest, group)['opt'] = opt
        conf.register_opt(opt, group=group)


def refuse_unparsed(conf: cfg.ConfigOpts | None = None) -> None:
    """Look at the values while the driver is made, before anybody else does.

    Under eventlet, Nova logs all values (``log_options``) as soon as it is made,
    and ends at the first that cannot be parsed, with that one alone.

    :raises nova.exception.InvalidConfiguration: a value cannot be parsed; with
        every problem
    """
    _policy, unparsed, others = _read(conf)
    if any(problem.fatal for problem in unparsed):
        raise _invalid((*unparsed, *others))


def policy(conf: cfg.ConfigOpts | None = None) -> policylib.Policy:
    """What the operator wants, as it is configured, and overridden, now.

    Whatever is wrong with it, host or no host, is logged.

    :param conf: another configuration than Nova's own
    :raises nova.exception.InvalidConfiguration: with every problem, when one of
        them is fatal
    """
    said, unparsed, others = _read(conf)
    Problems().tell((*unparsed, *others))
    return said


_Problems = tuple[model.Problem, ...]


def _read(
    conf: cfg.ConfigOpts | None,
) -> tuple[policylib.Policy, _Problems, _Problems]:
    """The policy, what is wrong in its words, and what is wrong in what it says."""
    conf = nova.conf.CONF if conf is None else conf
    register_dynamic_opts(conf)
    said, unparsed = opts.policy_from(conf)
    return said, unparsed, policylib.check(said)


class Problems:
    """Tells each problem once, however often it is found."""

    def __init__(self) -> None:
        self._told: set[model.Problem] = set()

    def tell(self, problems: cabc.Collection[model.Problem]) -> None:
        """Log each problem that was not told yet.

        :raises nova.exception.InvalidConfiguration: with every problem, when one
            of them is fatal
        """
        if any(problem.fatal for problem in problems):
            raise _invalid(problems)
        for problem in problems:
            if problem not in self._told:
                self._told.add(problem)
                _log(problem)


def _invalid(problems: cabc.Collection[model.Problem]) -> Exception:
    text = str(exceptions.ConfigError(tuple(problems)))
    error: Exception = exception.InvalidConfiguration(text)
    return error


def _log(problem: model.Problem) -> None:
    error = problem.severity is model.Severity.ERROR
    LOG.log(logging.ERROR if error else logging.WARNING, '%s', problem)
