# SPDX-License-Identifier: Apache-2.0
"""The stock nova-compute of an environment, started as an operator starts it."""
