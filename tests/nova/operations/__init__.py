# SPDX-License-Identifier: Apache-2.0
"""Every operation on a server, and that it has its mdevs after each."""
