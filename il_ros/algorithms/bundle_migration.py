"""Bundles of format 2, whose settings have other names, as bundles of this version."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from il_ros.algorithms.bc import BcConfig
from il_ros.core.atomic_files import write_atomic
from il_ros.core.contract import parse_contract
from il_ros.core.errors import BundleError
from il_ros.core.migration import Migration, rename_keys
from il_ros.policies.bundle import (
    FORMAT,
    INFO_FILE,
    POLICY_FILE,
    load_bundle,
    policy_identity,
    read_arrays,
)
from il_ros.policies.mlp import MlpConfig, MlpPolicy
from il_ros.policies.policy import hash_arrays

_OLD = 2


def convert_bundle(folder: Path) -> Migration:
    """How a bundle becomes one of the current format: settings renamed, its identity with them.

    The identity of a policy covers its settings, so that it changes, and with it what the
    thresholds belong to. Weights, scores and thresholds stay bit for bit.

    Args:
        folder: The bundle's folder.

    Raises:
        BundleError: If it is damaged, was changed by hand, or is of a format that nothing converts.
    """
    file = folder / INFO_FILE
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding='utf-8'))
        found, kind = data.get('format'), data.get('policy')
    except (OSError, ValueError, AttributeError) as problem:
        raise BundleError(f'cannot be read: {problem}', where=str(file)) from None
    if found == FORMAT:
        return Migration(changes=(), write=lambda target: None)
    if found != _OLD:
        newer = isinstance(found, int) and found > FORMAT
        raise BundleError(
            f'format {found}',
            where=str(file),
            allowed=f'{_OLD}, {FORMAT}',
            fix='update il_ros: a newer version wrote it' if newer else 'train the policy again',
        )
    changes: tuple[str, ...] = (f'{INFO_FILE}: format {FORMAT}, was {_OLD}',)
    if kind == MlpPolicy.kind:
        data, renamed = _renamed(data, folder)
        changes += renamed

    def write(target: Path) -> None:
        shutil.copytree(folder, target)
        text = json.dumps(data | {'format': FORMAT}, indent=1, ensure_ascii=False)
        write_atomic(target / INFO_FILE, text + '\n')
        load_bundle(target)

    return Migration(changes=changes, write=write)


def _renamed(data: dict[str, Any], folder: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The content of `bundle.json` with new settings and the new identity, and what changed."""
    file = folder / INFO_FILE
    try:
        old, calibration, training = data['policy_id'], data['calibration'], data['training']
        contract = parse_contract(data['contract'], source=str(file))
        arrays = read_arrays(folder / POLICY_FILE, **data['files'][POLICY_FILE])
        config, changes = _rename(data['config'], MlpConfig, f'{INFO_FILE}.config')
        settings, more = _rename(training['config'], BcConfig, f'{INFO_FILE}.training.config')
    except (KeyError, TypeError) as problem:
        raise BundleError(f'damaged: {problem!r}', where=str(file), fix='train again') from None
    plain = json.dumps(data['config'], sort_keys=True)
    if hash_arrays(sorted(arrays.items()), data['policy'], plain, contract.hash)[:16] != old:
        raise BundleError(
            f'the policy is not {old}', where=str(file), fix='it was changed by hand: train again'
        )
    new = policy_identity(MlpPolicy.load(contract, config, arrays, 'cpu'))
    changed: dict[str, Any] = {
        'policy_id': new,
        'config': config,
        'training': {**training, 'config': settings},
    }
    if calibration is not None:
        changed['calibration'] = {**calibration, 'policy_id': new}
    return data | changed, (*changes, *more, f'{INFO_FILE}.policy_id: {new}, was {old}')


def _rename(settings: Any, cls: type, where: str) -> tuple[Any, tuple[str, ...]]:
    text, changes = rename_keys(json.dumps(settings), cls, where=where)
    return json.loads(text), changes
