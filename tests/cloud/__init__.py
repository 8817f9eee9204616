# SPDX-License-Identifier: Apache-2.0
"""A cloud: OpenStack's services from PyPI on loopback, hosts with real mdevs.

The services run on this computer, each on a port of its own. A compute host is
a machine of ``tests.system.machine`` in which nova-compute runs with our driver,
as a unit of systemd. Nothing of OpenStack is changed. ``python -m tests.cloud``
starts it, says how it is, and stops it.
"""
