# SPDX-License-Identifier: Apache-2.0
"""What the engine is asked for, and what there was before.

On every machine there is, beside what a story is about: what was found at the
first start, a stranger's mdev with its definition, an accelerator service's, one
that is kept for whoever comes, and those of another consumer.
"""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import typing as ty

from nova_generic_mdev import claims
from nova_generic_mdev import engine
from nova_generic_mdev import policy
from nova_generic_mdev import record
from nova_generic_mdev.host import auto
from tests.cuts import machines
from tests.cuts.machines import MDPY
from tests.cuts.machines import MTTY
from tests.cuts.machines import PCI
from tests.unit import benches
from tests.unit import scenes

ME, HEIR, OTHER, SOMEBODY = scenes.CONSUMERS[:4]
FOUND, STRANGER, SERVICE, ASKED, IN_XML, DEAD, LEFT = scenes.UUIDS[:7]
TOO_MANY = scenes.UUIDS[20:24]
#: those that somebody named: another one is not as good
NAMED = frozenset(scenes.UUIDS[:7])
_PENDING = record.ClaimState.PENDING
_ATTRIBUTES = (('a', '1'), ('a', '2'))
_STRANGERS = (
    '<device><parent>{}</parent><capability type="mdev"><type id="{}"/>'
    '<uuid>{}</uuid></capability></device>'
)
RULES = (
    benches.rule('mtty-1', device_addresses=('mtty',), attributes=_ATTRIBUTES),
    benches.rule(
        'mtty-2', device_addresses=('mtty',), attributes=_ATTRIBUTES,
        on_release=policy.OnRelease.KEEP,
    ),
    benches.rule('mdpy-vga', device_addresses=('mdpy',), attributes=_ATTRIBUTES),
    benches.rule('mttypci-1', device_addresses=('0000:00:05.0',)),
)  # fmt: skip
# Where no mdev is made or removed, or as in another story, which has both.
_EITHER = (auto.Backend.AUTO,)
ONE, KEPT = benches.ONE, benches.TWO
SCREEN, FUNCTION = 'CUSTOM_MDPY_VGA', 'CUSTOM_MTTYPCI_1'


@dataclasses.dataclass
class Stage:
    """A machine, and the engine that acts on it."""

    machine: machines.Machine
    engine: engine.Engine

    @property
    def store(self) -> claims.ClaimStore:
        return self.machine.store

    def lose(self, *uuids: str) -> None:
        """They are gone from the kernel."""
        for uuid in uuids:
            self.machine.kernel.host.lose_mdev(uuid)


def ask(parent: str, resource_class: str, amount: int = 1):
    return benches.request(parent, resource_class, amount)


def nothing(_stage: Stage) -> None:
    pass


@dataclasses.dataclass(frozen=True)
class Story:
    """One thing that the engine is asked for.

    :param act: asks; what it raises, it raises when it is not cut, too
    :param before: what there was
    :param is_new: there was no record, so nothing of what else there is
    :param is_whole: all of the claims change, or none
    :param backends: with each of these
    """

    name: str
    act: cabc.Callable[[Stage], object]
    before: cabc.Callable[[Stage], object] = nothing
    is_new: bool = False
    is_whole: bool = True
    backends: tuple[auto.Backend, ...] = (auto.Backend.SYSFS, auto.Backend.AUTO)


def surroundings(stage: Stage) -> None:
    """What there is on every machine."""
    host, libvirt = stage.machine.kernel.host, stage.machine.libvirt
    host.place(FOUND, PCI, 'mttypci-1')
    stage.engine.start()
    device = libvirt.nodeDeviceDefineXML(
        _STRANGERS.format(PCI, 'mttypci-2', STRANGER), 0
    )
    device.create(0)
    device.setAutostart(1)
    host.place(SERVICE, PCI, 'mttypci-1')
    stage.engine.accelerate(
        SOMEBODY, [engine.Ask(uuid=SERVICE, parent=PCI, mdev_type='mttypci-1')]
    )
    stage.engine.release(SOMEBODY)
    stage.engine.allocate(SOMEBODY, [ask(MTTY, KEPT)])
    stage.engine.release(SOMEBODY)
    stage.engine.allocate(OTHER, [ask(MTTY, ONE), ask(MDPY, SCREEN)])


NEW = (ask(MTTY, ONE), ask(MDPY, SCREEN))
# Four ports are left: the parent could give four, or two, and not both.
TOO_MUCH = (ask(MTTY, ONE, 4), ask(MTTY, KEPT, 2))


def mine(stage: Stage, *requests: ty.Any) -> list[str]:
    given = stage.engine.allocate(ME, requests or NEW)
    return [device.uuid for device in given]


def of_a_service(*uuids: str, parent: str = PCI, mdev_type: str = 'mttypci-1'):
    return [engine.Ask(uuid=u, parent=parent, mdev_type=mdev_type) for u in uuids]


