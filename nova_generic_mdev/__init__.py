# SPDX-License-Identifier: Apache-2.0
"""Generic mediated devices (Linux VFIO-mdev) for Nova's libvirt driver."""
