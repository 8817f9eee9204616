# SPDX-License-Identifier: Apache-2.0
"""Our part of Nova's provider tree; whole updates of it are in tests/nova."""

from __future__ import annotations

import dataclasses

import pytest

from nova_generic_mdev import inventory
from nova_generic_mdev import names
from nova_generic_mdev import policy
from nova_generic_mdev import providers
from nova_generic_mdev.adapters.nova import publishing
from tests.unit import scenes
from tests.unit.adapters import trees

ROOT = 'host'
MARK, OLD = names.type_trait('t-1'), names.type_trait('t-9')
A, B, VGPU = scenes.A, scenes.B, 'VGPU'


def inv(total=4, reserved=0):
    return inventory.Inventory(total=total, reserved=reserved, max_unit=total)


def offered(**parents):
    """An offer of these parents, with what is of each class."""
    return publishing.Offer(providers.desired(ROOT, parents, {}))


def view_of(scene, published=None):
    return publishing.View(
        policy=policy.Policy(rules=scene.rules),
        resolution=scene.resolution,
        snapshot=scene.snapshot,
        claims=scene.claims,
        published=published or {},
    )


def tree_of(**children):
    """A tree with children of the root: what Placement has of each."""
    tree = trees.Tree()
    tree.new_root(ROOT, 'uuid of host')
    tree.update_inventory(ROOT, {'VCPU': {'total': 8}})
    for name, (inventories, traits) in children.items():
        tree.new_child(name, ROOT, uuid=f'uuid of {name}', generation=7)
        tree.update_inventory(name, publishing.placed(inventories))
        tree.update_traits(name, traits)
    return tree


# What Nova's helpers get


def test_an_offer_is_one_inventory_a_parent_and_has_all_of_it():
    several = offered(p={A: inv(2), VGPU: inv(3)}, q={B: inv(5), A: inv(7)})
    assert {parent: told['total'] for parent, told in several.items()} == {
        'p': 3,
        'q': 7,
    }
    assert several['p'] == providers.to_placement(inv(3))
    assert set(several.wanted) == {'host_p', 'host_q'}
    assert several.wanted['host_p'].inventories == {A: inv(2), VGPU: inv(3)}


def test_an_offer_of_nothing_is_one_for_there_may_be_something_to_take_back():
    assert offered()
    assert dict(offered()) == {}


def test_what_a_host_offers_goes_by_what_placement_has_of_it():
    # One is in use: the total stays where it was.
    mdev = scenes.Mdev('p', 't-1', holder=0)
    view = view_of(scenes.Scene({'p': {'t-1': 2}}, mdevs=(mdev,)))
    before = publishing.current(tree_of(host_dev_p=({A: inv(9)}, {MARK})), ROOT)
    assert publishing.offer(view, ROOT).wanted['host_dev_p'].inventories == {A: inv(3)}
    assert publishing.offer(view, ROOT, before).wanted['host_dev_p'].inventories == {
        A: inventory.Inventory(total=9, reserved=6, max_unit=9)
    }


@pytest.mark.parametrize(('reuse_found', 'total'), [(True, 2), (False, 1)])
def test_what_was_found_is_offered_where_it_may_be(reuse_found, total):
    found = scenes.Mdev('p', 't-1', origin='found')
    view = view_of(scenes.Scene({'p': {'t-1': 1}}, mdevs=(found,)))
    said = policy.Policy(rules=view.policy.rules, reuse_found=reuse_found)
    view = dataclasses.replace(view, policy=said)
    assert publishing.offer(view, ROOT)['dev_p']['total'] == total


@pytest.mark.parametrize(
    ('scene', 'published'),
    [
        pytest.param(scenes.Scene({'p': {'t-1': 1}}), {}, id='it is there'),
        pytest.param(
            scenes.Scene({}, mdevs=(scenes.Mdev('p', 't-1', live=False),)),
            {},
            id='an mdev of it is recorded',
        ),
        pytest.param(scenes.Scene({}), {'dev_p': {OLD}}, id='it was published'),
    ],
)
def test_a_parent_that_is_known_by_name(scene, published):
    assert view_of(scene, published).parents == {'dev_p'}


# What Placement has


