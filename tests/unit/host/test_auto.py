# SPDX-License-Identifier: Apache-2.0
"""Which of the two makes and removes an mdev, and what if one of them cannot."""

from __future__ import annotations

import errno
import logging
import sys
import threading

import fake_libvirt
import pytest
import test_node_act

from nova_generic_mdev import exceptions
from nova_generic_mdev import fixture
from nova_generic_mdev.host import auto
from nova_generic_mdev.host import nodedev
from nova_generic_mdev.host import patience

UUID = test_node_act.UUID
MTTY, PCI, MDPY = 'mtty_mtty', 'pci_0000_00_05_0', 'mdpy_mdpy'
GUEST = (
    "<domain><devices><hostdev mode='subsystem' type='mdev'>"
    f"<source><address uuid='{UUID}'/></source></hostdev></devices></domain>"
)
AUTO, SYSFS, LIBVIRT = auto.Backend.AUTO, auto.Backend.SYSFS, auto.Backend.LIBVIRT


@pytest.fixture
def kernel():
    return fixture.together(fixture.mtty(), fixture.pci_mtty(1), fixture.mdpy())


@pytest.fixture
def libvirt(kernel, monkeypatch):
    parents = [
        fake_libvirt.NodeDevice(test_node_act.parent_xml(name)) for name in (MTTY, PCI)
    ]
    connection = fake_libvirt.Connection(parents, host=kernel)
    monkeypatch.setitem(sys.modules, 'libvirt', fake_libvirt.binding(connection))
    return connection


@pytest.fixture
def away(monkeypatch):
    """libvirt is installed and does not answer."""
    monkeypatch.setitem(sys.modules, 'libvirt', fake_libvirt.binding(None))


@pytest.fixture
def host_of(kernel, monkeypatch):
    monkeypatch.setattr(patience, 'SETTLE_SECONDS', 0.2)
    monkeypatch.setattr(patience, '_POLL_SECONDS', 0.01)

    def host_of(backend=AUTO):
        return auto.AutoHost(kernel, backend)

    return host_of


def verbs(kernel):
    """What the kernel's own interface was asked to do."""
    return [c.verb for c in kernel.calls if c.verb != 'snapshot']


def live(kernel):
    return sorted(kernel.snapshot().mdevs)


def warnings(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ('backend', 'parent', 'mdev_type', 'made'),
    [
        pytest.param(AUTO, MTTY, 'mtty-2', 'libvirt', id='libvirt knows it'),
        pytest.param(AUTO, PCI, 'mttypci-1', 'libvirt', id='a PCI parent'),
        pytest.param(AUTO, MDPY, 'mdpy-vga', 'sysfs', id='libvirt does not know it'),
        pytest.param(SYSFS, MTTY, 'mtty-2', 'sysfs', id='sysfs was asked for'),
        pytest.param(LIBVIRT, PCI, 'mttypci-1', 'libvirt', id='libvirt was asked for'),
    ],
)
def test_what_makes_it_removes_all_of_it(
    host_of, kernel, libvirt, caplog, backend, parent, mdev_type, made
):
    host = host_of(backend)
    assert host.create(UUID, parent, mdev_type) == made
    mdev = kernel.snapshot().mdevs[UUID]
    assert (mdev.parent, mdev.mdev_type) == (parent, mdev_type)
    assert bool(libvirt.mdev(UUID)) is (made == 'libvirt')
    assert ('create' in verbs(kernel)) is (made == 'sysfs')
    host.remove(UUID, made)
    assert live(kernel) == []
    assert libvirt.mdev(UUID) == []
    assert warnings(caplog) == []


def test_with_sysfs_libvirt_is_never_asked(host_of, libvirt):
    host = host_of(SYSFS)
    host.create(UUID, MTTY, 'mtty-2')
    host.remove(UUID, 'sysfs')
    assert libvirt.all_calls() == 0


def test_libvirt_alone_never_writes_to_sysfs(host_of, kernel, libvirt):
    host = host_of(LIBVIRT)
    host.create(UUID, MTTY, 'mtty-2')
    libvirt.acts.clear()
    host.remove(UUID, 'libvirt')
    assert libvirt.acts == ['setAutostart', 'destroy', 'undefine']
    # The one is libvirt's own.
    assert verbs(kernel) == ['remove']


