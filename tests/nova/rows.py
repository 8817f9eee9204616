# SPDX-License-Identifier: Apache-2.0
"""Which test shows which of the in-tree driver's defects, and how it fails there."""

#: what the decorator leaves on a test
ATTRIBUTE = 'in_tree'


class Row:
    """One row of the table of defects.

    :param number: the row's
    :param failure: what the test says with the in-tree driver, as a regular
        expression: so that it does not fail there for another reason
    :param passes: the Nova series whose in-tree driver passes the test, with why
    """

    def __init__(self, number, failure, passes):
        self.number = number
        self.failure = failure
        self.passes = passes or {}


def row(number, failure, passes=None):
    """Say that a test shows a row, and how the in-tree driver fails it."""

    def mark(test):
        setattr(test, ATTRIBUTE, Row(number, failure, passes))
        return test

    return mark
