# SPDX-License-Identifier: Apache-2.0
"""What is on a machine and in its record at one moment, and how two of them differ."""

from __future__ import annotations

import collections
import collections.abc as cabc
import typing as ty

from nova_generic_mdev import record
from tests.cuts import machines

_CREATED, _FOUND, _FOREIGN = record.Origin


class Facts(ty.NamedTuple):
    """All that there is of one mdev, in words; empty: there is none of it."""

    live: str = ''
    defined: str = ''
    known: str = ''
    claim: str = ''

    def __str__(self) -> str:
        told = [
            f'{name}: {fact}'
            for name, fact in zip(self._fields, self, strict=True)
            if fact
        ]
        return '; '.join(told) or 'nowhere'


Picture = cabc.Mapping[str, Facts]
_NOWHERE = Facts()


def taken(machine: machines.Machine) -> Picture:
    """What is on a machine now."""
    known = machine.store.load()
    live, defined = machine.live, machine.definitions
    attributes = machine.kernel.attributes
    return {
        uuid: Facts(
            live=_of(live[uuid], attributes.get(uuid, ())) if uuid in live else '',
            defined=_defined(defined[uuid]) if uuid in defined else '',
            known=_known(known.mdevs[uuid]) if uuid in known.mdevs else '',
            claim=_claim(known.claims[uuid]) if uuid in known.claims else '',
        )
        for uuid in sorted({*known.mdevs, *live, *defined})
    }


def _of(mdev: ty.Any, attributes: cabc.Iterable[tuple[str, str]]) -> str:
    told = ' '.join(f'{name}={value}' for name, value in attributes)
    return f'{mdev.mdev_type} of {mdev.parent}, with {told or "nothing set"}'


def _defined(device: ty.Any) -> str:
    starts = 'starts' if device.starts else 'does not start'
    return f'{_of(device, device.attributes)}, {starts} with the host'


def _known(mdev: record.MdevRecord) -> str:
    return f'{mdev.origin} {_of(mdev, mdev.attributes)}, by {mdev.backend}'


def _claim(claim: record.Claim) -> str:
    return (
        f'{claim.state} for {claim.consumer}, {claim.resource_class}, '
        f'{claim.owner}, migration {claim.migration}'
    )


def unknown(now: Picture, before: Picture) -> cabc.Iterator[str]:
    """What is there, was not there before, and is in no record: nobody finds it."""
    for uuid, facts in now.items():
        is_new = before.get(uuid, _NOWHERE)[:2] != facts[:2]
        if is_new and (facts.live or facts.defined) and not facts.known:
            yield f'mdev {uuid} is not in the record, and there is [{facts}]'


def neither(now: Picture, before: Picture, after: Picture) -> cabc.Iterator[str]:
    """What is not as it was before, and not as it should have become."""
    for uuid in sorted({*before, *after, *now}):
        there = now.get(uuid, _NOWHERE)
        expected = [before.get(uuid, _NOWHERE), after.get(uuid, _NOWHERE)]
        if not any(_is_as_good(there, facts) for facts in expected):
            told = ' or '.join(f'[{facts}]' for facts in dict.fromkeys(expected))
            yield f'mdev {uuid} is [{there}], expected {told}'


def _is_as_good(there: Facts, expected: Facts) -> bool:
    if there.live and there.claim:
        # Its consumer has it.  A definition that lacks is made with the mdev when
        # that has to come back, after a reboot.
        there, expected = there._replace(defined=''), expected._replace(defined='')
    return there == expected or (expected == _NOWHERE and _is_a_services(there))


def _is_a_services(facts: Facts) -> bool:
    """A uuid that a service named is its own for good, whatever became of it."""
    return facts.known.startswith(_FOREIGN) and not facts.claim


def halves(now: Picture, before: Picture, after: Picture) -> cabc.Iterator[str]:
    """Claims that are neither all as before nor all as after."""
    there, was, shall = (
        {uuid: facts.claim for uuid, facts in picture.items() if facts.claim}
        for picture in (now, before, after)
    )
    if there not in (was, shall):
        yield f'claimed are {there}, expected {was} or {shall}'


def others(
    now: Picture, wanted: Picture, named: cabc.Container[str]
) -> cabc.Iterator[str]:
    """What is not there as often as it should be; one uuid is as good as another.

    :param named: those that are not: somebody named them
    """
    there, should = _counted(now, named), _counted(wanted, named)
    for uuid, facts in (there - should).elements():
        yield f'there is mdev {uuid} [{facts}], which should not be'
    for uuid, facts in (should - there).elements():
        yield f'there is no mdev {uuid} [{facts}], which should be'


def _counted(
    picture: Picture, named: cabc.Container[str]
) -> collections.Counter[tuple[str, Facts]]:
    return collections.Counter(
        (uuid if uuid in named else 'any', facts)
        for uuid, facts in picture.items()
        if uuid in named or not _is_a_services(facts)
    )
