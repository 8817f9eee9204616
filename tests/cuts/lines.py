# SPDX-License-Identifier: Apache-2.0
"""How a process that will be killed reaches what outlives it.

As libvirt's daemon and the privileged helper are, the machine is another process:
what it was asked for, it does, whatever becomes of who asked.
"""

from __future__ import annotations

import copyreg
import dataclasses
import functools
import multiprocessing.connection
import os
import signal
import types
import typing as ty

from nova_generic_mdev import model
from tests.cuts import machines
from tests.cuts import moments
from tests.unit.host import fake_libvirt

# Frozen values hold these, and an error of libvirt is made of more than its text.
copyreg.pickle(types.MappingProxyType, lambda m: (model.freeze, (dict(m),)))
copyreg.pickle(
    fake_libvirt.Error, lambda e: (fake_libvirt.Error, (e.get_error_code(), str(e)))
)
_ENDED = (EOFError, ConnectionResetError)


@dataclasses.dataclass(frozen=True)
class Call:
    """One request to the machine.

    :param whose: the number of an object there
    :param later: it is done when nobody waits for it any more
    """

    whose: int
    name: str
    arguments: tuple[ty.Any, ...]
    later: bool = False


@dataclasses.dataclass(frozen=True)
class Reference:
    """An object that stays where it is."""

    number: int


@dataclasses.dataclass(frozen=True)
class Told:
    """What somebody says who needs no answer."""

    what: ty.Any


KERNEL, LIBVIRT = Reference(0), Reference(1)


class Line:
    """The end of who will be killed.

    :param last_call: this call is sent, and then the process ends
    """

    def __init__(
        self,
        pipe: multiprocessing.connection.Connection,
        last_call: int | None = None,
    ) -> None:
        self._pipe = pipe
        self._moments: moments.Moments | None = None
        self._last_call = last_call
        self._calls = 0
        #: the call that is under way
        self.under_way: int | None = None
        #: what is told at the end by who was not killed
        self.told: ty.Any = None

    def object(self, reference: Reference, kind: str) -> ty.Any:
        return _Remote(self, reference, kind)

    def watched_by(self, watching: moments.Moments) -> None:
        self._moments = watching

    def is_changed(self) -> bool:
        """Whether the machine is not as it was when this was asked last."""
        self._pipe.send(None)
        return self._pipe.recv()

    def end(self) -> None:
        """Who was not killed has come to the end."""
        self._pipe.send(Told(self.told))

    def call(self, reference: Reference, kind: str, name: str, *arguments: ty.Any):
        assert self._moments is not None
        self.under_way, self._calls = self._calls, self._calls + 1
        is_last = self.under_way == self._last_call
        with self._moments.around(f'{kind}.{name}'):
            self._pipe.send(Call(reference.number, name, arguments, is_last))
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)
            is_done, answer = self._pipe.recv()
        self.under_way = None
        if not is_done:
            raise answer
        return self._here(answer)

    def _here(self, answer: ty.Any) -> ty.Any:
        if isinstance(answer, list):
            return [self._here(one) for one in answer]
        if isinstance(answer, Reference):
            return _Remote(self, answer, 'device')
        return answer


class _Remote:
    """An object of the machine: whatever is called, is called there."""

    def __init__(self, line: Line, reference: Reference, kind: str) -> None:
        self._line = line
        self._reference = reference
        self._kind = kind

    def __getattr__(self, name: str) -> ty.Any:
        if name.startswith('_'):
            raise AttributeError(name)
        return functools.partial(self._line.call, self._reference, self._kind, name)


class Switchboard:
    """The machine's end."""

    def __init__(
        self,
        machine: machines.Machine,
        pipe: multiprocessing.connection.Connection,
    ) -> None:
        self._machine = machine
        self._pipe = pipe
        self._objects: list[ty.Any] = [machine.kernel, machine.libvirt]
        self._seen = machine.everything()
        #: what was said at the end
        self.told: ty.Any = None

    def serve(self) -> None:
        """Answer until there is nobody any more who asks."""
        while True:
            try:
                asked = self._pipe.recv()
            except _ENDED:
                return
            if asked is None:
                before, self._seen = self._seen, self._machine.everything()
                self._pipe.send(before != self._seen)
            elif isinstance(asked, Told):
                self.told = asked.what
            elif asked.later:
                self._machine.late.append(functools.partial(self._do, asked))
            else:
                self._pipe.send(self._answer(asked))

    def _answer(self, call: Call) -> tuple[bool, ty.Any]:
        try:
            return True, self._there(self._do(call))
        except (OSError, fake_libvirt.Error) as e:
            return False, e

    def _do(self, call: Call) -> ty.Any:
        return getattr(self._objects[call.whose], call.name)(*call.arguments)

    def _there(self, answer: ty.Any) -> ty.Any:
        if isinstance(answer, list):
            return [self._there(one) for one in answer]
        if isinstance(answer, fake_libvirt.NodeDevice):
            self._objects.append(answer)
            return Reference(len(self._objects) - 1)
        return answer
