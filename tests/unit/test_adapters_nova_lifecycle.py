# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import itertools
import pathlib
import types
import typing as ty

import pytest

from nova_generic_mdev.adapters.nova import lifecycle
from nova_generic_mdev.adapters.nova import situations
from tests.callers import sources
from tests.callers import table

CLEANUP = situations.Call.CLEANUP
DOC = pathlib.Path(__file__).parents[2] / 'doc/source/contributor'
ROWS = table.situations_of()


def facts(**others: ty.Any) -> situations.Facts:
    """A server at home that nothing is wrong with, but for what is named."""
    usual: dict[str, ty.Any] = {
        'call': CLEANUP,
        'own_host': 'here',
        'host': 'here',
        'vm_state': 'active',
    }
    return situations.Facts(**(usual | others))


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row.name)
def test_each_caller(row: table.Situation) -> None:
    rule = lifecycle.verdict(row.facts)
    assert (rule.name, rule.releases, rule.hands_over) == (
        row.rule,
        row.releases,
        row.hands_over,
    )
    assert rule.ends == bool(row.releases)


def test_each_rule_decides_some_caller() -> None:
    assert {rule.name for rule in lifecycle.RULES} == {row.rule for row in ROWS}


def test_each_situation_has_a_name_of_its_own() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    'others',
    [
        pytest.param({}, id='nothing is known to happen to it'),
        pytest.param({'vm_state': None}, id='no state is known'),
        pytest.param({'host': None}, id='it is on no host'),
        pytest.param({'task_state': 'a state of another release'}, id='a new state'),
        pytest.param({'vm_state': 'suspended'}, id='suspended'),
        pytest.param({'task_state': 'powering-off'}, id='powered off'),
        pytest.param({'task_state': 'rescuing'}, id='rescued'),
        pytest.param({'task_state': 'soft-deleting'}, id='soft-deleted'),
        pytest.param(
            {'vm_state': 'soft-delete', 'task_state': 'restoring'}, id='restored'
        ),
        pytest.param({'task_state': 'shelving_image_uploading'}, id='shelved, not yet'),
        pytest.param({'task_state': 'resize_finish'}, id='arriving'),
        pytest.param(
            {'task_state': 'resize_migrated'}, id='resized, and no other cell has it'
        ),
        pytest.param(
            {'vm_state': 'resized', 'host': 'there'}, id='resized to another host'
        ),
        pytest.param(
            {'task_state': 'resize_reverting', 'host': 'there'},
            id='coming back to this host',
        ),
        pytest.param({'task_state': 'migrating'}, id='migrated live, by no such call'),
        pytest.param(
            {
                'task_state': 'migrating',
                'call': situations.Call.ROLLBACK_AT_DESTINATION,
            },
            id='rolled back where it is at home',
        ),
        pytest.param(
            {'call': situations.Call.CLEANUP_LINGERING},
            id='lingering, and not deleted',
        ),
    ],
)
def test_in_doubt_it_is_kept(others: dict[str, ty.Any]) -> None:
    rule = lifecycle.verdict(facts(**others))
    assert (rule.name, rule.ends, rule.hands_over) == ('in doubt', False, False)


def test_nothing_ends_while_an_operation_makes_it_again() -> None:
    states = sorted({row.facts.task_state or '' for row in ROWS})
    vm_states = sorted({row.facts.vm_state or '' for row in ROWS})
    for call, task, vm, deleted, host in itertools.product(
        situations.Call, states, vm_states, (False, True), ('here', 'there', None)
    ):
        under_way = facts(
            call=call,
            task_state=task or None,
            vm_state=vm,
            deleted=deleted,
            host=host,
            operation='hard reboot',
        )
        assert not lifecycle.verdict(under_way).ends, under_way


def test_a_rebuild_in_place_is_told_from_an_evacuation_by_who_asks() -> None:
    rebuilt = facts(task_state='rebuilding')
    evacuated = facts(task_state='rebuilding', by_service=True)
    assert not lifecycle.verdict(rebuilt).ends
    assert lifecycle.verdict(evacuated).ends


def test_a_guest_on_another_host_never_takes_its_migration_with_it() -> None:
    """What the migration holds here is what a revert gives back."""
    for vm, task in [('resized', None), ('resized', 'resize_reverting')]:
        rule = lifecycle.verdict(facts(vm_state=vm, task_state=task))
        assert lifecycle.Holder.MIGRATION not in rule.releases