def test_the_kernel_removes_what_is_live_and_libvirt_what_is_defined(
    host_of, kernel, libvirt
):
    host = host_of()
    host.create(UUID, MTTY, 'mtty-2')
    libvirt.acts.clear()
    host.remove(UUID, 'libvirt')
    assert libvirt.acts == ['setAutostart', 'undefine']
    assert verbs(kernel) == ['remove']


@pytest.mark.parametrize('backend', [AUTO, LIBVIRT])
def test_a_parent_that_libvirt_does_not_know(host_of, libvirt, backend):
    host = host_of(backend)
    if backend is AUTO:
        assert host.create(UUID, MDPY, 'mdpy-vga') == 'sysfs'
        return
    with pytest.raises(exceptions.HostError, match='backend to auto or sysfs'):
        host.create(UUID, MDPY, 'mdpy-vga')


@pytest.mark.parametrize(
    ('backend', 'made'), [(AUTO, 'sysfs'), (SYSFS, 'sysfs'), (LIBVIRT, None)]
)
def test_libvirt_is_away(host_of, kernel, away, caplog, backend, made):
    host = host_of(backend)
    if made is None:
        with pytest.raises(exceptions.HostError, match='no socket'):
            host.create(UUID, MTTY, 'mtty-2')
        assert live(kernel) == []
        return
    assert host.create(UUID, MTTY, 'mtty-2') == made
    host.remove(UUID, made)
    assert live(kernel) == []
    assert warnings(caplog) == []


@pytest.mark.parametrize('backend', [AUTO, LIBVIRT])
def test_mdevctl_is_missing_beside_libvirt(host_of, kernel, libvirt, caplog, backend):
    libvirt.before['define'] = test_node_act.raise_internal
    host = host_of(backend)
    if backend is LIBVIRT:
        with pytest.raises(exceptions.HostError, match='es ging nicht'):
            host.create(UUID, MTTY, 'mtty-2')
        assert live(kernel) == []
        return
    assert host.create(UUID, MTTY, 'mtty-2') == 'sysfs'
    assert live(kernel) == [UUID]
    assert ['es ging nicht' in w for w in warnings(caplog)] == [True]


def test_a_definition_that_cannot_be_taken_back_is_removed_with_the_mdev(
    host_of, kernel, libvirt
):
    libvirt.before['create'] = lambda: setattr(libvirt, 'alive', False)
    host = host_of()
    made = host.create(UUID, MTTY, 'mtty-2')
    assert (live(kernel), len(libvirt.mdev(UUID))) == ([UUID], 1)
    libvirt.alive = True
    host.remove(UUID, made)
    assert (live(kernel), libvirt.mdev(UUID)) == ([], [])


def test_mdevctl_starts_it_at_the_same_moment(host_of, kernel, libvirt):
    """After a reboot: libvirt cannot start it any more, and has its definition."""
    host = host_of()
    host.create(UUID, MTTY, 'mtty-2')
    kernel.lose_mdev(UUID)

    def faster():
        kernel.place(UUID, MTTY, 'mtty-2')
        test_node_act.raise_internal()

    libvirt.before['create'] = faster
    made = host.create(UUID, MTTY, 'mtty-2')
    libvirt.before.clear()
    host.remove(UUID, made)
    assert (live(kernel), libvirt.mdev(UUID)) == ([], [])


def test_a_parent_that_is_full_when_a_defined_one_comes_back(host_of, kernel, libvirt):
    host = host_of(LIBVIRT)
    host.create(UUID, MTTY, 'mtty-2')
    kernel.lose_mdev(UUID)
    kernel.fill(MTTY, 'mtty-1')
    with pytest.raises(exceptions.CapacityError):
        host.create(UUID, MTTY, 'mtty-2')


