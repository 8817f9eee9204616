# SPDX-License-Identifier: Apache-2.0
import contextlib
import hashlib
import re

import hypothesis
import os_traits
import pytest
from hypothesis import strategies as st

from nova_generic_mdev import exceptions
from nova_generic_mdev import names

UUID = '11111111-2222-4333-8444-00000000abcd'

ANY_TEXT = st.text(max_size=400)
SYSNAMES = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='/'),
    min_size=1,
    max_size=40,
).filter(lambda text: text not in ('.', '..'))
ADDRESSES = st.builds(
    '{:04x}:{:02x}:{:02x}.{:x}'.format,
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
    st.integers(0, 31),
    st.integers(0, 7),
)


# PCI addresses -----------------------------------------------------------


@pytest.mark.parametrize(
    ('text', 'address'),
    [
        pytest.param('0000:84:00.0', '0000:84:00.0', id='as the kernel prints it'),
        pytest.param('0000:C4:1F.7', '0000:c4:1f.7', id='upper case'),
        pytest.param('10000:01:00.0', '10000:01:00.0', id='a domain of five digits'),
    ],
)
def test_a_pci_address(text, address):
    assert names.is_pci_address(text)
    assert names.pci_address(text) == address


@pytest.mark.parametrize(
    'text',
    [
        '',
        '84:00.0',
        '0000:84:00',
        '0000:84:00.8',
        '0000:84:00.0 ',
        '0000:84:00.0\n',
        '0000:84:0g.0',
        '\uff10000:84:00.0',
        '0000:84:00.*',
        'pci_0000_84_00_0',
        '../0000:84:00.0',
        '0' * 300,
    ],
)
def test_what_is_not_a_pci_address(text):
    assert not names.is_pci_address(text)
    with pytest.raises(exceptions.InvalidName) as caught:
        names.pci_address(text)
    assert caught.value.value == text
    assert len(str(caught.value)) < 250


@hypothesis.given(ADDRESSES)
def test_an_address_survives_its_node_device_name(address):
    name = names.node_device('pci', address)
    assert names.pci_address_of(name) == address
    assert names.pci_address_of(name.upper().replace('PCI', 'pci')) == address


@pytest.mark.parametrize(
    'name', ['mtty_mtty', 'css_0_0_0023', 'ap_matrix', 'pci_0000_84_00_8', 'pci_', '']
)
def test_a_name_without_a_pci_address(name):
    assert names.pci_address_of(name) is None


@pytest.mark.parametrize(
    ('text', 'is_pattern'),
    [
        ('0000:84:00.*', True),
        ('0000:8[45]:00.0', True),
        ('mtty?', True),
        ('0000:84:00.0', False),
        ('', False),
    ],
)
def test_patterns(text, is_pattern):
    assert names.is_pattern(text) is is_pattern


# Node devices ------------------------------------------------------------


@pytest.mark.parametrize(
    ('subsystem', 'sysname', 'name'),
    [
        pytest.param('pci', '0000:84:00.0', 'pci_0000_84_00_0', id='a PCI function'),
        pytest.param('mtty', 'mtty', 'mtty_mtty', id='a class of its own'),
        pytest.param('css', '0.0.0023', 'css_0_0_0023', id='a subchannel'),
        pytest.param('matrix', 'matrix', 'ap_matrix', id="libvirt's one exception"),
        pytest.param('a-b', 'ü_1', 'a_b___1', id='all but ASCII letters and digits'),
    ],
)
def test_the_name_of_a_node_device(subsystem, sysname, name):
    assert names.node_device(subsystem, sysname) == name


@hypothesis.given(SYSNAMES, SYSNAMES)
def test_a_node_device_is_named_by_letters_digits_and_underscores(subsystem, sysname):
    assert re.fullmatch('[A-Za-z0-9_]+', names.node_device(subsystem, sysname))


@pytest.mark.parametrize(
    ('sysname', 'name'),
    [
        ('mtty', f'mdev_{UUID.replace("-", "_")}_mtty'),
        ('0000:00:05.0', f'mdev_{UUID.replace("-", "_")}_0000_00_05_0'),
    ],
)
def test_the_name_of_an_mdev(sysname, name):
    assert names.mdev_node_device(UUID.upper(), sysname) == name


