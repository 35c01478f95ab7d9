"""Bundles written: whole or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.numpy

from il_ros.core.atomic_files import write_atomic
from il_ros.core.atomic_folders import new_folder
from il_ros.core.errors import BundleError
from il_ros.monitors.conformal_thresholds import CalibrationRecord
from il_ros.policies.bundle import (
    CALIBRATION_FILE,
    FORMAT,
    INFO_FILE,
    POLICY_FILE,
    Bundle,
    BundleInfo,
    FileEntry,
    read_info,
)
from il_ros.policies.bundle_signature import KEY, with_identity


def save_bundle(bundle: Bundle, path: Path, *, overwrite: bool = False) -> str:
    """Write a bundle's folder, whole or not at all, and give the identity that it has.

    Raises:
        BundleError: If `path` exists and may not be replaced, or cannot be written.
    """
    contents = {POLICY_FILE: safetensors.numpy.save(dict(bundle.policy.arrays()))}
    if bundle.scores is not None:
        contents[CALIBRATION_FILE] = safetensors.numpy.save(bundle.scores.arrays())
    files = {
        name: FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    }
    with new_folder(path, overwrite=overwrite, marker=INFO_FILE, error=BundleError) as folder:
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        description = _describe(bundle, files)
        (folder / INFO_FILE).write_text(_dump(description), encoding='utf-8')
    return str(description[KEY])


def save_threshold(path: Path, bundle: Bundle, limit: CalibrationRecord) -> str:
    """Replace the thresholds in the bundle's folder at `path`, and give its new identity.

    Nothing else changes; a signature is of the identity before, and no longer counts.
    """
    description = _describe(replace(bundle, threshold=limit), read_info(path).files)
    write_atomic(path / INFO_FILE, _dump(description))
    return str(description[KEY])


def _describe(bundle: Bundle, files: Mapping[str, FileEntry]) -> dict[str, Any]:
    info = BundleInfo(
        format=FORMAT,
        policy_id=bundle.policy_id,
        policy=bundle.policy.kind,
        config=bundle.policy.config(),
        contract=bundle.contract.text,
        contract_hash=bundle.contract.hash,
        training=bundle.training,
        channels=bundle.scores.specs if bundle.scores else (),
        horizon=bundle.scores.horizon if bundle.scores else 0,
        calibration=bundle.threshold,
        files=files,
        identity='',
    )
    # Through JSON first: what is hashed is what a reader finds.
    return with_identity(json.loads(json.dumps(dataclasses.asdict(info), default=str)))


def _dump(description: Mapping[str, Any]) -> str:
    return json.dumps(description, indent=1, ensure_ascii=False) + '\n'
