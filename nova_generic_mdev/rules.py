# SPDX-License-Identifier: Apache-2.0
"""What the operator wants of one mdev type."""

from __future__ import annotations

import enum

import os_resource_classes

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev import names

# vfio-ap: a queue, which is an adapter and a domain, belongs to one mdev at a
# time; ap_config gives all of them at once (kernel,
# Documentation/arch/s390/vfio-ap.rst).
_EXCLUSIVE = frozenset({'ap_config', 'assign_adapter', 'assign_domain'})
# The options that must be known before attributes can be called too many.
_EXCLUSIVE_OPTIONS = frozenset({'attributes', 'max_instances'})


class OnRelease(enum.StrEnum):
    """What becomes of an mdev that we created when its consumer goes."""

    REMOVE = 'remove'
    KEEP = 'keep'


@model.value
class TypeRule:
    """What the operator wants of one mdev type: one ``[mdev_<type>]`` group.

    :param device_addresses: PCI addresses, sysfs names, node-device names or
        shell patterns; empty means every parent that no other rule names
    :param max_instances: at most so many mdevs on this host; None: no limit
    :param max_instances_per_device: the same per physical device
    :param display: whether an mdev is a display of its guest; None leaves it to
        libvirt; so does ``ramfb``, which makes it the boot display too
    :param unparsed: options whose value cannot be parsed; a rule with one is
        checked like any other, and gives nothing
    """

    mdev_type: str
    resource_class: str = os_resource_classes.VGPU
    device_addresses: tuple[str, ...] = ()
    max_instances: int | None = None
    max_instances_per_device: int | None = None
    traits: tuple[str, ...] = ()
    drain: bool = False
    on_release: OnRelease = OnRelease.REMOVE
    attributes: model.Attributes = ()
    display: bool | None = None
    ramfb: bool | None = None
    unparsed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        names.mdev_type(self.mdev_type)
        if names.resource_class(self.resource_class) != self.resource_class:
            raise exceptions.InvalidName(
                'resource class', self.resource_class, 'expected VGPU or CUSTOM_...'
            )
        for field in ('max_instances', 'max_instances_per_device'):
            limit = getattr(self, field)
            if limit is not None and limit < 1:
                raise exceptions.InvalidValue(field, limit, 'expected at least 1')

    @property
    def group(self) -> str:
        """The group of ``nova.conf`` that this rule was written in."""
        return f'mdev_{self.mdev_type}'

    @property
    def limit(self) -> int | None:
        """The lower of the two limits: what no provider's total exceeds."""
        limits = (self.max_instances, self.max_instances_per_device)
        return min((n for n in limits if n is not None), default=None)

    @property
    def is_default(self) -> bool:
        """Whether it names no parent, and so means all that no other names."""
        return not self.device_addresses and 'device_addresses' not in self.unparsed

    @property
    def gives(self) -> bool:
        """Whether it is known to give its class, so that no other may beside it."""
        return not (self.drain or self.unparsed & {'drain', 'mdev_class'})

    @property
    def is_served(self) -> bool:
        """Whether it says all that is needed for its type to work."""
        return not (self.unparsed or self.exclusive_attributes or self.lacks_display)

    @property
    def lacks_display(self) -> bool:
        """Whether it wants a boot display and no display, which libvirt refuses."""
        is_known = not self.unparsed & {'display', 'ramfb'}
        return is_known and bool(self.ramfb) and not self.display

    @property
    def display_options(self) -> tuple[str, ...]:
        """Those that say anything of a display, by name."""
        said = {'display': self.display, 'ramfb': self.ramfb}
        return tuple(name for name, wanted in said.items() if wanted is not None)

    @property
    def exclusive_attributes(self) -> tuple[str, ...]:
        """Those that only one mdev can have, of a type that may have more."""
        if self.max_instances == 1 or self.unparsed & _EXCLUSIVE_OPTIONS:
            return ()
        return tuple(sorted(_EXCLUSIVE.intersection(n for n, _ in self.attributes)))