@hypothesis.given(st.uuids().map(str), SYSNAMES)
def test_a_uuid_survives_its_node_device_name(uuid, sysname):
    assert names.uuid_of_node_device(names.mdev_node_device(uuid, sysname)) == uuid


@pytest.mark.parametrize(
    'name',
    [
        '',
        'mdev_',
        'mtty_mtty',
        'mdev_1_2_3_4',
        'mdev_1_2_3_4_5',
        UUID,
        f'pci_{UUID.replace("-", "_")}',
    ],
)
def test_a_name_without_a_uuid(name):
    with pytest.raises(exceptions.InvalidName):
        names.uuid_of_node_device(name)


# uuids, types and sysfs names --------------------------------------------


@pytest.mark.parametrize('text', [UUID, UUID.upper(), UUID.title()])
def test_a_uuid_in_any_case(text):
    assert names.uuid(text) == UUID


@pytest.mark.parametrize(
    'text',
    [
        '',
        UUID[:-1],
        UUID + '0',
        UUID + '\n',
        UUID.replace('-', ''),
        f'{{{UUID}}}',
        f'../{UUID}',
        UUID.replace('-', '/'),
        UUID.replace('a', 'g'),
        UUID.replace('1', '\uff11'),
        'x' * 300,
        None,
        7,
    ],
)
def test_what_is_not_a_uuid(text):
    with pytest.raises(exceptions.InvalidName):
        names.uuid(text)


@pytest.mark.parametrize('check', [names.mdev_type, names.sysname])
@pytest.mark.parametrize(
    'text', ['nvidia-590', 'i915-GVTg_V5_8', 'a b', 'Größe', '...', 'x' * 255, '*']
)
def test_a_name_in_sysfs(check, text):
    assert check(text) == text


@pytest.mark.parametrize('check', [names.mdev_type, names.sysname])
@pytest.mark.parametrize(
    'text',
    [
        pytest.param('', id='nothing'),
        pytest.param('.', id='this directory'),
        pytest.param('..', id='the one above'),
        pytest.param('../x', id='a path up'),
        pytest.param('a/b', id='a path'),
        pytest.param('a\nb', id='two lines'),
        pytest.param('a\0', id='a NUL'),
        pytest.param('\ud800', id='a lone surrogate'),
        pytest.param('\u202e', id='a direction mark'),
        pytest.param('x' * 300, id='300 characters'),
        pytest.param('ü' * 128, id='256 bytes'),
    ],
)
def test_what_is_not_a_name_in_sysfs(check, text):
    with pytest.raises(exceptions.InvalidName):
        check(text)


# Providers ---------------------------------------------------------------


def test_a_provider_is_named_as_nova_names_it():
    assert names.provider('cn1.example.org', 'pci_0000_84_00_0') == (
        'cn1.example.org_pci_0000_84_00_0'
    )


def test_a_long_provider_name_is_cut_and_ends_in_a_hash():
    whole = f'{"r" * 100}_{"p" * 100}'
    digest = hashlib.sha256(whole.encode()).hexdigest()
    assert names.provider('r' * 100, 'p' * 100) == f'{whole[:183]}_{digest[:16]}'
    assert names.provider('r' * 99, 'p' * 100) == f'{"r" * 99}_{"p" * 100}'


def test_a_provider_tells_its_parent_even_if_its_name_was_cut():
    long = 'p' * 300
    assert names.providers('root', ['mtty_mtty', long]) == {
        'root_mtty_mtty': 'mtty_mtty',
        names.provider('root', long): long,
    }


def test_a_provider_needs_a_root():
    with pytest.raises(exceptions.InvalidName):
        names.provider('', 'mtty_mtty')


@hypothesis.given(st.integers(1, 300), st.integers(0, 300))
def test_a_providers_name_is_never_too_long(root_length, parent_length):
    root, parent = 'r' * root_length, 'p' * parent_length
    name = names.provider(root, parent)
    assert len(name) <= 200
    if len(root) + 1 + len(parent) <= 200:
        assert name == f'{root}_{parent}'


@hypothesis.given(
    st.integers(150, 300), st.lists(st.text(min_size=1), min_size=2, unique=True)
)
def test_long_names_of_providers_stay_apart(length, ends):
    found = {names.provider('r' * length, 'p' * 100 + end) for end in ends}
    assert len(found) == len(ends)


# Resource classes --------------------------------------------------------


