# SPDX-License-Identifier: Apache-2.0
"""What can be mended safely, and how: from findings to steps.

Nothing is removed that a guest's XML names, that was found, that an accelerator
service has or that is not known to us at all; nor while a guest cannot be read,
since then anything may be in it.
"""

from __future__ import annotations

import collections
import collections.abc as cabc

from nova_generic_mdev import model
from nova_generic_mdev import policy as policylib
from nova_generic_mdev import record
from nova_generic_mdev.audit import consumers
from nova_generic_mdev.audit import facts as factslib
from nova_generic_mdev.audit import findings
from nova_generic_mdev.audit import witnesses
from nova_generic_mdev.audit.kinds import Kind


@model.value
class Adopt:
    """Claim what a guest names for its server.

    :param classes: the uuid of each, and the resource class that it is of
    """

    consumer: str
    classes: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        uuids = ' '.join(uuid for uuid, _ in self.classes)
        return f'claim {uuids} for {self.consumer}'


@model.value
class Release:
    """Take everything from a consumer, unless it turns out to need it."""

    consumer: str

    def __str__(self) -> str:
        return f'release what {self.consumer} has'


@model.value
class Undefine:
    """Let libvirt forget an mdev that is not live, on its parent."""

    uuid: str
    parent: str

    def __str__(self) -> str:
        return f'undefine mdev {self.uuid}'


@model.value
class Reconcile:
    """Put right what a crash left of one mdev: finish it, remove it, or forget it."""

    uuid: str

    def __str__(self) -> str:
        return f'take back, or forget, mdev {self.uuid}'


@model.value
class Restore:
    """Make again what a consumer has and is not there."""

    consumer: str

    def __str__(self) -> str:
        return f'make again what {self.consumer} has'


@model.value
class Publish:
    """Bring Placement to what this host offers."""

    def __str__(self) -> str:
        return 'publish to Placement'


# In the order in which they are taken: room is made before it is needed, and what
# is published is what there is in the end.
_ORDER = (Adopt, Release, Undefine, Reconcile, Restore, Publish)
Step = Adopt | Release | Undefine | Reconcile | Restore | Publish


def plan(
    found: cabc.Iterable[findings.Finding], told: witnesses.Witnesses
) -> tuple[Step, ...]:
    """All steps that mend these findings, each once, in the order to take them."""
    facts = factslib.Facts(told)
    wanted = [step for one in found for step in _steps(one, facts)]
    return tuple(
        step
        for kind in _ORDER
        for index, step in enumerate(wanted)
        if isinstance(step, kind) and step not in wanted[:index]
    )


def steps(finding: findings.Finding, told: witnesses.Witnesses) -> tuple[Step, ...]:
    """What mends a finding; empty: nothing can, or nothing that is surely safe."""
    return tuple(_steps(finding, factslib.Facts(told)))


def may_be_released(consumer: str, told: witnesses.Witnesses) -> bool:
    """Whether all agree that nobody needs what is claimed for a consumer."""
    facts = factslib.Facts(told)
    asked = told.claims is not None and told.sysfs is not None
    return asked and consumers.may_be_released(facts, consumer)


def defined(libvirt: witnesses.Libvirt) -> frozenset[str]:
    """The mdevs that libvirt has a definition of, or may have: by uuid."""
    policy = policylib.Policy()
    facts = factslib.Facts(witnesses.Witnesses(policy=policy, libvirt=libvirt))
    return frozenset(facts.definitions.keys() | facts.unread_nodes)


def _steps(finding: findings.Finding, facts: factslib.Facts) -> cabc.Iterable[Step]:
    mend = _MENDS.get(finding.kind)
    if mend is None or facts.told.claims is None or facts.told.sysfs is None:
        return ()
    return mend(finding.subject.name, facts)


