# SPDX-License-Identifier: Apache-2.0
"""The options, one by one: what each means, its default and its legacy name."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import copy

from oslo_config import cfg

DEVICES = cfg.OptGroup('devices', title='Mediated devices of this compute host')
OWN = cfg.OptGroup('generic_mdev', title='How generic mediated devices are managed')
BACKEND = 'auto'
PREFIX = 'mdev_'
LEGACY_PREFIX = 'vgpu_'

devices_opts: list[cfg.Opt] = [
    cfg.ListOpt(
        'enabled_mdev_types',
        default=[],
        deprecated_name='enabled_vgpu_types',
        help="""
The mdev types that this host gives, for example ``nvidia-35, mtty-2``.

Each type may have a group ``[mdev_<type>]`` that says which parent devices it
is for and what it is called in Placement. ``nova-mdev parent list`` names the
types that the parent devices of this host support.
""",
    ),
]

own_opts: list[cfg.Opt] = [
    cfg.StrOpt(
        'state_path',
        # Not "$state_path/mdev": in this group that would mean the option itself.
        sample_default='/var/lib/nova/mdev',
        help="""
Directory of the durable record of which mediated devices are whose.

nova-compute and ``nova-mdev`` share it. The default is ``mdev`` below Nova's
own ``[DEFAULT] state_path``.
""",
    ),
    cfg.StrOpt(
        'backend',
        default=BACKEND,
        choices=[
            ('auto', 'libvirt where it can, sysfs where it cannot'),
            (
                'sysfs',
                "the kernel's own interface; gone after a reboot until recovered",
            ),
            ('libvirt', "libvirt's node devices only"),
        ],
        help='How mediated devices are created.',
    ),
    cfg.BoolOpt(
        'reuse_found',
        default=True,
        help="""
Whether idle mediated devices that were there before us are handed out.

Turn it off on hosts where another service makes mediated devices.
""",
    ),
]


_type_opts: list[cfg.Opt] = [
    cfg.ListOpt(
        'device_addresses',
        default=[],
        help="""
The parent devices that this type is for: PCI addresses (``0000:84:00.0``),
sysfs names (``mtty``), node-device names (``css_0_0_0023``) or shell patterns
(``0000:84:00.*``).

Empty means every parent device that supports the type and that no other group
names; only the first enabled type may be left so.
""",
    ),
    cfg.StrOpt(
        'mdev_class',
        default='VGPU',
        help="""
What a flavor asks for: ``VGPU`` is the standard resource class, any other name
a custom one. ``CUSTOM_MLX5`` and its short form ``mlx5`` are the same.
""",
    ),
    cfg.IntOpt(
        'max_instances',
        min=1,
        help='At most so many mediated devices of the type on this host.',
    ),
    cfg.IntOpt(
        'max_instances_per_device',
        min=1,
        help="""
At most so many mediated devices of the type on one physical device; all virtual
functions of one physical function count together.
""",
    ),
    cfg.ListOpt(
        'traits',
        default=[],
        help="More traits for this type's resource providers.",
    ),
    cfg.BoolOpt(
        'drain',
        default=False,
        help='Give nothing new of this type here; what is in use stays.',
    ),
    cfg.StrOpt(
        'on_release',
        default='remove',
        choices=[
            ('remove', 'no tenant sees the device of another'),
            ('keep', 'the next consumer gets it as it was left'),
        ],
        help="""
What becomes of a mediated device that we created when its consumer goes. One
that was there before us is never removed.
""",
    ),
    cfg.ListOpt(
        'attributes',
        default=[],
        help="""
``name=value`` pairs that are written to a new mediated device, in this order;
names may repeat. For example ``assign_adapter=5, assign_domain=4``. Where they
can be given to one device only, set ``max_instances = 1``.
""",
    ),
    cfg.BoolOpt(
        'display',
        help="""
Whether a mediated device of the type is a display of its guest, for a type whose
``device_api`` is ``vfio-pci``. Unset leaves it to libvirt, which has it off. The
guest needs a graphics console (SPICE or VNC) to show it.
""",
    ),
    cfg.BoolOpt(
        'ramfb',
        help="""
Whether that display shows the guest from its firmware on, before a driver of the
guest has set it up. It needs ``display = true``. Unset leaves it to libvirt, which
has it off.
""",
    ),
]


def type_opts(mdev_type: str) -> list[cfg.Opt]:
    """The options of one type's group, with its legacy group for each."""
    return [_with_legacy(opt, f'{LEGACY_PREFIX}{mdev_type}') for opt in _type_opts]


def _with_legacy(opt: cfg.Opt, group: str) -> cfg.Opt:
    own = copy.copy(opt)
    own.deprecated_opts = [cfg.DeprecatedOpt(opt.name, group=group)]
    return own


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """All options, for oslo-config-generator; ``<type>`` stands for any type."""
    # Its library is large, and reading a configuration does not need it.
    from nova_generic_mdev import privileged

    example = cfg.OptGroup(f'{PREFIX}<type>', title='One enabled mdev type')
    helper = cfg.OptGroup(
        privileged.GROUP, title='The helper that writes to sysfs (oslo.privsep)'
    )
    return [
        (DEVICES, devices_opts),
        (example, type_opts('<type>')),
        (OWN, own_opts),
        (helper, privileged.list_opts()),
    ]


def register(conf: cfg.ConfigOpts) -> None:
    """Register what is known before a file is read.  Again is harmless."""
    # By the groups' names: a copy of a registered group shares its options, and so
    # an override would reach every other configuration in the process.
    register_opts(conf, devices_opts, DEVICES.name)
    register_opts(conf, own_opts, OWN.name)


def register_opts(
    conf: cfg.ConfigOpts, options: cabc.Iterable[cfg.Opt], group: str
) -> None:
    """Register options; one that Nova registered as its own stays Nova's."""
    for opt in options:
        with contextlib.suppress(cfg.DuplicateOptError):
            conf.register_opt(opt, group=group)
