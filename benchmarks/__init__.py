# SPDX-License-Identifier: Apache-2.0
"""What this driver costs, and Nova's own, in one run on the same described host.

``make benchmark`` runs it; ``doc/source/contributor/benchmarks.rst`` says what is
measured, and has what came of it.
"""