@pytest.mark.parametrize('backend', [AUTO, LIBVIRT])
def test_a_full_parent_is_told_by_the_kernels_number(host_of, kernel, libvirt, backend):
    kernel.fill(MTTY, 'mtty-1')
    with pytest.raises(exceptions.CapacityError) as caught:
        host_of(backend).create(UUID, MTTY, 'mtty-2')
    assert (caught.value.parent, caught.value.left) == (MTTY, 0)
    assert libvirt.mdev(UUID) == []


def test_a_type_that_goes_meanwhile(host_of, libvirt):
    with pytest.raises(exceptions.NotFound, match='mtty-9'):
        host_of().create(UUID, MTTY, 'mtty-9')


@pytest.mark.parametrize('step', ['define', 'create'])
def test_a_parent_that_goes_meanwhile(host_of, kernel, libvirt, step):
    def go():
        kernel.lose_parent(PCI)
        test_node_act.raise_internal()

    libvirt.before[step] = go
    with pytest.raises(exceptions.NotFound, match=PCI):
        host_of().create(UUID, PCI, 'mttypci-2')


def test_a_refusal_that_nothing_explains_is_the_kernels_to_decide(
    host_of, kernel, libvirt
):
    """Two types that fit alone: libvirt failed, and the kernel has a number for it."""
    libvirt.before['create'] = test_node_act.raise_internal
    kernel.fail_create(1, errno.EUSERS)
    with pytest.raises(exceptions.CapacityError) as caught:
        host_of().create(UUID, MTTY, 'mtty-2')
    assert caught.value.errno == errno.EUSERS


def test_one_of_another_type_on_this_parent_is_not_touched(host_of, kernel, libvirt):
    kernel.place(UUID, MTTY, 'mtty-1')
    with pytest.raises(exceptions.HostError):
        host_of().create(UUID, MTTY, 'mtty-2')
    assert kernel.snapshot().mdevs[UUID].mdev_type == 'mtty-1'
    assert libvirt.acts == []


def test_one_with_the_uuid_on_another_parent_is_not_touched(host_of, kernel, libvirt):
    host = host_of()
    host.create(UUID, PCI, 'mttypci-2')
    with pytest.raises(exceptions.HostError):
        host.create(UUID, MTTY, 'mtty-2')
    assert kernel.snapshot().mdevs[UUID].parent == PCI
    assert [d.parent for d in libvirt.mdev(UUID)] == [PCI]


def test_what_libvirt_makes_is_waited_for(host_of, kernel, libvirt, monkeypatch):
    """It answers before sysfs shows it: two looks later it is there."""
    host, real, looks = host_of(), kernel.place, []
    monkeypatch.setattr(kernel, 'place', lambda *facts: looks.append(facts))
    snapshot = kernel.snapshot

    def look(parents=None):
        if looks:
            looks.append(None)
            if len(looks) == 4:
                real(*looks[0])
        return snapshot(parents)

    monkeypatch.setattr(kernel, 'snapshot', look)
    assert host.create(UUID, MTTY, 'mtty-2') == 'libvirt'
    assert verbs(kernel) == []
    assert live(kernel) == [UUID]


def test_what_libvirt_says_it_made_and_nobody_sees(
    host_of, kernel, libvirt, monkeypatch
):
    """Bounded; the kernel makes it, and removal undoes libvirt's half too."""
    monkeypatch.setattr(fake_libvirt.Mdev, 'create', lambda self, flags: 0)
    made = host_of().create(UUID, MTTY, 'mtty-2')
    assert (made, live(kernel)) == ('libvirt', [UUID])


def test_what_libvirt_says_it_removed_and_is_still_there(
    host_of, kernel, libvirt, monkeypatch
):
    host = host_of(LIBVIRT)
    host.create(UUID, MTTY, 'mtty-2')
    monkeypatch.setattr(fake_libvirt.Mdev, 'destroy', lambda self: 0)
    with pytest.raises(exceptions.HostError, match='in sysfs after'):
        host.remove(UUID, 'libvirt')
    assert test_node_act.state(libvirt) == test_node_act.WHOLE


# libvirt hears from udev, a second or two after the kernel


NEVER = 10**6