@pytest.mark.parametrize(
    ('text', 'resource_class'),
    [
        pytest.param('VGPU', 'VGPU', id='the standard class'),
        pytest.param('vgpu', 'VGPU', id='the standard class, lower case'),
        pytest.param('mlx5', 'CUSTOM_MLX5', id="the specification's short form"),
        pytest.param('CUSTOM_MLX5', 'CUSTOM_MLX5', id='a custom class'),
        pytest.param('custom_mlx5', 'CUSTOM_MLX5', id='a custom class, lower case'),
        pytest.param('custom_CUSTOM_x', 'CUSTOM_X', id='never CUSTOM_CUSTOM_'),
        pytest.param('CUSTOM_VGPU', 'CUSTOM_VGPU', id='not the standard class'),
        pytest.param('VCPU', 'CUSTOM_VCPU', id='no other standard class'),
        pytest.param('custom', 'CUSTOM_CUSTOM', id='a name as any other'),
        pytest.param('x' * 248, 'CUSTOM_' + 'X' * 248, id='as long as can be'),
    ],
)
def test_a_resource_class(text, resource_class):
    assert names.resource_class(text) == resource_class


@pytest.mark.parametrize(
    'text',
    ['', 'a b', 'a-b', 'é', '\u0131', 'a\n', 'CUSTOM_', 'custom_custom_', 'x' * 249],
)
def test_what_is_not_a_resource_class(text):
    with pytest.raises(exceptions.InvalidName):
        names.resource_class(text)


@hypothesis.given(st.from_regex('[A-Za-z0-9_]{1,248}', fullmatch=True))
def test_a_resource_class_is_itself_in_any_case(text):
    hypothesis.assume(text.upper().replace('CUSTOM_', ''))
    found = names.resource_class(text)
    assert re.fullmatch('VGPU|CUSTOM_[A-Z0-9_]{1,248}', found)
    assert names.resource_class(found) == found
    assert names.resource_class(found.lower()) == found
    assert names.resource_class(text.swapcase()) == found


# Traits ------------------------------------------------------------------


@pytest.mark.parametrize(
    ('trait', 'expected'),
    [
        (names.type_trait('nvidia-590'), 'CUSTOM_MDEV_TYPE_NVIDIA_590'),
        (names.name_trait('GRID A10-4Q'), 'CUSTOM_MDEV_NAME_GRID_A10_4Q'),
        (names.api_trait('vfio-pci'), 'CUSTOM_MDEV_API_VFIO_PCI'),
    ],
)
def test_the_traits_of_a_type(trait, expected):
    assert trait == expected


TRAITS_OF = pytest.mark.parametrize(
    'trait_of', [names.type_trait, names.name_trait, names.api_trait]
)


@TRAITS_OF
@hypothesis.given(text=ANY_TEXT)
def test_a_trait_is_legal_whatever_it_is_made_from(trait_of, text):
    trait = trait_of(text)
    assert re.fullmatch('CUSTOM_[A-Z0-9_]+', trait)
    assert len(trait) <= 255
    assert trait_of(text) == trait


@TRAITS_OF
@hypothesis.given(
    ends=st.lists(st.from_regex('[a-z]{1,9}', fullmatch=True), unique=True)
)
def test_long_traits_stay_apart(trait_of, ends):
    assert len({trait_of('x' * 300 + end) for end in ends}) == len(ends)


@pytest.mark.parametrize(
    'text', ['CUSTOM_GOLD', 'CUSTOM_' + 'X' * 248, os_traits.HW_CPU_X86_AVX]
)
def test_a_trait_that_placement_takes(text):
    assert names.is_trait(text)
    assert names.trait(text) == text


@pytest.mark.parametrize(
    'text', ['', 'GOLD', 'CUSTOM_', 'CUSTOM_gold', 'CUSTOM_A-B', 'CUSTOM_' + 'X' * 249]
)
def test_a_trait_that_placement_refuses(text):
    assert not names.is_trait(text)
    with pytest.raises(exceptions.InvalidName):
        names.trait(text)


@hypothesis.given(ANY_TEXT)
def test_whatever_the_text_there_is_a_name_or_an_error_about_it(text):
    for parse in (
        names.pci_address,
        names.uuid,
        names.mdev_type,
        names.sysname,
        names.uuid_of_node_device,
        names.resource_class,
        names.trait,
    ):
        with contextlib.suppress(exceptions.InvalidName):
            parse(text)
