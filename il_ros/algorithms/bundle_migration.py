"""Bundles of formats 2 and 3 as bundles of this version.

Settings of format 2 have other names. In both an MLP averages its overlapping chunks itself (the
setting `blend`), which is now the monitor's part (`MonitorConfig.chunk_blend`).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from il_ros.algorithms.bc import BcConfig
from il_ros.core.atomic_files import write_atomic
from il_ros.core.config import read_json
from il_ros.core.contract import parse_contract
from il_ros.core.documents import load_json
from il_ros.core.errors import BundleError
from il_ros.core.migration import Migration, rename_keys
from il_ros.core.registry import lookup
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.scores.score import SCORES
from il_ros.policies.array_files import read_arrays
from il_ros.policies.bundle import (
    CONVERTIBLE,
    FORMAT,
    INFO_FILE,
    POLICY_FILE,
    load_bundle,
    policy_identity,
)
from il_ros.policies.bundle_signature import KEY, with_identity
from il_ros.policies.mlp import MlpConfig, MlpPolicy
from il_ros.policies.policy import hash_arrays

_OTHER_SETTINGS = (2, 3)  # formats with other settings of the policy
_OLD_BLEND = 0.75  # of a bundle that does not name it


def convert_bundle(folder: Path) -> Migration:
    """How a bundle becomes one of the current format: other settings, and its identity with them.

    The identity of a policy covers its settings, so that it changes, and with it what the
    thresholds belong to. Weights and scores stay bit for bit, and thresholds too, unless a score
    reads chunks and these were averages of several.

    Args:
        folder: The bundle's folder.

    Raises:
        BundleError: If it is damaged, was changed by hand, or is of a format that nothing converts.
    """
    file = folder / INFO_FILE
    data: dict[str, Any] = read_json(file, BundleError)
    if not isinstance(data, dict):
        raise BundleError('cannot be read: not a mapping', where=str(file))
    found, kind = data.get('format'), data.get('policy')
    if found == FORMAT:
        return Migration(changes=(), write=lambda target: None)
    if found not in CONVERTIBLE:
        newer = isinstance(found, int) and found > FORMAT
        raise BundleError(
            f'format {found}',
            where=str(file),
            allowed=', '.join(map(str, (*CONVERTIBLE, FORMAT))),
            fix='update il_ros: a newer version wrote it' if newer else 'train the policy again',
        )
    changes: tuple[str, ...] = (f'{INFO_FILE}: format {FORMAT}, with an {KEY}; was {found}',)
    if kind == MlpPolicy.kind and found in _OTHER_SETTINGS:
        try:
            data, renamed = _renamed(data, folder)
        except (LookupError, TypeError, ValueError, AttributeError) as problem:
            raise BundleError(f'damaged: {problem!r}', where=str(file), fix='train again') from None
        changes += renamed

    def write(target: Path) -> None:
        shutil.copytree(folder, target)
        text = json.dumps(with_identity(data | {'format': FORMAT}), indent=1, ensure_ascii=False)
        write_atomic(target / INFO_FILE, text + '\n')
        load_bundle(target)

    return Migration(changes=changes, write=write)


def _renamed(data: dict[str, Any], folder: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The content of `bundle.json` with new settings and the new identity, and what changed."""
    file = folder / INFO_FILE
    old, training = data['policy_id'], data['training']
    calibration, channels = data['calibration'], data['channels']
    contract = parse_contract(data['contract'], source=str(file))
    arrays = read_arrays(folder / POLICY_FILE, **data['files'][POLICY_FILE])
    config, changes = _rename(data['config'], MlpConfig, f'{INFO_FILE}.config')
    settings, more = _rename(training['config'], BcConfig, f'{INFO_FILE}.training.config')
    plain = json.dumps(data['config'], sort_keys=True)
    if hash_arrays(sorted(arrays.items()), data['policy'], plain, contract.hash)[:16] != old:
        raise BundleError(
            f'the policy is not {old}', where=str(file), fix='it was changed by hand: train again'
        )
    blend = config.pop('blend', _OLD_BLEND)
    settings.get('policy', {}).pop('blend', None)
    changes = (*changes, _blend_text(blend))
    new = policy_identity(MlpPolicy.load(contract, config, arrays, 'cpu'))
    changed: dict[str, Any] = {
        'policy_id': new,
        'config': config,
        'training': {**training, 'config': settings},
    }
    if calibration is not None and blend and _read_chunks(channels):
        changed['calibration'] = None
        more += (
            f'{INFO_FILE}.calibration: removed, its scores read averaged chunks; '
            'run il_ros monitor calibrate',
        )
    elif calibration is not None:
        changed['calibration'] = {**calibration, 'policy_id': new}
    return data | changed, (*changes, *more, f'{INFO_FILE}.policy_id: {new}, was {old}')


def _blend_text(blend: float) -> str:
    text = f'{INFO_FILE}.config.blend: removed, the monitor averages chunks (chunk_blend)'
    default = MonitorConfig.chunk_blend
    return text if blend == default else f'{text}; set chunk_blend to {blend}, not {default}'


def _read_chunks(channels: Any) -> bool:
    """Whether a score of a bundle reads the policy's chunks."""
    return any('chunk' in lookup('score', kind, SCORES).needs for _, kind, _ in channels)


def _rename(settings: Any, cls: type, where: str) -> tuple[Any, tuple[str, ...]]:
    text, changes = rename_keys(json.dumps(settings), cls, where=where)
    return load_json(text), changes
