# SPDX-License-Identifier: Apache-2.0
"""What Nova's own helpers keep of the configuration, filled from ours.

Nova's driver refuses addresses that it cannot use: parents that are not PCI
functions (all of them in Nova 31), patterns, two types on one parent.  Ours are
read by :mod:`~.options`; these attributes are what is left that Nova reads.
"""

from __future__ import annotations

import collections
import collections.abc as cabc

from nova import conf as nova_conf
from nova import exception
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging

from nova_generic_mdev import exceptions
from nova_generic_mdev import names
from nova_generic_mdev import opts
from nova_generic_mdev import policy as policylib
from nova_generic_mdev.adapters.nova import base
from nova_generic_mdev.adapters.nova import options

LOG = logging.getLogger(__name__)


class Legacy(base.Base):
    """The attributes of Nova's driver that are about mdev types."""

    def _get_supported_vgpu_types(self) -> list[str]:
        """The enabled types that are served.

        :raises InvalidLibvirtMdevConfig: an address that nothing is known of
        :raises InvalidConfiguration: an option that cannot be parsed
        """
        options.refuse_unparsed()
        try:
            return list(super()._get_supported_vgpu_types())
        except exception.InvalidLibvirtMdevConfig:
            policy, problems = opts.policy_from(nova_conf.CONF)
            wrong = (*problems, *policylib.check(policy))
            if any(problem.fatal for problem in wrong) or self._unknown(policy):
                raise
            return self._fill(policy)

    def _unknown(self, policy: policylib.Policy) -> list[str]:
        """Single words that are no parent's: misspelt, most likely.

        A PCI address or a node-device name may come later; a word that is
        nothing at all cannot be told from a mistake.
        """
        words = {
            address
            for rule in policy.rules
            for address in rule.device_addresses
            if not names.is_pci_address(address)
            and not names.is_pattern(address)
            and '_' not in address
        }
        return sorted(words - set(self._sysnames())) if words else []

    def _sysnames(self) -> cabc.Iterator[str]:
        try:
            present = self._mdevs.host.snapshot().parents.values()
        except exceptions.MdevError:
            return
        yield from (parent.sysname for parent in present)

    def _fill(self, policy: policylib.Policy) -> list[str]:
        self.pgpu_type_mapping = collections.defaultdict(str)
        self.mdev_class_mapping = collections.defaultdict(lambda: 'VGPU')
        self.mdev_type_max_mapping: dict[str, int] = {}
        self.mdev_classes = {rule.resource_class for rule in policy.rules}
        self.pgpu_type_default = None
        for rule in policy.rules:
            if rule.max_instances:
                self.mdev_type_max_mapping[rule.mdev_type] = rule.max_instances
            for address in rule.device_addresses:
                self.pgpu_type_mapping[address] = rule.mdev_type
                self.mdev_class_mapping[address] = rule.resource_class
        defaults = [rule.mdev_type for rule in policy.rules if rule.is_default]
        self.pgpu_type_default = defaults[0] if defaults else None
        return [r.mdev_type for r in policy.rules if r.mdev_type not in defaults[1:]]

    def _start_inactive_mediated_devices(self) -> None:
        """Start what is defined and not there; one that cannot is only named."""
        if not self._mdevs.is_active:
            super()._start_inactive_mediated_devices()
            return
        libvirt = libvirt_driver.libvirt
        inactive = self._host.list_all_devices(
            libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV
            | libvirt.VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE
        )
        for device in inactive:
            try:
                self._host.device_start(device)
                LOG.info('%s was defined and not there: started', device.name())
            except libvirt.libvirtError as e:
                LOG.warning(
                    '%s is defined and cannot be started; "virsh nodedev-undefine" '
                    'forgets it: %s',
                    device.name(),
                    e,
                )
