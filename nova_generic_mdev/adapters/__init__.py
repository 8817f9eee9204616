# SPDX-License-Identifier: Apache-2.0
"""Where this project meets other services, each in a module of its own."""
