# SPDX-License-Identifier: Apache-2.0
"""Tests on a real kernel with real libvirt, in a machine that we emulate."""
