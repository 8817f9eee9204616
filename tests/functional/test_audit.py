# SPDX-License-Identifier: Apache-2.0
"""``nova-mdev audit`` with a real Placement, and a host and libvirt in memory."""

from __future__ import annotations

import collections.abc as cabc
import itertools
import json
import logging
import os
import pathlib
import sys
import typing as ty

import pytest

from nova_generic_mdev import audit
from nova_generic_mdev import claims
from nova_generic_mdev import domain_xml
from nova_generic_mdev import fixture
from nova_generic_mdev import names
from nova_generic_mdev import node_xml
from nova_generic_mdev import privileged
from nova_generic_mdev import record
from nova_generic_mdev.adapters.placement.publishing import TRIES
from nova_generic_mdev.cmd import context
from nova_generic_mdev.cmd import main
from nova_generic_mdev.cmd import processes
from nova_generic_mdev.cmd import witnesses
from nova_generic_mdev.host import kernel
from tests.functional import identity_service
from tests.functional import placement_service
from tests.system import auditing
from tests.unit.host import fake_libvirt

pytestmark = pytest.mark.filterwarnings(
    # Placement's, and those of the libraries that it stands on.
    'ignore::DeprecationWarning',
    'ignore::PendingDeprecationWarning',
    'ignore:.*:sqlalchemy.exc.SADeprecationWarning',
    'ignore::sqlalchemy.exc.SAWarning',
)

MACHINE = 'b' * 32
CLASS = 'CUSTOM_MTTY'
GOLDEN = pathlib.Path(__file__).parents[1] / 'golden/nodedev/empty/mtty_mtty.xml'
CONF = """
[devices]
enabled_mdev_types = mtty-2
[mdev_mtty-2]
device_addresses = mtty
mdev_class = mtty
"""
# The discard port: nothing listens.
NOWHERE = 'http://127.0.0.1:9'
ADMIN = 'auth_type = admin_token\ntoken = admin\nendpoint = {url}'
NUMBERS = itertools.count(1)
CONSUMER = 'c1000000-0000-4000-8000-{:012x}'


class Libvirt(fake_libvirt.Connection):
    """It hears of each mdev of its host."""

    def listAllDevices(self, flags: int) -> list[fake_libvirt.NodeDevice]:  # noqa: N802
        known = {getattr(device, 'uuid', None) for device in self.devices}
        for mdev in self.host.snapshot().mdevs.values():
            if mdev.uuid not in known:
                xml = node_xml.node_device(mdev.parent, mdev.mdev_type, mdev.uuid)
                self.devices.append(fake_libvirt.Mdev(self, xml.replace('\n', '')))
        return super().listAllDevices(flags)


class Cloud:
    """A compute host with its Placement, and what is done on it."""

    def __init__(
        self, home: pathlib.Path, service: placement_service.Service, name: str
    ) -> None:
        self.home, self.service, self.root = home, service, name
        self.child = f'{name}_mtty_mtty'
        self.host = fixture.mtty()
        self.libvirt = Libvirt(
            [fake_libvirt.NodeDevice(GOLDEN.read_text())], host=self.host
        )
        self.store = claims.ClaimStore(str(home / 'state'), MACHINE)
        self.placement = [f'--placement-url={service.url}', '--token=admin']
        self.conf = CONF
        self.status: int | None = None
        self.out = self.err = ''
        self.capture: ty.Any = None

    def run(self, *words: str) -> int:
        """The program, in this process, with the log handlers of one run."""
        path = self.home / 'nova.conf'
        path.write_text(self.conf)
        root = logging.getLogger()
        before, level = list(root.handlers), root.level
        try:
            self.status = main.main(
                [
                    f'--config-file={path}', f'--root-provider={self.root}',
                    f'--state-path={self.home / "state"}', *words,
                ]
            )  # fmt: skip
        finally:
            root.handlers[:] = before
            root.setLevel(level)
            self.out, self.err = self.capture.readouterr()
        return self.status

    def audit(self, *more: str) -> list[dict[str, str]]:
        self.service.log.clear()
        self.run('audit', '-f', 'json', *self.placement, *more)
        return ty.cast(list[dict[str, str]], json.loads(self.out or '[]'))

    def kinds(self, *more: str) -> set[tuple[str, str]]:
        return {(row['kind'], row['subject']) for row in self.audit(*more)}

    def publish(self) -> None:
        assert self.run('inventory', 'publish', *self.placement) == 0, self.err

    def serve(self) -> str:
        """A server with an mdev: allocated, given, in its guest; its uuid."""
        server = CONSUMER.format(next(NUMBERS))
        self.service.allocate(server, self.child, **{CLASS: 1})
        status = self.run(
            'device', 'allocate', '--consumer', server, '--in-placement',
            '--resource', f'mtty:{CLASS}=1', '-f', 'json', *self.placement,
        )  # fmt: skip
        assert status == 0, self.err
        (given,) = json.loads(self.out)
        hostdev = domain_xml.hostdev(given['uuid'], 'vfio-pci')
        xml = f'<domain><name>g</name><devices>{hostdev}</devices></domain>'
        self.libvirt.domains.append(fake_libvirt.Domain(server, xml, uuid=server))
        return server

    def mdev_of(self, server: str) -> str:
        (claim,) = self.store.load().of(server)
        return claim.uuid

    def end(self, server: str) -> None:
        """The server goes, and nobody tells us."""
        self.service.deallocate(server)
        self.libvirt.domains = [d for d in self.libvirt.domains if d.name() != server]


