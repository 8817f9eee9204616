# SPDX-License-Identifier: Apache-2.0
"""Both drivers on one real libvirt and one real kernel, in an emulated machine.

``make benchmark-real`` runs it.  Emulation makes everything slow, and a message to
libvirt most of all: only what one driver takes against the other tells anything.
"""