# What Nova's objects tell


class Instance(types.SimpleNamespace):
    """Like Nova's: reading what is not set would ask the database."""

    def obj_attr_is_set(self, field: str) -> bool:
        return field in vars(self)

    def __getattr__(self, field: str) -> ty.NoReturn:
        raise AssertionError(f'{field} is loaded')


def test_facts_of_an_instance() -> None:
    instance = Instance(
        host='there',
        vm_state='active',
        task_state='migrating',
        deleted=False,
        hidden=True,
    )
    assert situations.facts_of(
        CLEANUP,
        instance,
        'here',
        context=types.SimpleNamespace(user_id='somebody'),
        migrate_data=object(),
        operation='spawn',
    ) == situations.Facts(
        call=CLEANUP,
        own_host='here',
        host='there',
        vm_state='active',
        task_state='migrating',
        hidden=True,
        operation='spawn',
        live_migration=True,
    )


def test_what_is_not_loaded_is_not_known() -> None:
    bare = situations.facts_of(CLEANUP, Instance(), 'here')
    assert bare == situations.Facts(call=CLEANUP, own_host='here')


@pytest.mark.parametrize(
    ('context', 'expected'),
    [
        pytest.param(None, False, id='no context'),
        pytest.param(types.SimpleNamespace(user_id=None), True, id='no user'),
        pytest.param(types.SimpleNamespace(user_id='somebody'), False, id='a user'),
        pytest.param(types.SimpleNamespace(), False, id='a context of another kind'),
    ],
)
def test_who_asks(context: object, expected: bool) -> None:
    told = situations.facts_of(CLEANUP, Instance(), 'here', context=context)
    assert told.by_service is expected


# The documentation and the sources


def test_the_documentation_shows_the_table() -> None:
    """Else: python -m tests.callers > doc/source/contributor/lifecycle-table.inc"""
    assert (DOC / 'lifecycle-table.inc').read_text() == table.rst()


MANAGER = """
class ComputeManager:
    def terminate(self):
        def locked():
            self._delete()
        locked()

    def _periodic(self):
        later(functools.partial(self._delete, 1))

    def offload(self):
        self._delete()

    def _poll(self):
        self.offload()

    def _delete(self):
        self.driver.destroy()
        self.driver.destroyed()

    def _again(self):
        self._again()
        self.driver.cleanup()

    def harmless(self):
        self.driver.power_off()
        destroy = self.volumes.driver.destroy
"""
DRIVER = """
class Other:
    def elsewhere(self):
        self.destroy()


class LibvirtDriver:
    def destroy(self):
        self.cleanup()

    def _hard_reboot(self):
        self.destroy()
"""


def test_ways_are_found_in_sources(tmp_path: pathlib.Path) -> None:
    for name, source in ((sources.MANAGER, MANAGER), (sources.DRIVER, DRIVER)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(source)
    assert sources.ways(tmp_path) == {
        'ComputeManager: terminate > _delete > destroy',
        'ComputeManager: _periodic > _delete > destroy',
        'ComputeManager: offload > _delete > destroy',
        'ComputeManager: _poll > offload > _delete > destroy',
        'ComputeManager: _again > cleanup',
        'LibvirtDriver: destroy > cleanup',
        'LibvirtDriver: _hard_reboot > destroy',
    }


def test_a_class_that_is_not_there_is_noticed() -> None:
    with pytest.raises(ValueError, match='not enough values'):
        sources.methods(MANAGER, 'LibvirtDriver')


def test_other_modules_that_take_guests_down_are_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / 'tests').mkdir()
    for name in ('manager.py', 'tests/test_manager.py', 'docs.py'):
        (tmp_path / name).write_text('self.driver.destroy(instance)')
    (tmp_path / 'docs.py').write_text('self.driver.destroys(instance)')
    assert sources.mentions(tmp_path) == {'manager.py'}


def test_references_are_whole_names() -> None:
    (method,) = ast.parse('def f(self): self.driver.cleanup_host()').body
    assert isinstance(method, ast.FunctionDef)
    assert sources.references(method, 'self.driver.') == {'cleanup_host'}
