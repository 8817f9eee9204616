# SPDX-License-Identifier: Apache-2.0
"""Guests for the machine: what proves that a device reached a guest.

``firmware`` is a ROM of 64 KiB that starts in a moment even where emulation
runs inside emulation. ``linux`` is the machine's own kernel with a busybox
initramfs: its drivers are real ones, and it takes minutes.
"""
