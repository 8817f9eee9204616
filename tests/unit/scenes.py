# SPDX-License-Identifier: Apache-2.0
"""Situations of a host, written in few words, and any situation at random.

A scene's parents are called as they are on sysfs, ``p`` say, which is a class
device: its name is ``dev_p``.  Each mdev has the next of ``UUIDS``.
"""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import functools

from hypothesis import strategies as st

from nova_generic_mdev import model
from nova_generic_mdev import policy
from nova_generic_mdev import record

UUIDS = tuple(f'00000000-0000-4000-8000-{n:012x}' for n in range(100))
CONSUMERS = tuple(f'c0000000-0000-4000-8000-{n:012x}' for n in range(100))
A, B = 'CUSTOM_A', 'CUSTOM_B'


@dataclasses.dataclass(frozen=True)
class Mdev:
    """An mdev, on the host, in the record, or both.

    :param holder: number of the consumer that has it
    :param origin: None where it is not in the record: it is foreign
    :param shown: the type that the kernel tells of it
    """

    parent: str
    mdev_type: str
    holder: int | None = None
    resource_class: str = A
    owner: str = 'placement'
    origin: str | None = 'created'
    live: bool = True
    state: str = 'ready'
    attributes: model.Attributes = ()
    shown: str | None = 'as it is'


def rule(mdev_type: str = 't-1', resource_class: str = A, **more) -> policy.TypeRule:
    """A rule of one type, on every parent that has it."""
    more.setdefault('device_addresses', ('*',))
    return policy.TypeRule(mdev_type=mdev_type, resource_class=resource_class, **more)


@dataclasses.dataclass(frozen=True)
class Scene:
    """A host, its record and what the operator wants.

    :param parents: available instances by sysname and type; None: unreadable
    :param devices: the physical device of a parent, where it is another
    :param drained: the parents that are drained
    """

    parents: cabc.Mapping[str, cabc.Mapping[str, int | None]]
    mdevs: tuple[Mdev, ...] = ()
    rules: tuple[policy.TypeRule, ...] = (rule(),)
    devices: cabc.Mapping[str, str] = dataclasses.field(default_factory=dict)
    drained: cabc.Collection[str] = ()

    @functools.cached_property
    def snapshot(self) -> model.HostSnapshot:
        live = [(u, m) for u, m in zip(UUIDS, self.mdevs, strict=False) if m.live]
        return model.HostSnapshot(
            parents={
                f'dev_{name}': model.Parent(
                    name=f'dev_{name}',
                    sysname=name,
                    subsystem='dev',
                    physical_device=self.devices.get(name, ''),
                    types={
                        t: model.MdevType(id=t, available_instances=left)
                        for t, left in types.items()
                    },
                )
                for name, types in self.parents.items()
            },
            mdevs={
                uuid: model.Mdev(
                    uuid=uuid,
                    parent=f'dev_{mdev.parent}',
                    mdev_type=mdev.mdev_type
                    if mdev.shown == 'as it is'
                    else mdev.shown,
                )
                for uuid, mdev in live
                if mdev.parent in self.parents
            },
        )

    @functools.cached_property
    def claims(self) -> record.Claims:
        known = [(u, m) for u, m in zip(UUIDS, self.mdevs, strict=False) if m.origin]
        return record.Claims(
            mdevs={
                uuid: record.MdevRecord(
                    uuid=uuid,
                    parent=f'dev_{mdev.parent}',
                    mdev_type=mdev.mdev_type,
                    origin=record.Origin(mdev.origin),
                    attributes=mdev.attributes,
                )
                for uuid, mdev in known
            },
            claims={
                uuid: record.Claim(
                    uuid=uuid,
                    consumer=CONSUMERS[mdev.holder],
                    resource_class=mdev.resource_class,
                    owner=record.Owner(mdev.owner),
                    state=record.ClaimState(mdev.state),
                )
                for uuid, mdev in known
                if mdev.holder is not None
            },
            drained=frozenset(f'dev_{name}' for name in self.drained),
        )

    @functools.cached_property
    def resolution(self) -> policy.Resolution:
        return policy.resolve(
            policy.Policy(rules=self.rules),
            self.snapshot.parents.values(),
            self.claims.drained,
        )


_LIMITS = st.none() | st.integers(1, 6)


def _rules(mdev_type: str) -> st.SearchStrategy[policy.TypeRule]:
    return st.builds(
        rule,
        mdev_type=st.just(mdev_type),
        resource_class=st.sampled_from([A, B]),
        max_instances=_LIMITS,
        max_instances_per_device=_LIMITS,
        drain=st.booleans(),
        on_release=st.sampled_from(policy.OnRelease),
    )


@st.composite
def scenes(draw) -> Scene:
    """Any host with up to four parents, three types and a dozen mdevs."""
    types = ['t-1', 't-2', 't-3']
    count = st.none() | st.integers(0, 5)
    some_types = st.dictionaries(st.sampled_from(types), count, min_size=1)
    parents = draw(st.dictionaries(st.sampled_from('pqrs'), some_types, max_size=4))
    mdev = st.builds(
        Mdev,
        parent=st.sampled_from('pqrs'),
        mdev_type=st.sampled_from(types),
        holder=st.none() | st.integers(0, 3),
        resource_class=st.sampled_from([A, B]),
        owner=st.sampled_from([str(o) for o in record.Owner]),
        origin=st.sampled_from(['created', 'found', 'foreign', None]),
        live=st.booleans(),
        state=st.sampled_from(['pending', 'ready']),
        shown=st.sampled_from(['as it is', 'as it is', None, 't-1']),
    )
    return Scene(
        parents=parents,
        mdevs=tuple(draw(st.lists(mdev, max_size=12))),
        rules=tuple(draw(_rules(t)) for t in draw(st.permutations(types))),
        devices=draw(
            st.dictionaries(st.sampled_from('pqrs'), st.just('dev_p'), max_size=3)
        ),
        drained=draw(st.sets(st.sampled_from('pqrs'), max_size=2)),
    )
