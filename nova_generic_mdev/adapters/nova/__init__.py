# SPDX-License-Identifier: Apache-2.0
"""The driver for Nova, and how Nova finds it.  This package itself needs no Nova."""