@pytest.mark.parametrize('backend', [AUTO, LIBVIRT])
def test_one_that_libvirt_has_not_heard_to_be_gone_is_started_when_it_has(
    host_of, kernel, libvirt, caplog, backend
):
    host = host_of(backend)
    host.create(UUID, MTTY, 'mtty-2')
    kernel.lose_mdev(UUID)
    libvirt.acts.clear()
    libvirt.behind = 3
    assert host.create(UUID, MTTY, 'mtty-2') == 'libvirt'
    assert (live(kernel), libvirt.acts) == ([UUID], ['create'])
    assert warnings(caplog) == []


def test_one_that_libvirt_never_hears_to_be_gone_the_kernel_makes(
    host_of, kernel, libvirt, caplog
):
    host = host_of()
    host.create(UUID, MTTY, 'mtty-2')
    kernel.lose_mdev(UUID)
    libvirt.behind = NEVER
    assert host.create(UUID, MTTY, 'mtty-2') == 'libvirt'
    assert live(kernel) == [UUID]
    assert ['restart virtnodedevd' in w for w in warnings(caplog)] == [True]


@pytest.mark.parametrize('backend', [AUTO, LIBVIRT])
def test_one_that_libvirt_has_not_heard_of_is_not_made_twice(host_of, libvirt, backend):
    host = host_of(backend)
    host.create(UUID, MTTY, 'mtty-2')
    libvirt.acts.clear()
    libvirt.behind = 1
    assert host.create(UUID, MTTY, 'mtty-2') == 'libvirt'
    assert libvirt.acts == []


def test_one_that_libvirt_has_not_heard_of_is_removed_when_it_has(
    host_of, kernel, libvirt
):
    host = host_of(LIBVIRT)
    host.create(UUID, MTTY, 'mtty-2')
    libvirt.behind = 3
    host.remove(UUID, 'libvirt', MTTY)
    assert (live(kernel), libvirt.mdev(UUID)) == ([], [])


def test_one_that_libvirt_never_hears_of_stays(host_of, kernel, libvirt):
    host = host_of(LIBVIRT)
    host.create(UUID, MTTY, 'mtty-2')
    libvirt.behind = NEVER
    with pytest.raises(exceptions.HostError, match='restart virtnodedevd'):
        host.remove(UUID, 'libvirt', MTTY)
    libvirt.behind = 0
    assert test_node_act.state(libvirt) == test_node_act.WHOLE


def test_one_that_went_unheard_is_removed_without_libvirt(host_of, kernel, libvirt):
    host = host_of(LIBVIRT)
    host.create(UUID, MTTY, 'mtty-2')
    kernel.lose_mdev(UUID)
    libvirt.behind = NEVER
    host.remove(UUID, 'libvirt', MTTY)
    assert libvirt.acts[-1] == 'undefine'
    assert 'destroy' not in libvirt.acts


@pytest.mark.parametrize('backend', [AUTO, LIBVIRT])
def test_what_is_defined_on_another_parent_is_somebody_elses(
    host_of, kernel, libvirt, backend
):
    host = host_of(backend)
    host.create(UUID, PCI, 'mttypci-2')
    kernel.lose_mdev(UUID)
    host.create(UUID, MTTY, 'mtty-2')
    host.remove(UUID, 'libvirt', MTTY)
    assert live(kernel) == []
    assert [(d.parent, d.starts) for d in libvirt.mdev(UUID)] == [(PCI, True)]


@pytest.mark.parametrize('backend', [AUTO, LIBVIRT])
@pytest.mark.parametrize(
    ('running', 'user'),
    [
        pytest.param(True, 'guest web-1', id='a guest'),
        pytest.param(False, None, id='not the guest that is off'),
    ],
)
def test_the_user_is_named(host_of, kernel, libvirt, backend, running, user):
    host = host_of(backend)
    host.create(UUID, MTTY, 'mtty-2')
    kernel.attach(UUID, 'a process that has opened it')
    libvirt.domains.append(fake_libvirt.Domain('web-1', GUEST, running=running))
    with pytest.raises(exceptions.HostError) as caught:
        host.remove(UUID, 'libvirt')
    if user or backend is AUTO:
        assert isinstance(caught.value, exceptions.InUse)
        assert caught.value.user == (user or 'a process that has opened it')
    assert test_node_act.state(libvirt) == test_node_act.WHOLE
    kernel.detach(UUID)
    host.remove(UUID, 'libvirt')
    assert (live(kernel), libvirt.mdev(UUID)) == ([], [])


