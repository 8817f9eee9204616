# SPDX-License-Identifier: Apache-2.0
"""Who in Nova takes a guest down: the table, and what Nova's sources say.

Needs no Nova: the table is held against the rules in any Python, and against
Nova's sources where there is one.
"""