def _restore(uuid: str, facts: factslib.Facts) -> cabc.Iterator[Step]:
    claim = facts.claims.claims.get(uuid)
    if claim is not None and not consumers.may_be_released(facts, claim.consumer):
        yield Restore(consumer=claim.consumer)


def _release(consumer: str, facts: factslib.Facts) -> cabc.Iterator[Step]:
    if consumers.may_be_released(facts, consumer):
        yield Release(consumer=consumer)


def _reconcile(uuid: str, facts: factslib.Facts) -> cabc.Iterator[Step]:
    claim = facts.claims.claims.get(uuid)
    is_services = claim is not None and claim.owner is record.Owner.ACCELERATOR
    if facts.has_all_guests and not is_services and not _is_twofold(uuid, facts):
        yield Reconcile(uuid=uuid)


def _undefine(uuid: str, facts: factslib.Facts) -> cabc.Iterator[Step]:
    known = facts.claims.mdevs.get(uuid)
    if known is None or known.origin is not record.Origin.CREATED:
        return
    if facts.policy.removes(known.mdev_type):
        for step in _reconcile(uuid, facts):
            yield Undefine(uuid=uuid, parent=known.parent)
            yield step


def _is_twofold(uuid: str, facts: factslib.Facts) -> bool:
    """Whether one of this uuid may be somebody else's, on another parent."""
    return any(one.uuid == uuid for one in facts.libvirt.devices.duplicates)


def _adopt(uuid: str, facts: factslib.Facts) -> cabc.Iterator[Step]:
    """Where Placement says that the server holds just what its guest names."""
    users = facts.users.get(uuid, [])
    if len(users) != 1:
        return
    unclaimed = [u for u in users[0].mdevs if u not in facts.claims.claims]
    classes = {u: _class_of(u, facts) for u in unclaimed}
    wanted = collections.Counter(
        (facts.sysfs.mdevs[u].parent, c) for u, c in classes.items() if c is not None
    )
    is_all = wanted.total() == len(unclaimed)
    if is_all and wanted == consumers.lacks(facts, users[0].uuid):
        found = sorted((u, c) for u, c in classes.items() if c is not None)
        yield Adopt(consumer=users[0].uuid, classes=tuple(found))


def _class_of(uuid: str, facts: factslib.Facts) -> str | None:
    """The class that gives mdevs of its type on its parent; None: not ours."""
    known, live = facts.claims.mdevs.get(uuid), facts.sysfs.mdevs.get(uuid)
    if known is None or live is None or known.origin is record.Origin.FOREIGN:
        return None
    rules = facts.resolution.rules.get(live.parent, ())
    found = {r.resource_class for r in rules if r.mdev_type == live.mdev_type}
    return found.pop() if len(found) == 1 else None


def _drop(provider: str, facts: factslib.Facts) -> cabc.Iterable[Step]:
    placement = facts.told.placement
    if placement is None or placement.held.get(provider) or facts.asked(provider):
        return ()
    return _publish(provider, facts)


def _publish(_name: str, facts: factslib.Facts) -> cabc.Iterator[Step]:
    placement = facts.told.placement
    if placement is not None and placement.root in placement.tree:
        yield Publish()


_MENDS: cabc.Mapping[
    Kind, cabc.Callable[[str, factslib.Facts], cabc.Iterable[Step]]
] = {
    Kind.MISSING_MDEV: _restore,
    Kind.ORPHAN_MDEV: _reconcile,
    Kind.GUEST_WITHOUT_CLAIM: _adopt,
    Kind.PENDING_CLAIM: _reconcile,
    Kind.STALE_RECORD: _reconcile,
    Kind.DEFINITION_WITHOUT_DEVICE: _undefine,
    Kind.STALE_CLAIM: _release,
    Kind.MISSING_PROVIDER: _publish,
    Kind.STALE_PROVIDER: _drop,
    Kind.INVENTORY_DIFFERS: _publish,
    Kind.TRAITS_DIFFER: _publish,
}
