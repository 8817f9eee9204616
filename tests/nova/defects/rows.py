# SPDX-License-Identifier: Apache-2.0
"""Which test shows which defect, and how Nova's own driver fails it."""

import functools
import importlib.metadata
import re

from tests import nova as testing

SERIES = int(importlib.metadata.version('nova').split('.')[0])

#: what Nova's own driver does wrong
DEFECTS = {
    1: 'two spawns at once can be given the same free mdev',
    2: 'max_instances below the capacity of a device drops the whole device',
    3: 'the claims of a live migration are lost or leaked',
    4: 'of two classes on one provider one is served',
    5: 'a default type with a class of its own is published as VGPU',
    6: "the parent is found by a prefix of the provider's name",
    7: 'a provider with nothing free is deleted',
    8: 'an mdev is never removed',
    9: 'a boot that fails leaves its mdev behind',
    10: 'a resize on the same host that is reverted loses the mdev',
    11: 'a lost domain gets the mdevs of resources:VGPU back, and no others',
    12: "a suspending guest's mdev is offered as free",
    13: 'parents that are not PCI devices break the update',
    14: 'an mdev that vanishes, or a bad definition, breaks the update or the start',
    15: 'addresses in upper case, and misspelt types and addresses are ignored',
    16: 'one accelerator request with an mdev drops all accelerator requests',
    17: "an accelerator service's mdev is given to a flavor",
    18: 'several types on one parent are refused',
    19: 'an allocation reads the whole host',
}

#: what the own driver of some series does right: why its tests pass there
RIGHT = {
    34: {
        6: 'Nova hands the driver a tree of its own, whose first root is its own',
        16: 'each request is looked at by itself',
    },
}


def row(number, failure):
    """Say that a test shows a defect.

    :param failure: what the failed assertion says with Nova's own driver, as a
        regular expression: failing for another reason is no proof
    """

    def mark(test):
        @functools.wraps(test)
        def run(self):
            if testing.DRIVER == testing.OURS or number in RIGHT.get(SERIES, {}):
                test(self)
            else:
                _must_fail(self, test, number, failure)

        run.row = number
        return run

    return mark


def _must_fail(self, test, number, failure):
    what = f'row {number} ({DEFECTS[number]})'
    try:
        test(self)
    except AssertionError as e:
        if re.search(failure, str(e), re.DOTALL):
            return
        told = f"{what}: Nova's own driver fails for another reason than {failure!r}"
        raise AssertionError(f'{told}: {e}') from e
    self.fail(f"{what}: Nova's own driver does it right")
