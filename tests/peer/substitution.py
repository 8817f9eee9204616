# SPDX-License-Identifier: Apache-2.0
"""Puts a subclass of Nova's libvirt driver where Nova's tests find Nova's.

They name it in two ways, ``nova.virt.libvirt.driver.LibvirtDriver`` and
``nova.virt.libvirt.LibvirtDriver``: to make drivers, and to mock methods of the
driver that they made.  Both names get the subclass, so that a mocked method is
mocked whoever defines it.
"""

import collections.abc as cabc
import inspect
import typing as ty

from nova.virt import libvirt
from nova.virt.libvirt import driver as libvirt_driver

#: Nova's own class, under whatever name
IN_TREE = libvirt_driver.LibvirtDriver

#: called with the class of each driver that is made, Nova's own included
Watch = cabc.Callable[[type], None]


def substitute(ours: type, watch: Watch) -> None:
    """For the rest of this process, Nova's tests have our class.

    :param ours: a subclass of Nova's; Nova's itself changes nothing
    """
    _watch(watch)
    _let_constructor_know_itself()
    _own_static_methods(ours)
    libvirt_driver.LibvirtDriver = libvirt.LibvirtDriver = ours


def _watch(watch: Watch) -> None:
    def make(cls: type, *_arguments: ty.Any, **_options: ty.Any) -> ty.Any:
        watch(cls)
        return super(IN_TREE, cls).__new__(cls)

    IN_TREE.__new__ = make


def _let_constructor_know_itself() -> None:
    """Nova 31 and 32 say ``super(LibvirtDriver, self)`` in the constructor.

    It is looked up when it is called, and would find a subclass: itself again,
    without end.  There the name becomes another one, that only Nova's has.
    """
    constructor = IN_TREE.__init__
    names = constructor.__code__.co_names
    own_name = 'InTreeLibvirtDriver'
    vars(libvirt_driver)[own_name] = IN_TREE
    constructor.__code__ = constructor.__code__.replace(
        co_names=tuple(own_name if n == IN_TREE.__name__ else n for n in names)
    )


def _own_static_methods(ours: type) -> None:
    """Let a class have in its own right the static methods that it inherits.

    fixtures.MonkeyPatch looks for them in the class itself alone, and takes one
    that is inherited for a function that needs ``self``.
    """
    for name, method in vars(IN_TREE).items():
        is_static = isinstance(method, staticmethod | classmethod)
        if is_static and inspect.getattr_static(ours, name) is method:
            setattr(ours, name, method)
