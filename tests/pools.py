# SPDX-License-Identifier: Apache-2.0
"""How devices run out: creates in their order, and what is left after each.

Plain data.  The same rows hold for ``FakeHost``, for the trees that
``write_sysfs`` writes, and for the real drivers of the rows marked ``real``:
those were run on a kernel 6.12 with its own mtty, mdpy and mbochs, and with an
mtty whose parents are emulated PCI functions (mttypci).
"""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import errno

Left = cabc.Mapping[str, cabc.Mapping[str, int]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """So many creates of a type on a parent.

    :param left: available_instances by parent and mdev type when all are done
    """

    parent: str
    mdev_type: str
    times: int = 1
    left: Left


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoolSequence:
    """One way to use up a host.

    :param host: the name of a builder in ``fixture``, and its arguments
    :param start: available_instances by parent and type before the first step
    :param refused: a create that fails then: parent, type and error number
    """

    id: str
    host: str
    arguments: cabc.Mapping[str, int] = dataclasses.field(default_factory=dict)
    start: Left
    steps: tuple[Step, ...]
    refused: tuple[str, str, int]
    real: bool = False


def _mtty(one: int, two: int, parent: str = 'mtty_mtty', driver: str = 'mtty') -> Left:
    return {parent: {f'{driver}-1': one, f'{driver}-2': two}}


def _mdpy(each: int) -> Left:
    return {'mdpy_mdpy': dict.fromkeys(('mdpy-vga', 'mdpy-xga', 'mdpy-hd'), each)}


def _mbochs(large: int, medium: int, small: int) -> Left:
    counts = {'mbochs-large': large, 'mbochs-medium': medium, 'mbochs-small': small}
    return {'mbochs_mbochs': counts}


def _pci(five: tuple[int, int], six: tuple[int, int]) -> Left:
    return {
        **_mtty(*five, parent='pci_0000_00_05_0', driver='mttypci'),
        **_mtty(*six, parent='pci_0000_00_06_0', driver='mttypci'),
    }


def _m60(b0: int, q2: int, q8: int) -> cabc.Mapping[str, int]:
    return {'nvidia-11': b0, 'nvidia-18': q2, 'nvidia-22': q8}


def _a40(*each: tuple[int, int]) -> Left:
    return {
        f'pci_0000_41_00_{4 + i}': {'nvidia-558': q2, 'nvidia-560': q4}
        for i, (q2, q4) in enumerate(each)
    }


def _gvt(v8: int, v4: int, v2: int, v1: int) -> Left:
    counts = {
        'i915-GVTg_V5_8': v8,
        'i915-GVTg_V5_4': v4,
        'i915-GVTg_V5_2': v2,
        'i915-GVTg_V5_1': v1,
    }
    return {'pci_0000_00_02_0': counts}


MTTY = 'mtty_mtty'
MDPY = 'mdpy_mdpy'
MBOCHS = 'mbochs_mbochs'
GPU, OTHER_GPU = 'pci_0000_84_00_0', 'pci_0000_85_00_0'
VF = 'pci_0000_41_00_{}'.format
GVT = 'pci_0000_00_02_0'
SUBCHANNEL, MATRIX = 'css_0_0_0023', 'ap_matrix'

POOL_SEQUENCES = (
    PoolSequence(
        id='mtty-serial-ports',
        host='mtty',
        real=True,
        start=_mtty(24, 12),
        steps=(
            Step(parent=MTTY, mdev_type='mtty-1', left=_mtty(23, 11)),
            Step(parent=MTTY, mdev_type='mtty-2', left=_mtty(21, 10)),
            Step(parent=MTTY, mdev_type='mtty-2', times=10, left=_mtty(1, 0)),
            Step(parent=MTTY, mdev_type='mtty-1', left=_mtty(0, 0)),
        ),
        refused=(MTTY, 'mtty-1', errno.ENOSPC),
    ),
    PoolSequence(
        id='mtty-one-port-is-too-few-for-two',
        host='mtty',
        real=True,
        start=_mtty(24, 12),
        steps=(Step(parent=MTTY, mdev_type='mtty-1', times=23, left=_mtty(1, 0)),),
        refused=(MTTY, 'mtty-2', errno.ENOSPC),
    ),
    PoolSequence(
        id='mdpy-counts-devices',
        host='mdpy',
        real=True,
        start=_mdpy(4),
        steps=(
            Step(parent=MDPY, mdev_type='mdpy-vga', left=_mdpy(3)),
            Step(parent=MDPY, mdev_type='mdpy-hd', left=_mdpy(2)),
            Step(parent=MDPY, mdev_type='mdpy-xga', times=2, left=_mdpy(0)),
        ),
        refused=(MDPY, 'mdpy-vga', errno.EUSERS),
    ),
    PoolSequence(
        id='mbochs-video-memory',
        host='mbochs',
        real=True,
        start=_mbochs(4, 16, 64),
        steps=(
            Step(parent=MBOCHS, mdev_type='mbochs-small', left=_mbochs(3, 15, 63)),
            Step(parent=MBOCHS, mdev_type='mbochs-medium', left=_mbochs(3, 14, 59)),
            Step(parent=MBOCHS, mdev_type='mbochs-large', left=_mbochs(2, 10, 43)),
            Step(
                parent=MBOCHS,
                mdev_type='mbochs-large',
                times=2,
                left=_mbochs(0, 2, 11),
            ),
        ),
        refused=(MBOCHS, 'mbochs-large', errno.ENOSPC),
    ),
    PoolSequence(
        id='pci-mtty-each-function-has-its-pool',
        host='pci_mtty',
        real=True,
        start=_pci((24, 12), (24, 12)),
        steps=(
            Step(
                parent='pci_0000_00_05_0',
                mdev_type='mttypci-2',
                left=_pci((22, 11), (24, 12)),
            ),
            Step(
                parent='pci_0000_00_05_0',
                mdev_type='mttypci-2',
                times=11,
                left=_pci((0, 0), (24, 12)),
            ),
        ),
        refused=('pci_0000_00_05_0', 'mttypci-1', errno.ENOSPC),
    ),
    PoolSequence(
        id='gpus-one-type-at-a-time',
        host='pci_gpus',
        start={GPU: _m60(16, 4, 1), OTHER_GPU: _m60(16, 4, 1)},
        steps=(
            Step(
                parent=GPU,
                mdev_type='nvidia-18',
                left={GPU: _m60(0, 3, 0), OTHER_GPU: _m60(16, 4, 1)},
            ),
            Step(
                parent=OTHER_GPU,
                mdev_type='nvidia-22',
                left={GPU: _m60(0, 3, 0), OTHER_GPU: _m60(0, 0, 0)},
            ),
        ),
        refused=(GPU, 'nvidia-11', errno.ENOSPC),
    ),
    PoolSequence(
        id='sriov-card-full-before-its-functions-are',
        host='sriov_card',
        arguments={'vfs': 4, 'capacity': 2},
        start=_a40((1, 1), (1, 1), (1, 1), (1, 1)),
        steps=(
            Step(
                parent=VF(4),
                mdev_type='nvidia-558',
                left=_a40((0, 0), (1, 0), (1, 0), (1, 0)),
            ),
            Step(
                parent=VF(6),
                mdev_type='nvidia-558',
                left=_a40((0, 0), (0, 0), (0, 0), (0, 0)),
            ),
        ),
        refused=(VF(5), 'nvidia-558', errno.ENOSPC),
    ),
    PoolSequence(
        id='gvt-aperture',
        host='gvt',
        start=_gvt(8, 4, 2, 1),
        steps=(
            Step(parent=GVT, mdev_type='i915-GVTg_V5_8', left=_gvt(7, 3, 1, 0)),
            Step(parent=GVT, mdev_type='i915-GVTg_V5_2', left=_gvt(3, 1, 0, 0)),
        ),
        refused=(GVT, 'i915-GVTg_V5_2', errno.ENOSPC),
    ),
    PoolSequence(
        id='s390-one-mdev-a-subchannel',
        host='s390',
        arguments={'subchannels': 1},
        start={
            SUBCHANNEL: {'vfio_ccw-io': 1},
            MATRIX: {'vfio_ap-passthrough': 65536},
        },
        steps=(
            Step(
                parent=SUBCHANNEL,
                mdev_type='vfio_ccw-io',
                left={
                    SUBCHANNEL: {'vfio_ccw-io': 0},
                    MATRIX: {'vfio_ap-passthrough': 65536},
                },
            ),
        ),
        refused=(SUBCHANNEL, 'vfio_ccw-io', errno.EUSERS),
    ),
)
