# SPDX-License-Identifier: Apache-2.0
"""What users order, and what becomes of it."""

import dataclasses
import itertools

#: what users ask for, by flavor: extra specs
FLAVORS = {
    'one': {'resources:VGPU': '1'},
    'two': {'resources:VGPU': '2'},
    'dual': {'resources:CUSTOM_DUAL': '1'},
    'large': {'resources:CUSTOM_LARGE': '1'},
    'both': {
        'resources1:VGPU': '1',
        'resources2:CUSTOM_LARGE': '1',
        'group_policy': 'none',
    },
}
#: the name of a server whose guest never starts; of one that does at its second try
DOOMED = 'doomed'
STUMBLING = 'stumbling'
#: what a user does with a server: keeps it, deletes it when it runs, or at once
KEEP, LEAVE, HASTE = 'keep', 'leave', 'haste'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """One request to the API.

    :param count: so many servers with one request
    """

    name: str
    flavor: str
    count: int = 1
    then: str = KEEP


def many(random):
    """Forty servers and a few, in any order."""
    numbers = itertools.count(1)

    def some(kind, amount, **facts):
        for _ in range(amount):
            flavor = random.choice(sorted(FLAVORS))
            yield Order(name=f'{kind}-{next(numbers)}', flavor=flavor, **facts)

    orders = [
        *some('plain', 13),
        *some('leaving', 6, then=LEAVE),
        *some('hasty', 6, then=HASTE),
        *some(DOOMED, 5),
        *some(STUMBLING, 5),
        *some('several', 1, count=3),
    ]
    random.shuffle(orders)
    # While there is room for all of them: Nova gives all of them up, or none.
    first = [Order(name='several', flavor='one', count=3) for _ in range(2)]
    return [*first, *orders]
