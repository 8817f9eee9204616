# SPDX-License-Identifier: Apache-2.0
"""How one test ended."""

import collections.abc as cabc
import dataclasses

#: subunit's word where it never ran; all of a process's tests are told so first
NEVER_RAN = 'exists'
#: subunit's words for what is not as it should be; beside them there is ``fail``
BAD = {
    'uxsuccess': 'it passed, and says of itself that it fails',
    'inprogress': 'its process died while it ran',
    NEVER_RAN: 'it never ran: the process that had to died before',
}
#: those whose process is to blame
LOST = frozenset({'inprogress', NEVER_RAN})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """How one test ended.

    :param status: subunit's word for it
    :param seconds: how long it took
    :param details: what it left to be read, by name: ``traceback`` and others
    """

    name: str
    status: str
    seconds: float
    details: cabc.Mapping[str, str]

    @property
    def good(self) -> bool:
        """Whether it did as its author wrote."""
        return self.status in {'success', 'skip', 'xfail'}