@pytest.fixture
def cloud(
    tmp_path: pathlib.Path,
    placement: placement_service.Service,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Cloud:
    made = Cloud(tmp_path, placement, f'{request.node.name[:60]}-{next(NUMBERS)}')
    made.capture = capsys
    monkeypatch.setattr(claims, 'machine_id', lambda: MACHINE)
    monkeypatch.setattr(processes, 'PROC', str(tmp_path))
    monkeypatch.setattr(context.Context, 'reader', made.host)
    monkeypatch.setattr(kernel, 'KernelHost', lambda reader: reader)
    monkeypatch.setattr(privileged, 'start', lambda: None)
    monkeypatch.setattr(privileged, 'configure', lambda _: None)
    monkeypatch.setattr(witnesses, 'AGAIN_SECONDS', 0.0)
    monkeypatch.setitem(sys.modules, 'libvirt', fake_libvirt.binding(made.libvirt))
    for name in [name for name in os.environ if name.startswith('OS_')]:
        monkeypatch.delenv(name)
    placement.make_provider(made.root)
    made.publish()
    return made


def provider(cloud: Cloud) -> str:
    return f'provider {cloud.child}'


def test_through_the_life_of_a_server_all_agree(cloud: Cloud) -> None:
    assert cloud.audit() == []
    server = cloud.serve()
    cloud.publish()
    assert cloud.audit() == []
    assert cloud.service.writes == []
    assert cloud.status == 0
    cloud.end(server)
    assert cloud.run('device', 'release', server) == 0
    cloud.publish()
    assert cloud.audit() == []
    assert cloud.status == 0


@pytest.mark.parametrize(
    'section',
    [
        pytest.param(ADMIN, id='by itself'),
        pytest.param(
            f'auth_section = elsewhere\n[elsewhere]\n{ADMIN}',
            id='by another section that it names',
        ),
    ],
)
def test_novas_configuration_leads_to_placement(cloud: Cloud, section: str) -> None:
    server = cloud.serve()
    cloud.service.deallocate(server)
    cloud.placement = []
    assert cloud.kinds() == set()
    assert cloud.service.log == []
    cloud.conf = f'{CONF}\n[placement]\n{section.format(url=cloud.service.url)}\n'
    found = cloud.kinds()
    assert ('device without allocation', f'consumer {server}') in found
    assert cloud.kinds('--without=placement') == set()


@pytest.fixture
def identity(cloud: Cloud) -> cabc.Iterator[identity_service.Identity]:
    """Of a cloud in which a server has a device that it holds no more."""
    server = cloud.serve()
    cloud.service.deallocate(server)
    cloud.placement = []
    service = identity_service.Identity(cloud.service.url, placement_service.TOKEN)
    with service.running():
        yield service


def credentials(url: str, password: str = identity_service.PASSWORD) -> dict[str, str]:
    """What Nova's configuration says, and options of the command line, too."""
    return {
        'auth_type': 'password',
        'auth_url': url,
        'username': identity_service.USER,
        'password': password,
        'project_name': identity_service.PROJECT,
        'user_domain_name': 'Default',
        'project_domain_name': 'Default',
        'region_name': identity_service.REGION,
    }


def configured(told: cabc.Mapping[str, str]) -> str:
    lines = (f'{option} = {value}' for option, value in told.items())
    return '\n'.join([CONF, '[placement]', *lines, ''])


def optional(told: cabc.Mapping[str, str]) -> list[str]:
    return [f'--os-{o.replace("_", "-")}={value}' for o, value in told.items()]


@pytest.mark.parametrize('is_in_conf', [True, False], ids=['nova.conf', 'options'])
def test_a_password_leads_to_placement(
    cloud: Cloud, identity: identity_service.Identity, is_in_conf: bool
) -> None:
    told = credentials(identity.url)
    cloud.conf = configured(told) if is_in_conf else CONF
    rows = cloud.audit(*([] if is_in_conf else optional(told)))
    assert cloud.status == 1
    assert 'device without allocation' in {row['kind'] for row in rows}
    assert identity.given == 1


@pytest.mark.parametrize(
    ('has_identity', 'has_placement', 'password', 'says'),
    [
        pytest.param(True, True, 'a guess', 'not accepted', id='another password'),
        pytest.param(False, True, None, 'reach', id='no identity service'),
        pytest.param(True, False, None, 'reach', id='no Placement where it should be'),
    ],
)
@pytest.mark.parametrize('is_in_conf', [True, False], ids=['nova.conf', 'options'])
def test_placement_cannot_be_reached(
    cloud: Cloud,
    identity: identity_service.Identity,
    has_identity: bool,
    has_placement: bool,
    password: str | None,
    says: str,
    is_in_conf: bool,
) -> None:
    """It says so, and what it can tell without it."""
    (mdev,) = cloud.host.snapshot().mdevs
    cloud.host.lose_mdev(mdev)
    if not has_placement:
        identity.placement = NOWHERE
    told = credentials(
        identity.url if has_identity else NOWHERE,
        password or identity_service.PASSWORD,
    )
    cloud.conf = configured(told) if is_in_conf else CONF
    rows = cloud.audit(*([] if is_in_conf else optional(told)))
    assert cloud.status == 2
    assert 'placement could not be asked' in cloud.err
    assert says in cloud.err
    assert ('missing mdev', f'mdev {mdev}') in {
        (row['kind'], row['subject']) for row in rows
    }


def test_credentials_that_are_not_accepted(cloud: Cloud) -> None:
    cloud.placement = [f'--placement-url={cloud.service.url}', '--token=nobody']
    assert cloud.audit() == []
    assert cloud.status == 2
    assert 'placement could not be asked' in cloud.err


def test_a_server_that_went_unseen_is_released(cloud: Cloud) -> None:
    server, other = cloud.serve(), cloud.serve()
    cloud.publish()
    mdev = cloud.mdev_of(server)
    cloud.end(server)
    assert cloud.kinds() == {('stale claim', f'consumer {server}')}
    (row,) = cloud.audit('--dry-run')
    assert row['remedy'] == f'would release what {server} has'
    assert mdev in cloud.host.snapshot().mdevs
    rows = cloud.audit('--fix')
    assert rows[0]['remedy'] == f'done: released mdev {mdev}'
    assert mdev not in cloud.host.snapshot().mdevs
    assert cloud.mdev_of(other) in cloud.host.snapshot().mdevs
    assert cloud.status == 0
    assert cloud.audit() == []


def test_what_is_allocated_and_was_never_given(cloud: Cloud) -> None:
    stranger = CONSUMER.format(next(NUMBERS))
    cloud.service.allocate(stranger, cloud.child, **{CLASS: 2})
    assert cloud.kinds('--fix') == {('unknown consumer', f'consumer {stranger}')}
    assert cloud.status == 1
    server = cloud.serve()
    cloud.service.deallocate(server)
    cloud.service.allocate(server, cloud.child, **{CLASS: 3})
    found = cloud.kinds()
    assert ('allocation without device', f'consumer {server}') in found


def test_the_allocation_of_a_migration(cloud: Cloud) -> None:
    """Placement has moved it, and our record has not heard of it yet."""
    server, migration = cloud.serve(), CONSUMER.format(next(NUMBERS))
    cloud.service.deallocate(server)
    cloud.service.allocate(migration, cloud.child, **{CLASS: 1})
    assert cloud.kinds('--fix') == {('consumer differs', f'consumer {server}')}
    with cloud.store.transaction() as session:
        session.set_consumer(cloud.mdev_of(server), migration)
    assert cloud.audit() == []


def test_what_a_guest_has_and_nobody_claimed(cloud: Cloud) -> None:
    server = cloud.serve()
    mdev = cloud.mdev_of(server)
    with cloud.store.transaction() as session:
        session.drop_claim(mdev)
    assert cloud.kinds('--fix') >= {('guest without claim', f'mdev {mdev}')}
    assert cloud.status == 0
    assert cloud.mdev_of(server) == mdev
    assert cloud.audit() == []


def test_an_inventory_that_somebody_changed(cloud: Cloud) -> None:
    uuid = cloud.service.uuid(cloud.child)
    path = f'/resource_providers/{uuid}/inventories'
    told = cloud.service.request('GET', path)
    told['inventories'][CLASS]['reserved'] = 7
    cloud.service.request('PUT', path, told)
    (row,) = cloud.audit()
    assert (row['kind'], row['subject']) == ('inventory differs', provider(cloud))
    assert 'reserved=7' in row['placement']
    (row,) = cloud.audit('--fix')
    assert row['remedy'].startswith('done: set inventories CUSTOM_MTTY total=12')
    assert cloud.service.inventories(cloud.child) == {CLASS: (12, 0, 12)}
    assert cloud.audit() == []


def test_traits_that_somebody_took(cloud: Cloud) -> None:
    uuid = cloud.service.uuid(cloud.child)
    path = f'/resource_providers/{uuid}/traits'
    told = cloud.service.request('GET', path)
    told['traits'].remove('CUSTOM_MDEV_API_VFIO_PCI')
    cloud.service.request('PUT', path, told)
    assert cloud.kinds('--fix') == {('traits differ', provider(cloud))}
    assert 'CUSTOM_MDEV_API_VFIO_PCI' in cloud.service.traits(cloud.child)
    assert cloud.audit() == []


def test_an_own_trait_of_the_operator(cloud: Cloud) -> None:
    cloud.service.add_trait(cloud.child, 'CUSTOM_RACK_7')
    assert cloud.audit() == []


def test_a_provider_that_somebody_deleted(cloud: Cloud) -> None:
    uuid = cloud.service.uuid(cloud.child)
    cloud.service.request('DELETE', f'/resource_providers/{uuid}')
    assert cloud.kinds('--fix') == {('missing provider', provider(cloud))}
    assert cloud.service.inventories(cloud.child) == {CLASS: (12, 0, 12)}
    assert cloud.audit() == []


def test_a_provider_that_nobody_asks_for(cloud: Cloud) -> None:
    cloud.conf = '[devices]\n'
    cloud.host.lose_parent('mtty_mtty')
    assert cloud.kinds() == {('stale provider', provider(cloud))}
    (row,) = cloud.audit('--fix')
    assert row['remedy'].startswith('done: drop class CUSTOM_MTTY; delete provider')
    assert cloud.service.children(cloud.root) == set()
    assert cloud.audit() == []


def test_one_that_nobody_asks_for_and_somebody_holds(cloud: Cloud) -> None:
    stranger = CONSUMER.format(next(NUMBERS))
    cloud.service.allocate(stranger, cloud.child, **{CLASS: 1})
    cloud.conf = '[devices]\n'
    rows = cloud.audit('--fix')
    assert {row['kind'] for row in rows} == {'stale provider', 'unknown consumer'}
    assert cloud.status == 1
    assert cloud.service.used(cloud.child) == {CLASS: 1}
    cloud.service.deallocate(stranger)
    assert cloud.kinds('--fix') == {('stale provider', provider(cloud))}
    assert cloud.status == 0


def test_a_parent_that_went(cloud: Cloud) -> None:
    """Its provider stays, with nothing free; its mdevs are told of once."""
    server = cloud.serve()
    cloud.publish()
    uuid = cloud.mdev_of(server)
    cloud.host.lose_parent('mtty_mtty')
    found = cloud.kinds('--fix')
    assert ('missing parent', 'parent mtty_mtty') in found
    assert cloud.status == 1
    assert cloud.service.inventories(cloud.child) == {CLASS: (12, 11, 12)}
    cloud.host.regain_parent('mtty_mtty')
    cloud.audit('--fix')
    assert cloud.status == 0
    assert uuid in cloud.host.snapshot().mdevs
    assert cloud.audit() == []


def test_something_else_has_the_name_of_ours(cloud: Cloud) -> None:
    uuid = cloud.service.uuid(cloud.child)
    path = f'/resource_providers/{uuid}/traits'
    told = cloud.service.request('GET', path)
    told['traits'] = []
    cloud.service.request('PUT', path, told)
    assert cloud.kinds('--fix') == {('foreign provider', provider(cloud))}
    assert cloud.status == 1
    assert cloud.service.writes == []
    cloud.service.add_trait(cloud.child, names.type_trait('mtty-2'))
    assert cloud.kinds('--fix') == {('traits differ', provider(cloud))}
    assert cloud.audit() == []


def test_a_host_that_placement_does_not_know(cloud: Cloud) -> None:
    cloud.root = 'nobody-made-this'
    assert cloud.kinds('--fix') == {('missing provider', 'provider nobody-made-this')}
    assert cloud.status == 1
    assert cloud.service.writes == []


def test_what_an_accelerator_service_has_is_left_alone(cloud: Cloud) -> None:
    uuid, server = CONSUMER.format(999), CONSUMER.format(next(NUMBERS))
    cloud.host.place(uuid, 'mtty_mtty', 'mtty-2')
    with cloud.store.transaction() as session:
        session.add_mdev(
            record.MdevRecord(
                uuid=uuid, parent='mtty_mtty', mdev_type='mtty-2',
                origin=record.Origin.FOREIGN,
            )
        )  # fmt: skip
        session.add_claim(
            record.Claim(
                consumer=server, uuid=uuid, resource_class='',
                owner=record.Owner.ACCELERATOR,
            )
        )  # fmt: skip
    cloud.publish()
    assert cloud.audit('--fix') == []
    assert uuid in cloud.host.snapshot().mdevs


def test_a_conflict_each_time(cloud: Cloud) -> None:
    """Somebody else keeps writing; what is safe beside it is mended all the same."""
    server = cloud.serve()
    cloud.publish()
    cloud.end(server)
    uuid = cloud.service.uuid(cloud.child)
    path = f'/resource_providers/{uuid}/inventories'
    told = cloud.service.request('GET', path)
    told['inventories'][CLASS]['reserved'] = 7
    cloud.service.request('PUT', path, told)
    left = list(range(TRIES))

    def somebody_writes() -> None:
        cloud.service.add_trait(cloud.child, f'CUSTOM_BUSY_{left.pop()}')
        if left:
            cloud.service.before('PUT', '/inventories', somebody_writes)

    cloud.service.before('PUT', '/inventories', somebody_writes)
    remedies = {row['kind']: row['remedy'] for row in cloud.audit('--fix')}
    assert remedies['stale claim'].startswith('done: ')
    assert remedies['inventory differs'].startswith('not done: ')
    assert 'something else keeps changing it' in remedies['inventory differs']
    assert (cloud.status, left) == (1, [])


def test_each_kind_is_made_by_hand_on_the_machine_or_it_is_said_why_not() -> None:
    """``tests/system`` has a damage for each; on fakes each is made anyway."""
    scenes = auditing.SCENES.values()
    made = {kind for damages in scenes for one in damages for kind in one.kinds}
    assert made.isdisjoint(auditing.NOT_BY_HAND)
    assert made | auditing.NOT_BY_HAND.keys() == set(audit.Kind)
