"""The HDF5 file of a robomimic dataset.

As robomimic 0.3 writes and reads it: `data` with the attributes `total` and `env_args`, in it one
group a demonstration with the attribute `num_samples` and `obs/KEY`, `next_obs/KEY`, `actions`,
`rewards`, `dones`, `states`; `mask/train` and `mask/valid` name demonstrations. Ours in addition:
the group `il_ros`, which robomimic never looks into.
"""

from __future__ import annotations

import re
from typing import Any

from il_ros.core.errors import DatasetError
from il_ros.interop.feature_mapping import ForeignFeature
from il_ros.interop.hdf5_files import array, feature, member, refused

ACTIONS = 'actions'
SIDE = 'il_ros'
ORIGIN = 'origin'
RECORD = 'record'
_DEMO = re.compile(r'demo_(\d{1,9})')


def demos(file: Any) -> list[str]:
    """Names of the demonstrations, by number.

    Raises:
        DatasetError: If there is none.
    """
    group = member(file, 'data')
    names = [name for name in group if _DEMO.fullmatch(name)]
    if not names:
        raise refused(group, 'no data/demo_0', 'a robomimic dataset')
    return sorted(names, key=lambda name: int(name[5:]))


def length(demo: Any) -> int:
    """How many frames a demonstration has, by `num_samples` or else by its actions.

    Raises:
        DatasetError: If the two disagree, or there are none.
    """
    rows = array(demo, ACTIONS).shape
    stated = int(demo.attrs.get('num_samples', rows[0] if rows else 0))
    if not rows or stated != rows[0] or stated < 1:
        raise DatasetError(
            f'num_samples {stated}, actions of shape {rows}',
            where=f'{demo.file.filename}{demo.name}',
        )
    return stated


def features(demo: Any) -> dict[str, ForeignFeature]:
    """Features of a demonstration: `actions`, and the observations by key."""
    observations = member(demo, 'obs')
    found = {key: feature(array(observations, key)) for key in observations}
    return {ACTIONS: ForeignFeature(shape=feature(array(demo, ACTIONS)).shape)} | found