def accelerated(stage: Stage) -> None:
    stage.engine.accelerate(ME, of_a_service(SERVICE, ASKED))


def begun(stage: Stage, *uuids: str, consumer: str = ME) -> None:
    with stage.store.transaction() as session:
        for uuid in uuids:
            session.set_state(uuid, _PENDING)


def vanished(stage: Stage) -> None:
    stage.lose(*mine(stage))


def vanished_under_a_guest(stage: Stage) -> None:
    stage.machine.guests.update(mine(stage))
    stage.lose(*stage.machine.guests)


def in_use(stage: Stage) -> None:
    stage.machine.kernel.host.attach(mine(stage)[1])


def in_xml(stage: Stage) -> None:
    """A guest of another driver has one, and one that was found."""
    stage.machine.kernel.host.place(IN_XML, PCI, 'mttypci-1')
    stage.machine.guests |= {IN_XML, FOUND}


def left_over(stage: Stage) -> None:
    """A claim that was begun, one that nobody has, and one that is nowhere."""
    uuids = mine(stage, *NEW, ask(PCI, FUNCTION, 2))
    stage.lose(uuids[0])
    with stage.store.transaction() as session:
        session.set_state(uuids[0], _PENDING)
        session.set_state(uuids[1], _PENDING)
        session.drop_claim(uuids[2])
        session.add_mdev(
            record.MdevRecord(
                uuid=DEAD, parent=PCI, mdev_type='mttypci-1', origin=record.Origin.FOUND
            )
        )


def rebooted(stage: Stage) -> None:
    mine(stage, *NEW, ask(PCI, FUNCTION))
    stage.machine.reboot()


def made_by_the_other(stage: Stage) -> None:
    """What libvirt would make now was made by the kernel, and is gone."""
    backend, stage.machine.backend = stage.machine.backend, auto.Backend.SYSFS
    acting = stage.machine.engine(RULES)
    acting.allocate(ME, NEW)
    stage.machine.reboot()
    stage.machine.backend = backend


STORIES = (
    Story('the first start', lambda s: s.engine.start(), is_new=True,
          before=lambda s: s.machine.kernel.host.place(FOUND, PCI, 'mttypci-1'),
          backends=_EITHER),
    Story('allocate at the first start', mine, is_new=True, backends=_EITHER),
    Story('allocate', mine),
    Story('allocate for a live migration',
          lambda s: s.engine.allocate(ME, NEW, migration=HEIR), backends=_EITHER),
    Story('allocate what is idle, and more',
          lambda s: mine(s, ask(MTTY, KEPT, 2), ask(PCI, FUNCTION, 2))),
    Story('allocate more', lambda s: mine(s, *NEW, ask(PCI, FUNCTION, 2)), mine),
    Story('allocate what is gone', mine, vanished),
    Story('allocate what is gone and in a guest', mine, vanished_under_a_guest,
          backends=_EITHER),
    Story('allocate too much', lambda s: mine(s, *TOO_MUCH)),
    Story('arrive', lambda s: s.engine.arrive(ME),
          lambda s: s.engine.allocate(ME, NEW, migration=HEIR), backends=_EITHER),
    Story('release', lambda s: s.engine.release(ME), mine, is_whole=False),
    Story('release what is kept and found', lambda s: s.engine.release(ME),
          lambda s: mine(s, ask(MTTY, KEPT, 2), ask(PCI, FUNCTION)), is_whole=False),
    Story('release what is in use', lambda s: s.engine.release(ME), in_use,
          is_whole=False),
    Story('release of a service', lambda s: s.engine.release(ME), accelerated,
          is_whole=False),
    Story('rekey', lambda s: s.engine.rekey(ME, HEIR), mine, backends=_EITHER),
    Story('adopt', lambda s: s.engine.adopt(
        ME, dict.fromkeys([IN_XML, FOUND], FUNCTION)), in_xml, backends=_EITHER),
    Story('say that it is ours', lambda s: s.engine.set_origin(
        [FOUND, STRANGER], record.Origin.CREATED), backends=_EITHER),
    Story('accelerate', accelerated),
    Story('accelerate too much', lambda s: s.engine.accelerate(
        ME, of_a_service(*TOO_MANY, parent=MDPY, mdev_type='mdpy-vga')),
          backends=_EITHER),
    Story('restore', lambda s: s.engine.restore(ME), vanished_under_a_guest,
          is_whole=False),
    Story('restore what was begun', lambda s: s.engine.restore(ME),
          lambda s: begun(s, *mine(s)), is_whole=False, backends=_EITHER),
    Story('recover', lambda s: s.engine.recover(), rebooted, is_whole=False),
    Story('recover by another backend', lambda s: s.engine.recover(), made_by_the_other,
          is_whole=False, backends=(auto.Backend.AUTO,)),
    Story('reconcile', lambda s: s.engine.reconcile(s.machine.elsewhere()), left_over,
          is_whole=False),
)  # fmt: skip
