# SPDX-License-Identifier: Apache-2.0
"""What each kind of finding means, and what can be done about it.

The documentation (``doc/source/admin/audit-kinds.inc``) is made from it.
"""

from __future__ import annotations

import collections.abc as cabc

from nova_generic_mdev import model
from nova_generic_mdev.audit.kinds import Kind
from nova_generic_mdev.audit.kinds import Severity


@model.value
class Meaning:
    """What is to be known of a kind.

    :param says: what differs
    :param remedy: what an operator can do; ``{name}`` is of what it was found
    :param mended: what ``--fix`` does; empty: nothing
    """

    severity: Severity
    says: str
    remedy: str
    mended: str = ''


_E, _W, _I = Severity
_RECOVER = '"nova-mdev device recover"'
MEANINGS: cabc.Mapping[Kind, Meaning] = {
    Kind.MISSING_MDEV: Meaning(
        severity=_E,
        says='a consumer or a guest has it, and it is not there',
        remedy=f'{_RECOVER} makes what is claimed again; else start what made it',
        mended='made again as it was, where it is claimed',
    ),
    Kind.ORPHAN_MDEV: Meaning(
        severity=_W,
        says='we made it, its type says that it goes when it is released, and it is '
        "nobody's",
        remedy=f'{_RECOVER} removes it, if no guest has it',
        mended='removed, where every guest could be read and none has it',
    ),
    Kind.FOREIGN_MDEV: Meaning(
        severity=_W,
        says='it is on one of our parents, and we neither made nor found it',
        remedy='leave it to whoever made it; or, if no guest has it, take it over: '
        '"nova-mdev device adopt {name}"',
    ),
    Kind.TYPE_MISMATCH: Meaning(
        severity=_E,
        says='it is there, or defined, as another type or on another parent than we '
        'recorded, or is defined with other attributes than we gave it',
        remedy='find out who made it; when no guest uses it remove that one, and '
        f'its definition; then {_RECOVER}',
    ),
    Kind.DOUBLE_ASSIGNMENT: Meaning(
        severity=_E,
        says='two guests name it, or a guest names what is claimed for another',
        remedy='stop one of the guests, and give it another device',
    ),
    Kind.GUEST_WITHOUT_CLAIM: Meaning(
        severity=_E,
        says="a guest names it, and in our record it is nobody's, so that another "
        'may be given it',
        remedy='nova-compute claims it when it starts, if Placement says that the '
        'server holds it; without Nova: take it out of the guest',
        mended="claimed for the guest's server, where Placement says that it holds "
        'just that',
    ),
    Kind.GUEST_WITHOUT_DEVICE: Meaning(
        severity=_E,
        says='it is claimed for a guest whose XML does not name it',
        remedy='reboot the server hard, which writes its XML anew',
    ),
    Kind.PENDING_CLAIM: Meaning(
        severity=_W,
        says='it was about to be made for a consumer, and that did not come to its end',
        remedy=f'{_RECOVER} takes it back',
        mended='taken back; or made good, where a guest names it. One of an '
        'accelerator service is left alone',
    ),
    Kind.STALE_RECORD: Meaning(
        severity=_W,
        says="we know it, it is nobody's, and neither there nor defined",
        remedy=f'{_RECOVER} forgets it',
        mended='forgotten',
    ),
    Kind.DEFINITION_WITHOUT_DEVICE: Meaning(
        severity=_W,
        says="libvirt has a definition of it on one of our parents; it is nobody's, "
        'and not there',
        remedy='if nobody needs it: "virsh nodedev-undefine" its node device',
        mended='undefined, and forgotten, where we made it and no guest has it',
    ),
    Kind.DUPLICATE_UUID: Meaning(
        severity=_W,
        says='libvirt has two of this uuid, on two parents; only one can be there',
        remedy='"virsh nodedev-undefine" the wrong one',
    ),
    Kind.LIBVIRT_DIFFERS: Meaning(
        severity=_W,
        says='libvirt and sysfs do not tell the same of it; sysfs is right',
        remedy="restart libvirt's node-device daemon (virtnodedevd, or libvirtd)",
    ),
    Kind.ALLOCATION_WITHOUT_DEVICE: Meaning(
        severity=_E,
        says='a consumer that is known here holds more in Placement than was claimed '
        'for it',
        remedy='reboot the server hard, which gives it what it lacks',
    ),
    Kind.DEVICE_WITHOUT_ALLOCATION: Meaning(
        severity=_E,
        says='more is claimed for a consumer than it holds in Placement',
        remedy='give it back what it lacks, beside all that it has: "openstack '
        'resource provider allocation set"',
    ),
    Kind.STALE_CLAIM: Meaning(
        severity=_W,
        says="a claim of Placement's consumer that holds nothing here any more, and "
        'that no guest here is or uses',
        remedy='"nova-mdev device release {name}"',
        mended='released, after asking libvirt and Placement once more; not one that '
        'a live migration brings',
    ),
    Kind.UNKNOWN_CONSUMER: Meaning(
        severity=_W,
        says='Placement has an allocation here of a consumer that has neither a '
        'claim nor a guest here',
        remedy='it may be about to come; if not, see "nova-manage placement audit"',
    ),
    Kind.CONSUMER_DIFFERS: Meaning(
        severity=_W,
        says='what is claimed for one consumer, another one holds in Placement',
        remedy='a server is being moved, or was: nova-compute puts it right when '
        'that is over',
    ),
    Kind.MISSING_PROVIDER: Meaning(
        severity=_W,
        says='a parent with something to offer has no provider, or this host has none',
        remedy='nova-compute, or "nova-mdev inventory publish", makes it',
        mended="published; the host's own provider is not made",
    ),
    Kind.STALE_PROVIDER: Meaning(
        severity=_W,
        says='a provider of ours of which nothing is wanted any more',
        remedy='it goes when nothing is allocated of it: "nova-mdev inventory publish"',
        mended='its inventory is dropped, and then the provider, as far as Placement '
        'has no allocation on it',
    ),
    Kind.FOREIGN_PROVIDER: Meaning(
        severity=_E,
        says='it has the name of one of ours, and no trait "CUSTOM_MDEV_TYPE_..." or '
        'another place in the tree',
        remedy="delete it, or hand it over by giving it its type's trait",
    ),
    Kind.INVENTORY_DIFFERS: Meaning(
        severity=_W,
        says='Placement has another inventory than this host should have',
        remedy='nova-compute, or "nova-mdev inventory publish", brings it there',
        mended='published',
    ),
    Kind.TRAITS_DIFFER: Meaning(
        severity=_W,
        says='a provider lacks traits, or has some that we gave it and take back',
        remedy='nova-compute, or "nova-mdev inventory publish", brings them there',
        mended='published',
    ),
    Kind.MISSING_PARENT: Meaning(
        severity=_E,
        says='mdevs are claimed on it, or it has a provider that is still wanted, and '
        'it is not there',
        remedy=f'load its driver, or make its virtual functions; then {_RECOVER}',
    ),
    Kind.DRAINING: Meaning(
        severity=_I,
        says='a parent is drained, or some of a type are in use that is not given '
        'any more; how many are left is told',
        remedy='nothing: it ends when the last of its users goes; of a drained parent '
        'with "nova-mdev parent undrain {name}"',
    ),
    Kind.UNREADABLE: Meaning(
        severity=_W,
        says='something that cannot be read; of a parent that does not concern us it '
        'is told as info',
        remedy='look at the driver of that device',
    ),
    Kind.UNREADABLE_GUEST: Meaning(
        severity=_E,
        says='a guest that cannot be read, so that any mdev may be in it',
        remedy='look at "virsh dumpxml {name}"; nothing is removed until it is read',
    ),
}
