# SPDX-License-Identifier: Apache-2.0
"""The steps that the core does not know: what Placement must have first."""

from __future__ import annotations

from nova_generic_mdev import model
from nova_generic_mdev import providers


@model.value
class MakeRoot:
    """Make the compute node's provider, which Nova otherwise makes."""

    provider: str


@model.value
class MakeClass:
    """Make a custom resource class."""

    resource_class: str


@model.value
class MakeTrait:
    """Make a custom trait."""

    trait: str


Step = MakeRoot | MakeClass | MakeTrait | providers.Change