def test_what_a_tree_has_from_the_root_down():
    tree = tree_of(host_p=({A: inv()}, {MARK, 'CUSTOM_X'}))
    tree.new_root('shares', 'uuid of another')
    tree.new_child('host_p_1', 'host_p', uuid='below')
    root, child, below = publishing.current(tree, ROOT)
    assert (root.name, root.parent, root.inventories) == (
        ROOT,
        None,
        {'VCPU': {'total': 8}},
    )
    assert child == providers.Current(
        name='host_p',
        uuid='uuid of host_p',
        generation=7,
        parent='uuid of host',
        inventories={A: providers.to_placement(inv())},
        traits=frozenset({MARK, 'CUSTOM_X'}),
    )
    # One that Placement has not got yet has no generation.
    assert (below.name, below.parent, below.generation) == (
        'host_p_1',
        'uuid of host_p',
        0,
    )


def _trees():
    """A tree, and such that are not quite the same."""

    def made(
        name='host_p', uuid='u', above=ROOT, generation=7, total=9, traits=(MARK,)
    ):
        tree = tree_of(host_q=({A: inv(3)}, {MARK}))
        tree.new_child(name, above, uuid=uuid, generation=generation)
        tree.update_inventory(name, {A: {'total': total}})
        tree.update_traits(name, traits)
        return tree

    def removed():
        tree = made()
        tree.remove('host_p')
        return tree

    def added():
        tree = made()
        tree.new_child('host_r', ROOT, uuid='uuid of r')
        return tree

    return made(), {
        'another name': made(name='host_o'),
        'below another': made(above='host_q'),
        'another generation': made(generation=8),
        'another total': made(total=8),
        'one more trait': made(traits=(MARK, 'CUSTOM_X')),
        'no trait': made(traits=()),
        'it was removed': removed(),
        'one more': added(),
        'another uuid': made(uuid='another'),
    }


def test_a_tree_is_as_it_was_until_something_in_it_is_not():
    tree, others = _trees()
    before = publishing.current(tree, ROOT)
    tree.new_root('shares', 'uuid of another')
    assert publishing.is_as(tree, ROOT, before)
    for what, other in others.items():
        assert publishing.current(other, ROOT) != before, what
        assert not publishing.is_as(other, ROOT, before), what
        assert publishing.is_as(other, ROOT, publishing.current(other, ROOT)), what


# What may be taken away

CLOSED = {A: inv(4, 4)}
OPEN = {A: inv(4, 3)}


def asking(tree, offer, view=None, answer=frozenset()):
    """Who is asked about, and what is known of each provider then."""
    asked = []

    def ask(uuid):
        asked.append(uuid)
        return answer

    told = publishing.with_allocated(
        offer,
        publishing.current(tree, ROOT),
        view or view_of(scenes.Scene({}, rules=())),
        ROOT,
        ask,
    )
    known = {now.name: now.allocated for now in told}
    return asked, known


@pytest.mark.parametrize(
    ('has', 'traits', 'wanted', 'is_asked'),
    [
        pytest.param(CLOSED, {MARK}, {A: inv()}, False, id='all of it is wanted'),
        pytest.param({}, {MARK}, {A: inv()}, False, id='a class more'),
        pytest.param(OPEN, {MARK}, {B: inv()}, False, id='a class less, open'),
        pytest.param(CLOSED, {MARK}, {B: inv()}, True, id='a class less, closed'),
        pytest.param(CLOSED, set(), {B: inv()}, True, id='the in-tree class, closed'),
        pytest.param(
            CLOSED | {B: inv()}, {MARK}, {B: inv()}, True, id='what stays may be open'
        ),
        pytest.param(OPEN, {MARK}, None, False, id='a provider less, open'),
        pytest.param(CLOSED, {MARK}, None, True, id='a provider less, closed'),
        pytest.param({}, {MARK}, None, True, id='a provider less, empty'),
        pytest.param(CLOSED, {'CUSTOM_X'}, None, False, id="another's provider"),
        pytest.param({}, set(), None, False, id="another's empty provider"),
    ],
)
def test_who_is_asked_about(has, traits, wanted, is_asked):
    tree = tree_of(host_p=(has, traits), host_q=(CLOSED, {MARK}))
    parents = {'q': {A: inv(4, 4)}} | ({} if wanted is None else {'p': wanted})
    asked, known = asking(tree, offered(**parents))
    assert asked == (['uuid of host_p'] if is_asked else [])
    assert known['host_p'] == (frozenset() if is_asked else None)
    assert known['host_q'] is known[ROOT] is None


def test_the_root_is_never_taken_away():
    tree = tree_of()
    tree.update_traits(ROOT, {MARK})
    tree.update_inventory(ROOT, {})
    assert asking(tree, offered()) == ([], {ROOT: None})