def test_a_user_that_libvirt_cannot_name(host_of, kernel, away):
    host = host_of()
    host.create(UUID, MTTY, 'mtty-2')
    kernel.attach(UUID, 'a process')
    with pytest.raises(exceptions.InUse, match='a process'):
        host.remove(UUID, 'sysfs')


def test_what_libvirt_defined_stays_until_libvirt_forgets_it(
    host_of, kernel, libvirt, monkeypatch
):
    host_of().create(UUID, MTTY, 'mtty-2')
    monkeypatch.setitem(sys.modules, 'libvirt', fake_libvirt.binding(None))
    with pytest.raises(exceptions.HostError):
        host_of().remove(UUID, 'libvirt')
    assert live(kernel) == [UUID]
    # It is not known who made it: what can be removed is.
    host_of().remove(UUID, None)
    assert live(kernel) == []


def test_what_libvirt_defined_it_forgets_whatever_is_configured_now(
    host_of, kernel, libvirt
):
    host_of(AUTO).create(UUID, MTTY, 'mtty-2')
    host_of(SYSFS).remove(UUID, 'libvirt')
    assert (live(kernel), libvirt.mdev(UUID)) == ([], [])


@pytest.mark.parametrize('step', ['setAutostart', 'undefine'])
def test_libvirt_goes_in_the_middle_of_a_removal(host_of, kernel, libvirt, step):
    host = host_of()
    host.create(UUID, MTTY, 'mtty-2')
    libvirt.before[step] = lambda: setattr(libvirt, 'alive', False)
    with pytest.raises(exceptions.HostError):
        host.remove(UUID, 'libvirt')
    libvirt.alive, libvirt.before = True, {}
    host.remove(UUID, 'libvirt')
    assert (live(kernel), libvirt.mdev(UUID)) == ([], [])


def test_what_is_gone_will_do(host_of, kernel, libvirt):
    for backend in (None, 'libvirt', 'sysfs'):
        host_of().remove(UUID, backend)
    assert live(kernel) == []


def test_what_an_adopted_one_was_made_by_is_not_known(host_of, kernel, libvirt):
    """Defined by another tool: both of its halves go all the same."""
    host_of().create(UUID, MTTY, 'mtty-2')
    host_of().remove(UUID, None)
    assert (live(kernel), libvirt.mdev(UUID)) == ([], [])


def test_making_one_costs_as_many_calls_however_many_there_are(
    host_of, kernel, libvirt
):
    def cost(uuid):
        before = libvirt.all_calls()
        host_of().create(uuid, MTTY, 'mtty-1')
        return libvirt.all_calls() - before

    uuids = [f'22222222-2222-4333-8444-{n:012x}' for n in range(5)]
    assert len({cost(uuid) for uuid in uuids}) == 1


def test_libvirt_that_hangs_is_not_waited_for_for_ever(kernel, monkeypatch):
    module = fake_libvirt.binding(None)
    hangs = threading.Event()
    module.open = module.openReadOnly = lambda uri: hangs.wait(30)
    monkeypatch.setitem(sys.modules, 'libvirt', module)
    monkeypatch.setattr(nodedev, 'OPEN_SECONDS', 0.1)
    try:
        assert auto.AutoHost(kernel).create(UUID, MTTY, 'mtty-2') == 'sysfs'
        with pytest.raises(exceptions.HostError, match='did not answer in'):
            auto.AutoHost(kernel, LIBVIRT).create(UUID, MTTY, 'mtty-2')
    finally:
        hangs.set()


def test_patience_gives_what_came_in_time():
    assert patience.bounded(30, divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        patience.bounded(30, divmod, 7, 0, errors=ZeroDivisionError)
