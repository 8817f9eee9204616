# SPDX-License-Identifier: Apache-2.0
"""Our errors, as Nova's compute manager tells them apart.

=====================  =======================================================
ours                   what Nova makes of it
=====================  =======================================================
CapacityError          ComputeResourcesUnavailable: a spawn goes to another host
RequestError           the same; the log says that this host needs a look
ConfigError            InvalidConfiguration: nova-compute does not start
any other              InternalError: the operation fails with our message
=====================  =======================================================
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib

from nova import exception
from oslo_log import log as logging

from nova_generic_mdev import exceptions

LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def as_novas() -> cabc.Iterator[None]:
    """In this block our errors become Nova's.

    :raises nova.exception.NovaException: instead of MdevError
    """
    try:
        yield
    except exceptions.CapacityError as e:
        raise exception.ComputeResourcesUnavailable(reason=str(e)) from e
    except exceptions.RequestError as e:
        LOG.warning('the configuration and Placement disagree: %s', e)
        raise exception.ComputeResourcesUnavailable(reason=str(e)) from e
    except exceptions.ConfigError as e:
        raise exception.InvalidConfiguration(str(e)) from e
    except exceptions.MdevError as e:
        raise exception.InternalError(str(e)) from e
