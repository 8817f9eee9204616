# SPDX-License-Identifier: Apache-2.0
"""One request to Placement: its answer, or an error that says what to do."""

from __future__ import annotations

import typing as ty

from keystoneauth1 import adapter as ksa_adapter
from keystoneauth1 import exceptions as ksa_exceptions

from nova_generic_mdev import exceptions

# The lowest that takes "reserved" equal to "total" (1.26, Rocky), which is how a
# parent with nothing to give is shown.  It has all else that is asked of it:
# traits (1.6), classes (1.7), trees (1.14), the new provider in the answer
# (1.20), error codes (1.23).
MICROVERSION = '1.26'

CONCURRENT_UPDATE = 'placement.concurrent_update'
DUPLICATE_NAME = 'placement.duplicate_name'
#: what cannot be taken away, because somebody has it
IN_USE = frozenset(
    {
        'placement.inventory.inuse',
        'placement.resource_provider.inuse',
        'placement.resource_provider.cannot_delete_parent',
    }
)

#: what keystoneauth raises where a service cannot be asked; Nova lets it through
Unreachable = ksa_exceptions.ClientException

_LONGEST = 300
_REMEDIES: dict[int | str | None, str] = {
    401: 'the credentials are not accepted; mend --os-* or the token',
    403: "the user may not do this; it takes Placement's admin or service role",
    406: f'it does not know microversion {MICROVERSION} (Rocky, 2018); upgrade it',
    503: 'look at its log and at its database, then run this again',
    CONCURRENT_UPDATE: 'something else keeps changing it; end that, or run this again',
    DUPLICATE_NAME: 'another tree has one of this name; delete that, or rename it',
}


class Asker:
    """Sends requests and understands what comes back, whoever sent it.

    :param adapter: of keystoneauth, for the service type ``placement``
    """

    def __init__(self, adapter: ksa_adapter.Adapter) -> None:
        self._adapter = adapter

    def get(self, path: str) -> dict[str, ty.Any]:
        """What is there.

        :raises PlacementError: nothing is, or it cannot be asked
        """
        return _json(*self._request('GET', path))

    def exists(self, path: str) -> bool:
        """Whether there is something.

        :raises PlacementError: it cannot be asked
        """
        try:
            self._request('GET', path)
        except exceptions.PlacementError as e:
            if e.status == 404:
                return False
            raise
        return True

    def send(
        self, method: str, path: str, body: object | None = None
    ) -> dict[str, ty.Any]:
        """Change something; returns the answer, empty where it has no body.

        :raises PlacementError: it was refused, or it cannot be asked
        """
        what, response = self._request(method, path, body)
        return _json(what, response) if response.content else {}

    def _request(
        self, method: str, path: str, body: object | None = None
    ) -> tuple[str, ty.Any]:
        # A None would be sent, as "null".
        content = {} if body is None else {'json': body}
        try:
            response = self._adapter.request(path, method, raise_exc=False, **content)
        except ksa_exceptions.ClientException as e:
            raise _unreachable(method, path, e) from e
        what = f'{method} {response.url}'
        if response.status_code >= 400:
            raise _refusal(what, response)
        return what, response


def _unreachable(
    method: str, path: str, error: ksa_exceptions.ClientException
) -> exceptions.PlacementError:
    status = getattr(error, 'http_status', None)
    if isinstance(error, ksa_exceptions.ConnectTimeout):
        remedy = 'it did not answer in time; look at it, or give it a longer --timeout'
    elif isinstance(error, ksa_exceptions.SSLError):
        remedy = 'name the authority of its certificate with --os-cacert'
    elif isinstance(error, ksa_exceptions.CatalogException):
        remedy = 'look at the catalog: "openstack endpoint list --service placement"'
    elif status is not None:
        remedy = _REMEDIES.get(status, 'look at the identity service')
    else:
        remedy = 'is it running, and is its address right?'
    return exceptions.PlacementError(
        f'Placement, {method} {path}', f'{_short(str(error))}; {remedy}', status
    )


def _refusal(what: str, response: ty.Any) -> exceptions.PlacementError:
    status = int(response.status_code)
    code, detail = _told(response)
    reason = f'{status} {response.reason or ""}'.strip()
    if detail:
        reason = f'{reason}: {_short(detail)}'
    remedy = _REMEDIES.get(503 if status >= 500 else status) or _REMEDIES.get(code)
    if remedy:
        reason = f'{reason}; {remedy}'
    return exceptions.PlacementError(what, reason, status, code)


def _told(response: ty.Any) -> tuple[str | None, str]:
    """Placement's own code and words, where the answer is Placement's."""
    try:
        first = response.json()['errors'][0]
        # A general sentence, an empty line, and then what it is about.
        detail = str(first.get('detail', '')).strip().rpartition('\n\n')[2]
        return first.get('code'), detail.strip(' .')
    except (ValueError, LookupError, TypeError, AttributeError):
        # A proxy's page, say: its status is all that counts.
        return None, ''


def _json(what: str, response: ty.Any) -> dict[str, ty.Any]:
    try:
        body = response.json()
    except ValueError as e:
        raise nonsense(what, f'not JSON: {_short(response.text)}') from e
    if not isinstance(body, dict):
        raise nonsense(what, _short(repr(body)))
    return body


def nonsense(what: str, told: str) -> exceptions.PlacementError:
    """The error for an answer that Placement's API does not have."""
    return exceptions.PlacementError(
        what,
        f"the answer is not Placement's ({told}); does the address lead to Placement?",
        200,
    )


def _short(text: str) -> str:
    told = ' '.join(text.split())
    return told if len(told) <= _LONGEST else f'{told[:_LONGEST]}...'
