# SPDX-License-Identifier: Apache-2.0
"""Flavors, as operators write them, and what they ask for of our classes.

tests/nova/test_tree.py asks Nova's scheduler the same.
"""

#: the class of the one rule, beside VGPU
CLASS = 'CUSTOM_A'

_LONG = 'x' * 64

#: by name: extra specs, and how many of each class
FLAVORS = {
    'nothing': ({}, {}),
    'the standard class': ({'resources:VGPU': '1'}, {'VGPU': 1}),
    'of a rule': ({'resources:CUSTOM_A': '3'}, {CLASS: 3}),
    'of no rule': ({'resources:CUSTOM_B': '3'}, {}),
    "another's standard class": ({'resources:VCPU': '3'}, {}),
    'a numbered group': ({'resources1:VGPU': '1'}, {'VGPU': 1}),
    'a named group': ({'resources_x-Y:CUSTOM_A': '1'}, {CLASS: 1}),
    'all groups together': (
        {'resources:VGPU': '1', 'resources2:VGPU': '2', 'resources_x:CUSTOM_A': '4'},
        {'VGPU': 3, CLASS: 4},
    ),
    'none of it': ({'resources:VGPU': '0'}, {}),
    'none in one group': (
        {'resources:VGPU': '0', 'resources1:VGPU': '2'},
        {'VGPU': 2},
    ),
    'blank': ({'resources:VGPU': ''}, {}),
    'blanks around': ({'resources:VGPU': ' 2 '}, {'VGPU': 2}),
    'with its sign': ({'resources:VGPU': '+2'}, {'VGPU': 2}),
    'less than none': ({'resources:VGPU': '-1'}, {}),
    'less than none in one group': (
        {'resources:VGPU': '-1', 'resources1:VGPU': '2'},
        {'VGPU': 2},
    ),
    'no whole number': ({'resources:VGPU': '1.0'}, {}),
    'a word': ({'resources:VGPU': 'one'}, {}),
    'a blank before the class': ({'resources: VGPU': '1'}, {}),
    'in lower case': ({'resources:vgpu': '1'}, {}),
    'misspelt': ({'resource:VGPU': '1'}, {}),
    "somebody's own key": ({'my:resources:VGPU': '1'}, {}),
    'more after the class': ({'resources:VGPU:x': '1'}, {}),
    'no name of a group': ({'resources!:VGPU': '1'}, {}),
    'a long name of a group': ({f'resources{_LONG}:VGPU': '1'}, {'VGPU': 1}),
    'too long a name': ({f'resources{_LONG}x:VGPU': '1'}, {}),
    'a trait': ({'trait:VGPU': 'required'}, {}),
}
