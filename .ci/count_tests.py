# SPDX-License-Identifier: Apache-2.0
"""Sum up the JUnit reports that pytest wrote: ``N passed, M failed, K skipped``.

A report that is missing or broken counts as one failure: its run died before
it could say what failed.  Exits 1 when anything failed or no test passed.
"""

import collections
import sys
from xml.etree import ElementTree


def count(path: str) -> collections.Counter[str]:
    """How many test cases of one report passed, failed and were skipped."""
    try:
        root = ElementTree.parse(path).getroot()  # noqa: S314 - pytest wrote it
    except (OSError, ElementTree.ParseError):
        return collections.Counter(failed=1)
    return collections.Counter(_result(case) for case in root.iter('testcase'))


def _result(case: ElementTree.Element) -> str:
    results = {child.tag for child in case}
    if results & {'failure', 'error'}:
        return 'failed'
    return 'skipped' if 'skipped' in results else 'passed'


def main(paths: list[str]) -> int:
    """Print the sum of all reports; the exit code says whether it is good."""
    total = sum(map(count, paths), collections.Counter())
    print('{passed} passed, {failed} failed, {skipped} skipped'.format_map(total))  # noqa: T201
    return 0 if total['passed'] and not total['failed'] else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
