# SPDX-License-Identifier: Apache-2.0
"""Reads parents, mdev types and mdevs from a sysfs tree, whose root is given.

What is read, and who documents it (kernel, Documentation/ABI/testing):

=====================================  ======================================
``class/mdev_bus/<sysname>``           link to each parent device
``<parent>/subsystem``, ``driver``     links; their last parts are the names
``<parent>/numa_node``, ``physfn``     sysfs-bus-pci
``<parent>/mdev_supported_types/*``    sysfs-bus-vfio-mdev
``<parent>/<uuid>/mdev_type``          the same; link to the type's directory
``<parent>/<uuid>/iommu_group``        link to ``kernel/iommu_groups/<number>``
``bus/mdev/devices/<uuid>``            every mdev; only a look at the whole
                                       host reads it, to miss none
=====================================  ======================================

Cost, in accesses to the tree: 2 to list the parents; for each parent that is
looked at 4, 1 for each of ``driver``, ``numa_node`` and ``physfn`` that it has,
4 for each type, and 2 for each mdev.  A restricted look adds 2 for each other
parent whose name *ends* like one that was asked for (a name does not tell where
the subsystem ends and the sysname begins): as a rule none.  It reads nothing
else of other parents, nor of their mdevs.
"""

from nova_generic_mdev.host.sysfs.reader import SysfsReader
from nova_generic_mdev.host.sysfs.remembering import RememberingReader
from nova_generic_mdev.host.sysfs.tree import Tree

__all__ = ['RememberingReader', 'SysfsReader', 'Tree']