def test_in_doubt_all_of_it_may_be_allocated():
    tree = tree_of(host_p=(CLOSED, {MARK}))
    assert asking(tree, offered(), answer=None)[1]['host_p'] is None


def test_what_is_held_and_what_is_still_asked_for_stays():
    # The parent is away; a rule names it.
    rule = scenes.rule('t-1', B, device_addresses=('dev_p',))
    view = view_of(scenes.Scene({}, rules=(rule,)))
    tree = tree_of(host_dev_p=(CLOSED, {MARK}))
    assert asking(tree, offered(), view, frozenset({A}))[1]['host_dev_p'] == {A, B}


def test_a_name_that_was_cut_is_told_by_what_was_published():
    root = 'h' * 195
    name = names.provider(root, 'dev_p')
    tree = trees.Tree()
    tree.new_root(root, 'root')
    tree.new_child(name, root, uuid='cut')
    tree.update_traits('cut', {MARK})
    rule = scenes.rule('t-1', B, device_addresses=('dev_p',))
    known = {}
    for published in ({}, {'dev_p': {MARK}}):
        view = view_of(scenes.Scene({}, rules=(rule,)), published)
        (_, cut) = publishing.with_allocated(
            publishing.Offer({}),
            publishing.current(tree, root),
            view,
            root,
            lambda uuid: frozenset(),
        )
        known[bool(published)] = cut.allocated
    # Nobody can tell which rules name it: nothing that it has goes, and it is empty.
    assert known == {False: frozenset(), True: {B}}


# What becomes of the tree


def changed(*steps):
    tree = tree_of(host_p=({A: inv(), B: inv()}, {MARK}))
    publishing.change(tree, steps)
    return tree


def test_a_new_provider():
    tree = changed(providers.CreateProvider(provider='host_q', root=ROOT))
    new = tree.data('host_q')
    assert (new.parent_uuid, new.inventory) == ('uuid of host', {})


def test_new_traits_are_all_of_them():
    traits = frozenset({'CUSTOM_X'})
    tree = changed(providers.SetTraits(provider='host_p', traits=traits))
    assert tree.data('host_p').traits == {'CUSTOM_X'}


def test_new_inventories_as_placement_takes_them():
    tree = changed(
        providers.SetInventories(provider='host_p', inventories={A: inv(8, 8)})
    )
    assert tree.data('host_p').inventory == {A: providers.to_placement(inv(8, 8))}


def test_a_class_less():
    tree = changed(providers.DropClass(provider='host_p', resource_class=A))
    assert set(tree.data('host_p').inventory) == {B}


def test_a_provider_less():
    tree = changed(providers.DeleteProvider(provider='host_p'))
    assert not tree.exists('host_p')
    assert tree.exists(ROOT)


# What is ours of the traits


@pytest.mark.parametrize(
    ('before', 'has', 'wanted', 'expected'),
    [
        pytest.param(None, None, {'A'}, {'A'}, id='a new provider'),
        pytest.param({'A'}, {'A'}, {'A'}, None, id='as it was'),
        pytest.param({'A'}, {'A', 'X'}, {'A'}, None, id="somebody else's is not ours"),
        pytest.param({'A'}, {'A', 'B'}, {'A', 'B'}, {'A', 'B'}, id='one more'),
        pytest.param(
            {'A', 'B'}, {'A', 'B'}, {'A'}, None, id='being taken back: until it is'
        ),
        pytest.param({'A', 'B'}, {'A'}, {'A'}, {'A'}, id='taken back'),
        pytest.param({'A', 'B'}, {'A'}, {'A', 'B'}, None, id='gone, and wanted again'),
        pytest.param({'A'}, {'A'}, None, None, id='all is being taken back'),
        pytest.param({'A'}, set(), None, set(), id='all is taken back'),
        pytest.param({'A'}, None, None, set(), id='the provider is gone'),
    ],
)
def test_which_traits_are_ours_from_now_on(before, has, wanted, expected):
    view = view_of(scenes.Scene({}), {} if before is None else {'p': frozenset(before)})
    tree = tree_of(**({} if has is None else {'host_p': ({}, has)}))
    offer = publishing.Offer(
        providers.desired(
            ROOT,
            {} if wanted is None else {'p': {A: inv()}},
            {'p': frozenset(wanted or ())},
        )
    )
    found = publishing.published(offer, publishing.current(tree, ROOT), view, ROOT)
    assert found == ({} if expected is None else {'p': expected})
