# SPDX-License-Identifier: Apache-2.0
import importlib
import pkgutil
import unittest

from tests.nova import defects
from tests.nova.defects import rows


class Rows(unittest.TestCase):
    def test_each_defect_has_a_test_and_each_test_a_defect(self):
        shown = {getattr(test, 'row', None) for test in _tests()}
        self.assertEqual(set(rows.DEFECTS), shown)


def _tests():
    for module in pkgutil.iter_modules(defects.__path__, f'{defects.__name__}.'):
        for case in vars(importlib.import_module(module.name)).values():
            if getattr(case, '__module__', '') == module.name != __name__:
                names = [name for name in vars(case) if name.startswith('test_')]
                yield from (getattr(case, name) for name in names)
