# SPDX-License-Identifier: Apache-2.0
"""Four witnesses of what a host has, held against each other.

They drift: a power cut, an operator's hand, another service.  :func:`audit` takes
what each of them said, as values, and returns a :class:`Finding` for each thing on
which two of them differ; :func:`steps` says how it can be mended safely, if it
can.  Nothing here looks, and nothing acts.
"""

from nova_generic_mdev.audit.auditing import audit
from nova_generic_mdev.audit.findings import Finding
from nova_generic_mdev.audit.findings import Subject
from nova_generic_mdev.audit.findings import What
from nova_generic_mdev.audit.kinds import Kind
from nova_generic_mdev.audit.kinds import Severity
from nova_generic_mdev.audit.meanings import MEANINGS
from nova_generic_mdev.audit.mending import Adopt
from nova_generic_mdev.audit.mending import Publish
from nova_generic_mdev.audit.mending import Reconcile
from nova_generic_mdev.audit.mending import Release
from nova_generic_mdev.audit.mending import Restore
from nova_generic_mdev.audit.mending import Step
from nova_generic_mdev.audit.mending import Undefine
from nova_generic_mdev.audit.mending import defined
from nova_generic_mdev.audit.mending import may_be_released
from nova_generic_mdev.audit.mending import plan
from nova_generic_mdev.audit.mending import steps
from nova_generic_mdev.audit.witnesses import Libvirt
from nova_generic_mdev.audit.witnesses import Placement
from nova_generic_mdev.audit.witnesses import Witnesses

__all__ = [
    'MEANINGS',
    'Adopt',
    'Finding',
    'Kind',
    'Libvirt',
    'Placement',
    'Publish',
    'Reconcile',
    'Release',
    'Restore',
    'Severity',
    'Step',
    'Subject',
    'Undefine',
    'What',
    'Witnesses',
    'audit',
    'defined',
    'may_be_released',
    'plan',
    'steps',
]
